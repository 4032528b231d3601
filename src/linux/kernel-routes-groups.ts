/**
 * Next hops and groups of them as wanted and as the kernel has them. A next hop's number follows from what it is, so it
 * is never changed, only made and removed; a group keeps its number and is given other members in one step, which moves
 * every route to it at once.
 */
import { IpAddress } from '../net/ip.ts';
import type { KernelNextHop, KernelRefusal, KernelRefusalReason } from '../runtime/kernel-routes.ts';
import type { NumberedGroup } from './kernel-routes-message.ts';
import { NetlinkWriter } from './netlink.ts';
import type { NetlinkBatch, Refused } from './netlink-batch.ts';
import type { NetlinkSocket } from './netlink-socket.ts';
import {
  askNextHops,
  decodeNextHop,
  type Hop,
  type ListedNextHop,
  type Member,
  writeGroup,
  writeHop,
  writeNextHopGone,
} from './rtnetlink-routes.ts';

const ENOENT = 2;
const EEXIST = 17;
const ENODEV = 19;
const EINVAL = 22;
const ENETDOWN = 100;
const ENETUNREACH = 101;
const EHOSTUNREACH = 113;

/** Next hops are numbered from here on, below the groups. */
const hopBase = 0x4000_0000;
const hopMask = 0x3fff_ffff;

interface HopState {
  readonly id: number;
  readonly hop: Hop;
  /** Its name; undefined for one that the kernel listed. */
  readonly link: string | undefined;
  isThere: boolean;
  refused: KernelRefusal | undefined;
  /** How many groups want it. */
  users: number;
}

type Share = readonly [hop: HopState, weight: number];

interface GroupState {
  wanted: NumberedGroup | undefined;
  /** Next hops of what is wanted, whether the kernel took them or not. */
  shares: readonly Share[];
  /** Members as the kernel has them, as text; empty while it has no such group. */
  members: string;
  refusals: readonly KernelRefusal[];
}

export class KernelGroups {
  readonly #socket: NetlinkSocket;
  readonly #batch: NetlinkBatch;
  readonly #protocol: number;
  readonly #writer = new NetlinkWriter(1024);
  readonly #hops = new Map<string, HopState>();
  readonly #hopIds = new Set<number>();
  readonly #groups = new Map<number, GroupState>();
  /** Names of the links that next hops are on, with how many are. */
  readonly #links = new Map<string, number>();
  readonly #linkNames = new Map<string, string>();
  /** Next hops that nobody may want any more, by what they are. */
  readonly #idle = new Set<string>();
  /** What the kernel did not take. */
  readonly #refusedHops = new Set<HopState>();
  readonly #refusedGroups = new Set<GroupState>();
  /** Groups to look at, by number; those that are not known any more do no harm. */
  #due = new Set<number>();

  constructor(socket: NetlinkSocket, batch: NetlinkBatch, protocol: number) {
    this.#socket = socket;
    this.#batch = batch;
    this.#protocol = protocol;
  }

  want(groups: readonly NumberedGroup[], gone: readonly number[]): void {
    for (const group of groups) this.#want(group.id, group);
    for (const id of gone) this.#want(id, undefined);
  }

