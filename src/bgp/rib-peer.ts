/** What the RIB holds about one peer: its view, and what it has in each family. */
import { IpAddress } from '../net/ip.ts';
import type { AdjOut } from './adj-out.ts';
import type { AttributeContext } from './attribute.ts';
import type { DecisionPeer } from './decision.ts';
import { familyRows } from './family.ts';
import type { RibImport } from './rib-import.ts';
import type { PathCounts } from './rib-table.ts';
import type { PeerView } from './rib-view.ts';

export class RibPeer implements DecisionPeer {
  readonly slot: number;
  view: PeerView;
  /** False while only stale routes of it are left. */
  up = true;
  external: boolean;
  routerId: number;
  remoteAddress: IpAddress;
  import: RibImport;
  /**
   * Another number for every peer there ever was, and for what a peer becomes when something changes that its routes
   * are judged by after import: what is remembered of one is never taken for the other's.
   */
  source: number;
  /** How its UPDATEs are to be read. */
  context: AttributeContext;
  /** By family index. */
  readonly counts: PathCounts[] = familyRows.map(() => ({ received: 0, accepted: 0, stale: 0 }));
  /** By family index; undefined for a family that the session does not carry. */
  readonly out: (AdjOut | undefined)[] = familyRows.map(() => undefined);

  constructor(slot: number, source: number, view: PeerView, imports: RibImport) {
    this.slot = slot;
    this.source = source;
    this.view = view;
    this.import = imports;
    this.external = isExternal(view);
    this.routerId = view.routerId;
    this.remoteAddress = view.remoteAddress;
    this.context = contextOf(view);
  }

  /** The session is another one, or its configuration is. */
  become(view: PeerView, imports: RibImport): void {
    this.view = view;
    this.import = imports;
    this.external = isExternal(view);
    this.routerId = view.routerId;
    this.remoteAddress = view.remoteAddress;
    this.context = contextOf(view);
  }
}

/** Whether routes of the one are judged after import as those of the other. */
export function isSameSource(a: PeerView, b: PeerView): boolean {
  return a.kind === b.kind && a.routerId === b.routerId && IpAddress.equals(a.remoteAddress, b.remoteAddress);
}

export function isExternal(view: PeerView): boolean {
  return view.kind === 'external' || view.kind === 'server-client';
}

function contextOf(view: PeerView): AttributeContext {
  return {
    fourOctetAs: view.fourOctetAs,
    internal: !isExternal(view),
    firstAs: isExternal(view) && view.enforceFirstAs ? view.asn : undefined,
    extendedNextHop: view.extendedNextHop,
  };
}
