/** What a node knows of every address on local networks, as JSON: `herald l2`, and its part of `herald explain`. */
import type { Lease } from '../api/lease.ts';
import type { Snapshot } from '../api/snapshot.ts';
import type { Answering } from '../control/explain.ts';
import type { NodeL2Group } from '../control/l2-groups.ts';
import { L2Lease } from '../control/l2-leases.ts';
import { type LiveReason, liveReasons, Refusal, reasons } from '../control/reason.ts';
import type { OwnershipReason } from '../l2/ownership-event.ts';
import { IpAddress } from '../net/ip.ts';
import { Mac } from '../net/mac.ts';
import type { L2DriverStatus } from './l2-driver.ts';
import type { L2Shown } from './l2-target.ts';
import type { Sample } from './metrics.ts';

export interface L2Row {
  readonly address: string;
  /** `namespace/name`. */
  readonly services: readonly string[];
  /** The node that answers; empty: nobody. */
  readonly owner: string;
  /** When the owner took it, as a time of day; empty where unknown. */
  readonly since: string;
  /** Where this node is the owner: links it answers on, and how. */
  readonly links: readonly {
    readonly link: string;
    readonly mac: string;
    readonly datapath: string;
    readonly answers: number;
    readonly lastAsker: string;
  }[];
  /** Held while the store is out of reach. */
  readonly holding: boolean;
  /** Why this node does not answer, where it might; empty: it does, or another one does. */
  readonly reason: string;
  readonly message: string;
  readonly fix: string;
}

export interface L2View {
  readonly node: string;
  readonly state: string;
  readonly rows: readonly L2Row[];
  readonly links: readonly { readonly link: string; readonly datapath: string; readonly problem: string }[];
  readonly contradictions: readonly { readonly name: string; readonly message: string }[];
  readonly drops: Readonly<Record<string, number>>;
  readonly note: string;
}

/** Of a process that answers for nothing, as no policy selects its node. */
export function emptyL2View(node: string): L2View {
  const state = 'no CiliumL2AnnouncementPolicy selects the node';
  return { node, state, rows: [], links: [], contradictions: [], drops: {}, note: '' };
}

export function l2View(node: string, namespace: string, snapshot: Snapshot, shown: L2Shown): L2View {
  const { responder, ownership, desired } = shown;
  const about = new Reader(node, namespace, snapshot, shown);
  return {
    node,
    state: stateOf(ownership),
    rows: desired.all.map(({ text }) => about.row(text)).filter(row => row !== undefined),
    links: responder.links.map(({ name, datapath = '', problem = '' }) => ({ link: name, datapath, problem })),
    contradictions: responder.contradictions,
    drops: responder.drops,
    note: responder.note ?? '',
  };
}

function stateOf({ holding, sessionLeftMs }: L2DriverStatus): string {
  if (holding) return 'the store is out of reach: addresses are held';
  return sessionLeftMs > 0 ? `session good for ${Math.round(sessionLeftMs)} ms` : 'no session';
}

/** For `explainServiceRoutes`. */
export function answeringReader(node: string, namespace: string, snapshot: Snapshot, shown: L2Shown) {
  const about = new Reader(node, namespace, snapshot, shown);
  return (address: string): Answering | undefined => {
    const row = about.row(address);
    if (row === undefined) return undefined;
    const since = row.since === '' ? '' : ` since ${row.since}`;
    const on = row.links.map(({ link, mac, datapath, answers, lastAsker }) => {
      const asked = lastAsker === '' ? '' : `, last asked by ${lastAsker}`;
      return `on ${link} with ${mac} (${datapath}), ${answers} answers${asked}`;
    });
    const text = row.owner === '' ? undefined : [`${row.owner} answers for ${address}${since}`, ...on].join(' ');
    const reason = Object.keys(liveReasons).find((each): each is LiveReason => each === row.reason);
    return { text, reason: reason ?? 'not-taken-yet', detail: '' };
  };
}

