/** What was allocated and what is announced, as tables. */

import type { AnnouncedRow, AnnouncedView, NotAnnouncedRow } from '../control/announced.ts';
import type { ServedService } from '../control/ipam-services.ts';
import { Refusal } from '../ipam/reason.ts';
import { IpAddress } from '../net/ip.ts';
import { table } from './table.ts';

export interface AllocatedRow {
  /** `namespace/name`. */
  readonly service: string;
  readonly addresses: readonly string[];
  /** Why it lacks an address it asked for; empty when it has them all. */
  readonly lacking: readonly string[];
}

/** A row for each Service that is ours to serve. */
export function allocatedRows(services: readonly ServedService[]): AllocatedRow[] {
  return services.flatMap(({ claim, allocation }) => {
    if (claim === undefined) return [];
    const service = `${claim.namespace}/${claim.name}`;
    return [
      {
        service,
        addresses: allocation.addresses.map(IpAddress.format),
        lacking: allocation.refusals.map(Refusal.message),
      },
    ];
  });
}

export function allocatedTable(rows: readonly AllocatedRow[]): string {
  if (rows.length === 0) return 'no Service asks for an address\n';
  const cells = rows.map(row => [row.service, row.addresses.join(', ') || 'none', row.lacking.join('; ')]);
  const hasLack = rows.some(row => row.lacking.length > 0);
  return hasLack ? table(['SERVICE', 'ADDRESSES', 'LACKING'], cells) : table(['SERVICE', 'ADDRESSES'], cells);
}

/** Rows of several nodes; nothing announced is said in a sentence. */
export function announcedTable(rows: readonly AnnouncedRow[]): string {
  if (rows.length === 0) return 'nothing is announced\n';
  return table(
    ['NODE', 'HOW', 'WHAT', 'FROM', 'TO', 'ATTRIBUTES'],
    rows.map(row => [row.node, row.how, row.what, row.from.join(', '), row.to.join(', '), row.attributes]),
  );
}

export function notAnnouncedTable(rows: readonly NotAnnouncedRow[]): string {
  return table(
    ['NODE', 'HOW', 'WHAT', 'FROM', 'WHY NOT', 'WHAT TO DO'],
    rows.map(row => [row.node, row.how, row.what, row.from, row.message, row.fix]),
  );
}

/** Several nodes' views as one. */
export function joinViews(views: readonly AnnouncedView[]): AnnouncedView {
  return {
    announced: views.flatMap(view => view.announced),
    notAnnounced: views.flatMap(view => view.notAnnounced),
  };
}