  unwant(): void {
    for (const id of this.#groups.keys()) this.want([], [id]);
  }

  /** Names of all links that next hops are on. */
  links(): Iterable<string> {
    return this.#links.keys();
  }

  /** Whether routes can be led to it. */
  isThere(id: number): boolean {
    return (this.#groups.get(id)?.members ?? '') !== '';
  }

  *refusals(): Iterable<KernelRefusal> {
    for (const { refused } of this.#refusedHops) if (refused !== undefined) yield refused;
    for (const { refusals } of this.#refusedGroups) yield* refusals;
  }

  /** Takes stock: what of ours is in the kernel. Everything is due and may be tried again. Throws SystemError. */
  observe(): void {
    let listed: ListedNextHop[] = [];
    const writer = this.#writer;
    this.#socket.dump(
      writer,
      (flags, seq) => askNextHops(writer, flags, seq),
      () => {
        listed = [];
      },
      message => {
        const each = decodeNextHop(message);
        if (each?.protocol === this.#protocol) listed.push(each);
      },
    );
    this.#hops.clear();
    this.#hopIds.clear();
    this.#idle.clear();
    this.#refusedHops.clear();
    for (const state of this.#groups.values()) {
      state.members = '';
      state.shares = [];
    }
    for (const each of listed) {
      if ('members' in each) this.#group(each.id).members = textOf(each.members);
      else {
        const { id, hop } = each;
        this.#hops.set(keyOf(hop), { id, hop, link: undefined, isThere: true, refused: undefined, users: 0 });
        this.#idle.add(keyOf(hop));
        this.#hopIds.add(id);
      }
    }
    this.#due = new Set(this.#groups.keys());
  }

  /** Next hops, then groups. Numbers of the groups that were not there before. */
  *add(indexOf: (link: string) => number | undefined): Generator<void, ReadonlySet<number>> {
    const due = [...this.#due].flatMap(id => this.#groups.get(id) ?? []);
    for (const state of due) this.#resolve(state, indexOf);
    for (const hop of new Set(due.flatMap(state => state.shares.map(([each]) => each))))
      if (!hop.isThere) {
        this.#addHop(hop);
        if (this.#batch.isEmpty) yield;
      }
    this.#batch.send();
    const made = new Set<number>();
    for (const state of due) {
      this.#addGroup(state, made);
      if (this.#batch.isFull) {
        this.#batch.send();
        yield;
      }
    }
    this.#batch.send();
    return made;
  }

  /** What is wanted no more, or has no next hop left. Numbers of the groups that went, with their routes. */
  remove(): ReadonlySet<number> {
    const went = new Set<number>();
    if (this.#due.size + this.#idle.size === 0) return went;
    for (const id of this.#due) {
      const state = this.#groups.get(id);
      if (state === undefined) continue;
      if (state.members !== '' && membersOf(state).length === 0) {
        went.add(id);
        this.#removeId(id, () => {
          state.members = '';
        });
      }
      if (state.wanted === undefined) {
        this.#groups.delete(id);
        this.#refusedGroups.delete(state);
      }
    }
    this.#batch.send();
    this.#due.clear();
    this.#removeHops();
    return went;
  }

  #want(id: number, wanted: NumberedGroup | undefined): void {
    const state = this.#group(id);
    for (const { link } of wanted?.nextHops ?? []) this.#links.set(link, (this.#links.get(link) ?? 0) + 1);
    for (const { link } of state.wanted?.nextHops ?? []) {
      const left = (this.#links.get(link) ?? 0) - 1;
      if (left > 0) this.#links.set(link, left);
      else this.#links.delete(link);
    }
    state.wanted = wanted && { ...wanted, nextHops: wanted.nextHops.map(each => this.#slim(each)) };
    this.#due.add(id);
  }

  /** Texts that came with a message are each their own copy, which tens of thousands of groups need not keep. */
  #slim({ gateway: { family, value }, link, onLink, weight }: KernelNextHop): KernelNextHop {
    const kept = this.#linkNames.get(link) ?? link;
    this.#linkNames.set(kept, kept);
    return { gateway: { family: family === 'ipv4' ? 'ipv4' : 'ipv6', value }, link: kept, onLink, weight };
  }

  #group(id: number): GroupState {
    const state = this.#groups.get(id) ?? { wanted: undefined, shares: [], members: '', refusals: [] };
    this.#groups.set(id, state);
    return state;
  }

  #resolve(state: GroupState, indexOf: (link: string) => number | undefined): void {
    const shares = new Map<string, Share>();
    const refusals: KernelRefusal[] = [];
    for (const { gateway, link, onLink, weight } of state.wanted?.nextHops ?? []) {
      const index = indexOf(link);
      if (index === undefined) {
        refusals.push({ what: hopText(gateway, link), reason: 'link-missing', detail: `there is no link ${link}` });
        continue;
      }
      const hop: Hop = { gateway, index, onLink };
      const key = keyOf(hop);
      // The kernel takes no next hop twice.
      shares.set(key, [this.#hop(key, hop, link), weight]);
    }
    const before = state.shares;
    state.shares = [...shares.values()];
    for (const [hop] of state.shares) hop.users++;
    for (const [hop] of before) if (--hop.users === 0) this.#idle.add(keyOf(hop.hop));
    this.#refuse(state, refusals);
  }

  #refuse(state: GroupState, refusals: readonly KernelRefusal[]): void {
    state.refusals = refusals;
    if (refusals.length > 0) this.#refusedGroups.add(state);
    else this.#refusedGroups.delete(state);
  }

  #hop(key: string, hop: Hop, link: string): HopState {
    const known = this.#hops.get(key);
    if (known !== undefined) return known;
    const made: HopState = { id: this.#numberFor(key), hop, link, isThere: false, refused: undefined, users: 0 };
    this.#hops.set(key, made);
    return made;
  }

  #addHop(state: HopState): void {
    const { id, hop, link } = state;
    this.#batch.add(
      (writer, seq) => writeHop(writer, seq, id, hop, this.#protocol),
      refused => {
        state.isThere = refused === undefined;
        const what = hopText(hop.gateway, link);
        state.refused = refused && { what, reason: reasonOf(refused), detail: refused.detail };
        if (refused === undefined) this.#refusedHops.delete(state);
        else this.#refusedHops.add(state);
      },
    );
    if (this.#batch.isFull) this.#batch.send();
  }

  #addGroup(state: GroupState, made: Set<number>): void {
    const { wanted, shares } = state;
    if (wanted === undefined) return;
    const refuse = (reason: KernelRefusalReason, detail: string) => {
      this.#refuse(state, [...state.refusals, { what: `group ${wanted.name}`, reason, detail }]);
    };
    const members = membersOf(state);
    const text = textOf(members);
    if (members.length === 0)
      refuse('no-next-hop', shares.length === 0 ? 'it has none' : 'the kernel took none of them');
    if (members.length === 0 || text === state.members) return;
    const replaces = state.members !== '';
    this.#batch.add(
      (writer, seq) => writeGroup(writer, seq, wanted.id, { members, replaces }, this.#protocol),
      refused => {
        if (refused !== undefined) return refuse(reasonOf(refused), refused.detail);
        state.members = text;
        if (!replaces) made.add(wanted.id);
      },
    );
  }

  #removeHops(): void {
    for (const key of this.#idle) {
      const state = this.#hops.get(key);
      if (state === undefined || state.users > 0) continue;
      if (state.isThere) this.#removeId(state.id, () => {});
      this.#hops.delete(key);
      this.#hopIds.delete(state.id);
      this.#refusedHops.delete(state);
    }
    this.#idle.clear();
    this.#batch.send();
  }

  #removeId(id: number, done: () => void): void {
    this.#batch.add(
      (writer, seq) => writeNextHopGone(writer, seq, id),
      refused => {
        if (refused === undefined || refused.errno === ENOENT) done();
      },
    );
    if (this.#batch.isFull) this.#batch.send();
  }

  #numberFor(key: string): number {
    let hash = 0x811c9dc5;
    for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
    let id = hopBase | (hash & hopMask);
    while (this.#hopIds.has(id)) id = hopBase | ((id + 1) & hopMask);
    this.#hopIds.add(id);
    return id;
  }
}

/** For people. */
function hopText(gateway: IpAddress, link: string | undefined): string {
  return `via ${IpAddress.format(gateway)}${link === undefined ? '' : ` dev ${link}`}`;
}

/** Those that can be had by now. */
function membersOf({ shares }: GroupState): readonly Member[] {
  return shares.flatMap(([hop, weight]) => (hop.isThere ? [{ id: hop.id, weight }] : []));
}

export function reasonOf({ errno, detail }: Refused): KernelRefusalReason {
  if (errno === EEXIST) return 'taken';
  if (errno === ENODEV) return 'link-missing';
  if (errno === ENETDOWN) return 'link-down';
  if (errno === ENETUNREACH || errno === EHOSTUNREACH || (errno === EINVAL && detail.includes('gateway')))
    return 'gateway-unreachable';
  return 'kernel';
}

function keyOf({ gateway, index, onLink }: Hop): string {
  return `${IpAddress.format(gateway)}%${index}${onLink ? '!' : ''}`;
}

/** In the kernel's order, which is the writer's. */
function textOf(members: readonly Member[]): string {
  return members.map(({ id, weight }) => `${id}*${weight}`).join(' ');
}