export function l2Samples(shown: L2Shown | undefined): readonly Sample[] {
  if (shown === undefined) return [];
  const { desired, ownership, responder } = shown;
  const refused = Map.groupBy(
    desired.addresses.flatMap(({ refusal }) => (refusal === undefined ? [] : [refusal.reason])),
    reason => reason,
  );
  const answered = new Set(responder.rows.map(row => IpAddress.format(row.address)));
  const may = desired.addresses.filter(each => each.refusal === undefined);
  const own = may.filter(each => answered.has(each.text));
  return [
    { name: 'herald_l2_addresses', labels: { state: 'owned' }, value: own.length },
    { name: 'herald_l2_addresses', labels: { state: 'candidate' }, value: may.length - own.length },
    { name: 'herald_l2_holding', value: ownership.holding ? 1 : 0 },
    { name: 'herald_l2_answers', value: responder.rows.reduce((sum, row) => sum + row.answers, 0) },
    ...[...refused].map(
      ([reason, all]): Sample => ({ name: 'herald_l2_refusals', labels: { reason }, value: all.length }),
    ),
    ...Object.entries(responder.drops).map(
      ([reason, value]): Sample => ({ name: 'herald_l2_drops', labels: { reason }, value }),
    ),
    ...responder.contradictions.map(
      ({ name }): Sample => ({ name: 'herald_l2_contradictions', labels: { name }, value: 1 }),
    ),
    ...responder.links.map(
      ({ name: link, datapath }): Sample => ({
        name: 'herald_l2_link_up',
        labels: { link, datapath: datapath ?? 'none' },
        value: datapath === undefined ? 0 : 1,
      }),
    ),
  ];
}

/** Ownership's reasons that a person can do something about, or ought to wait for. */
const liveReasonOf: { readonly [R in OwnershipReason]?: LiveReason } = {
  'address-held': 'address-held',
  'no-session': 'no-l2-session',
  'held-by-foreign': 'held-by-foreign',
  'waiting-for-view': 'not-taken-yet',
  taking: 'not-taken-yet',
  'not-our-turn': 'not-taken-yet',
  yielded: 'address-yielded',
};

class Reader {
  readonly #node: string;
  readonly #namespace: string;
  readonly #snapshot: Snapshot;
  readonly #shown: L2Shown;
  readonly #groups = new Map<string, NodeL2Group>();
  readonly #reasons: ReadonlyMap<string, OwnershipReason>;

  constructor(node: string, namespace: string, snapshot: Snapshot, shown: L2Shown) {
    this.#node = node;
    this.#namespace = namespace;
    this.#snapshot = snapshot;
    this.#shown = shown;
    for (const group of shown.groups)
      for (const { address } of group.addresses) this.#groups.set(IpAddress.format(address), group);
    this.#reasons = new Map(shown.ownership.groups.map(({ lease, reason }) => [lease, reason]));
  }

  row(address: string): L2Row | undefined {
    const group = this.#groups.get(address);
    if (group === undefined) return undefined;
    const lease = this.#snapshot.get('Lease', this.#namespace, group.lease);
    const links = this.#links(address);
    const owner = links.length > 0 ? this.#node : holderOf(lease);
    const acquired = lease?.spec.acquireMs;
    return {
      address,
      services: group.services,
      owner,
      since: owner === '' || acquired === undefined ? '' : new Date(acquired).toISOString(),
      links,
      holding: links.length > 0 && this.#shown.ownership.holding,
      ...(owner === '' ? this.#why(address, group) : { reason: '', message: '', fix: '' }),
    };
  }

  #links(address: string): L2Row['links'] {
    const { responder, desired } = this.#shown;
    return responder.rows
      .filter(row => IpAddress.format(row.address) === address)
      .map(({ link: index, answers, lastAsker }) => {
        const link = desired.host?.links.find(each => each.index === index);
        const status = responder.links.find(each => each.link === index);
        return {
          link: link?.name ?? String(index),
          mac: link?.mac === undefined ? '' : Mac.format(link.mac),
          datapath: status?.datapath ?? 'none',
          answers,
          lastAsker: lastAsker === undefined ? '' : IpAddress.format(lastAsker),
        };
      });
  }

  #why(address: string, group: NodeL2Group): Pick<L2Row, 'reason' | 'message' | 'fix'> {
    const refusal = this.#shown.desired.addresses.find(each => each.text === address)?.refusal;
    if (refusal !== undefined)
      return { reason: refusal.reason, message: Refusal.format(refusal), fix: reasons[refusal.reason].fix };
    const reason = liveReasonOf[this.#reasons.get(group.lease) ?? 'taking'];
    const found = group.candidates.length === 0 ? 'no-l2-candidate' : (reason ?? 'not-taken-yet');
    return { reason: found, message: liveReasons[found].sentence, fix: liveReasons[found].fix };
  }
}

/** Empty when nobody has it, or what has it is none of ours and unnamed. */
function holderOf(lease: Lease | undefined): string {
  const ownership = lease && L2Lease.ownership(lease);
  return ownership === undefined || ownership.released ? '' : ownership.node;
}
