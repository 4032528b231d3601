/** What was allocated and what is announced, for people. */
import type { AnnouncedRow, AnnouncedView } from '../control/announced.ts';
import type { ServedService } from '../control/ipam-services.ts';
import type { NotAnnouncedRow } from '../control/not-announced.ts';
import type { Finding } from '../directory/manifests.ts';
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
    const addresses = allocation.addresses.map(IpAddress.format);
    return [
      { service: `${claim.namespace}/${claim.name}`, addresses, lacking: allocation.refusals.map(Refusal.message) },
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
  if (rows.length === 0) return 'nothing\n';
  return table(
    ['NODE', 'HOW', 'WHAT', 'FROM', 'TO', 'ATTRIBUTES'],
    rows.map(row => [row.node, row.how, row.what, row.from.join(', '), row.to.join(', '), row.attributes]),
  );
}

/** A paragraph for each thing that is not announced: sentences are no columns. Nodes with the same reason share one. */
export function notAnnouncedText(rows: readonly NotAnnouncedRow[]): string {
  const paragraphs = new Map<string, { readonly row: NotAnnouncedRow; readonly nodes: string[] }>();
  for (const row of rows) {
    const key = JSON.stringify([row.how, row.what, row.from, row.to, row.message, row.fix]);
    const paragraph = paragraphs.get(key);
    if (paragraph === undefined) paragraphs.set(key, { row, nodes: [row.node] });
    else paragraph.nodes.push(row.node);
  }
  return [...paragraphs.values()].map(({ row, nodes }) => paragraphOf(row, nodes)).join('');
}

function paragraphOf({ how, what, from, to, message, fix }: NotAnnouncedRow, nodes: readonly string[]): string {
  const subject = [what, from === '' ? '' : `(${from})`, to.length === 0 ? '' : `to ${to.join(', ')}`];
  const over = how === 'bgp' ? 'over BGP' : 'on the local network';
  const head = [...subject, over, `from ${nodes.join(', ')}`].filter(word => word !== '').join(' ');
  return `${head}\n  because ${message}\n  to change that: ${fix}\n`;
}

/** Several nodes' views as one. */
export function joinViews(views: readonly AnnouncedView[]): AnnouncedView {
  return {
    announced: views.flatMap(view => view.announced),
    notAnnounced: views.flatMap(view => view.notAnnounced),
  };
}

/** As compilers write it, so that editors find the place. */
export function problemLine({ file, line, severity, message, fix }: Finding): string {
  return `${line === undefined ? file : `${file}:${line}`}: ${severity}: ${message}; ${fix}\n`;
}
