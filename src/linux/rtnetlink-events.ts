/**
 * Events of links, addresses and routes, gathered for a moment and told as one. Where the kernel had to drop some,
 * everything is listed again. A filter in the kernel lets through of the routes only what somebody here asks about: a
 * routing daemon that fills the table beside us wakes nobody.
 */
import type { HostFacts } from '../control/settings.ts';
import { sameValue } from '../net/equal.ts';
import { type Libc, SystemError } from './libc.ts';
import { little, NetlinkMessage, NetlinkWriter, NLM_F_REPLACE } from './netlink.ts';
import { NetlinkSocket } from './netlink-socket.ts';
import {
  askAddresses,
  askLinks,
  askRoutes,
  type GatewaysOf,
  groups,
  RT_TABLE_MAIN,
  RTM_DELROUTE,
  RTM_NEWROUTE,
} from './rtnetlink.ts';
import { HostTable } from './rtnetlink-host.ts';
import {
  askNextHops,
  decodeNextHop,
  type ListedNextHop,
  RTM_DELNEXTHOP,
  RTM_NEWNEXTHOP,
  routeProtocol,
} from './rtnetlink-routes.ts';
import { attachFilter, type FilterStep } from './socket-filter.ts';

/** Told when nothing more came for so long, and at the latest so long after the first. */
const quietMs = 5;
const gatherMaxMs = 30;
/** Between two tries to list what could not be listed. */
const retryMs = 1000;
/** Receives of one turn; what waits longer comes with the next. */
const receivesMax = 64;

const ENOENT = 2;
const EAFNOSUPPORT = 97;
const EOPNOTSUPP = 95;
const noRoutes = [ENOENT, EAFNOSUPPORT, EOPNOTSUPP];

/** What happened beyond what the host looks like now. */
export interface Stir {
  /** Messages were lost: anything may have happened. */
  readonly lost: boolean;
  /** Numbers of links that went down or away, if only for a moment. */
  readonly fell: ReadonlySet<number>;
  /** Somebody else removed a route or next hop of ours, or put one in the place of another's. */
  readonly interfered: boolean;
}

export interface EventHandlers {
  /** The host differs from what was told last. */
  facts(facts: HostFacts): void;
  /** Whether a route that somebody else removed, or put in the place of another, is one that we want there. */
  concerns(route: NetlinkMessage): boolean;
  /** After `facts`, if those differ. */
  stirred(stir: Stir, facts: HostFacts): void;
}

export class RtnetlinkEvents {
  readonly socket: NetlinkSocket;
  readonly table = new HostTable();
  readonly #asking: NetlinkSocket;
  readonly #writer = new NetlinkWriter(1024);
  readonly #own: OwnChanges;
  readonly #handlers: EventHandlers;
  #told: HostFacts | undefined;
  #isInterfered = false;
  #areRoutesDue = true;
  #isAllDue = true;
  #isLost = false;
  /** When what was gathered is told, and when at the latest. */
  #dueMs = 0;
  #latestMs = 0;
  #isPending = true;

  /** Throws SystemError where netlink cannot be opened. Of routes, the loss of our own matters. */
  constructor(libc: Libc, own: OwnChanges, handlers: EventHandlers, queueBytes?: number) {
    this.#own = own;
    this.#handlers = handlers;
    this.#asking = new NetlinkSocket(libc);
    const { link, ipv4Address, ipv6Address, ipv4Route, ipv6Route, nextHop } = groups;
    this.socket = new NetlinkSocket(libc, [link, ipv4Address, ipv6Address, ipv4Route, ipv6Route, nextHop], queueBytes);
    attachFilter(libc, this.socket.fd, eventFilter(own));
  }

  close(): void {
    this.socket.close();
    this.#asking.close();
  }

  /** What there is has been listed. */
  get isReady(): boolean {
    return this.#told !== undefined;
  }

  /** Milliseconds until `tell` has something to do; undefined when it has nothing. */
  waitMs(nowMs: number): number | undefined {
    return this.#isPending ? Math.max(0, this.#dueMs - nowMs) : undefined;
  }

  /** Reads what waits. */
  hear(nowMs: number): void {
    for (let i = 0; i < receivesMax; i++) {
      const bytes = this.socket.events();
      if (bytes === undefined) return;
      if (bytes === 'lost') {
        this.#isAllDue = true;
        this.#isLost = true;
        this.#gather(nowMs);
        continue;
      }
      for (const message of NetlinkMessage.parse(bytes)) this.#hear(message, nowMs);
    }
  }

  /** Tells what is due. */
  tell(nowMs: number): void {
    if (!this.#isPending || nowMs < this.#dueMs) return;
    try {
      this.#list();
    } catch (error) {
      // Who cannot even begin leaves it to others.
      if (!(error instanceof SystemError) || !this.isReady) throw error;
      this.#isAllDue = true;
      this.#dueMs = nowMs + retryMs;
      return;
    }
    this.#isPending = false;
    const facts = this.table.facts();
    if (this.#told === undefined || !sameValue(this.#told, facts)) this.#handlers.facts(facts);
    this.#told = facts;
    const stir: Stir = { lost: this.#isLost, fell: this.table.takeFallen(), interfered: this.#isInterfered };
    this.#isLost = false;
    this.#isInterfered = false;
    this.#handlers.stirred(stir, facts);
  }

  #hear(message: NetlinkMessage, nowMs: number): void {
    const change = this.table.hear(message);
    if (this.#isInterference(message)) this.#isInterfered = true;
    else if (change === 'nothing') return;
    // A link that goes down takes its routes along without a word.
    this.#areRoutesDue ||= change !== 'nothing';
    this.#gather(nowMs);
  }

  #isInterference(message: NetlinkMessage): boolean {
    const { type } = message;
    if (type === RTM_DELNEXTHOP) return true;
    return (type === RTM_DELROUTE || type === RTM_NEWROUTE) && this.#handlers.concerns(message);
  }

  #gather(nowMs: number): void {
    if (!this.#isPending) this.#latestMs = nowMs + gatherMaxMs;
    this.#isPending = true;
    this.#dueMs = Math.min(nowMs + quietMs, this.#latestMs);
  }

  #list(): void {
    const { table } = this;
    const list = (message: NetlinkMessage) => table.list(message);
    if (this.#isAllDue) {
      const writer = this.#writer;
      const dump = (write: (flags: number, seq: number) => void, begin: () => void) =>
        this.#asking.dump(writer, write, begin, list);
      dump(
        (flags, seq) => askLinks(writer, flags, seq),
        () => table.clearLinks(),
      );
      dump(
        (flags, seq) => askAddresses(writer, flags, seq),
        () => table.clearAddresses(),
      );
      this.#isAllDue = false;
      this.#areRoutesDue = true;
    }
    if (!this.#areRoutesDue) return;
    table.clearDefaults();
    this.#listDefaults('ipv4');
    this.#listDefaults('ipv6');
    this.#areRoutesDue = false;
  }

  /** Those of others: a route of ours says nothing about what the host was given. */
  #listDefaults(family: 'ipv4' | 'ipv6'): void {
    const writer = this.#writer;
    const found: NetlinkMessage[] = [];
    try {
      this.#asking.dump(
        writer,
        (flags, seq) => askRoutes(writer, flags, seq, { family, table: RT_TABLE_MAIN, protocol: 0 }),
        () => found.splice(0),
        message => {
          if (message.body[1] === 0 && routeProtocol(message) !== this.#own.protocol)
            found.push({ ...message, body: message.body.slice() });
        },
      );
    } catch (error) {
      // A kernel without the family has no routes of it; a table without routes is not there.
      if (!(error instanceof SystemError && noRoutes.includes(error.errno))) throw error;
    }
    let objects: ReadonlyMap<number, ListedNextHop> | undefined;
    const gatewaysOf: GatewaysOf = id => {
      objects ??= this.#nextHops();
      const each = objects.get(id);
      if (each === undefined) return [];
      return 'hop' in each ? [each.hop] : each.members.flatMap(member => gatewaysOf(member.id));
    };
    for (const message of found) this.table.list(message, gatewaysOf);
  }

  #nextHops(): ReadonlyMap<number, ListedNextHop> {
    const writer = this.#writer;
    const found = new Map<number, ListedNextHop>();
    this.#asking.dump(
      writer,
      (flags, seq) => askNextHops(writer, flags, seq),
      () => found.clear(),
      message => {
        const each = decodeNextHop(message);
        if (each !== undefined) found.set(each.id, each);
      },
    );
    return found;
  }
}

/** Whose changes are our own. */
export interface OwnChanges {
  readonly protocol: number;
  /** The socket that makes them. */
  readonly port: number;
}

const LOAD_WORD = 0x20;
const LOAD_HALF = 0x28;
const LOAD_OCTET = 0x30;
const AND = 0x54;
const EQUAL = 0x15;
const RETURN = 0x06;
const PASS = 0x4_0000;
const TYPE_AT = 4;
const FLAGS_AT = 6;
const PORT_AT = 12;
const NEXTHOP_PROTOCOL_AT = 18;
const LENGTH_AT = 17;
const PROTOCOL_AT = 21;

/** A step of the filter; where it goes on when it compares equal, and when not: the next step unless said. */
interface Step {
  readonly label?: string;
  readonly code: number;
  readonly k: number;
  readonly yes?: string;
  readonly no?: string;
}

/**
 * Links and addresses all; default routes; of the other routes and of next hops what others remove of ours or put in
 * the place of something.
 */
function eventFilter({ protocol, port }: OwnChanges): readonly FilterStep[] {
  const own = swapped32(port);
  return assemble([
    { code: LOAD_HALF, k: TYPE_AT },
    { code: EQUAL, k: swapped16(RTM_NEWROUTE), yes: 'route' },
    { code: EQUAL, k: swapped16(RTM_DELROUTE), yes: 'route' },
    { code: EQUAL, k: swapped16(RTM_DELNEXTHOP), yes: 'next hop' },
    { code: EQUAL, k: swapped16(RTM_NEWNEXTHOP), yes: 'drop', no: 'pass' },
    { label: 'route', code: LOAD_WORD, k: PORT_AT },
    { code: EQUAL, k: own, yes: 'drop' },
    { code: LOAD_OCTET, k: LENGTH_AT },
    { code: EQUAL, k: 0, yes: 'pass' },
    { code: LOAD_HALF, k: TYPE_AT },
    { code: EQUAL, k: swapped16(RTM_DELROUTE), yes: 'route gone' },
    { code: LOAD_HALF, k: FLAGS_AT },
    { code: AND, k: swapped16(NLM_F_REPLACE) },
    { code: EQUAL, k: swapped16(NLM_F_REPLACE), yes: 'pass', no: 'drop' },
    { label: 'route gone', code: LOAD_OCTET, k: PROTOCOL_AT },
    { code: EQUAL, k: protocol, yes: 'pass', no: 'drop' },
    { label: 'next hop', code: LOAD_WORD, k: PORT_AT },
    { code: EQUAL, k: own, yes: 'drop' },
    { code: LOAD_OCTET, k: NEXTHOP_PROTOCOL_AT },
    { code: EQUAL, k: protocol, yes: 'pass', no: 'drop' },
    { label: 'pass', code: RETURN, k: PASS },
    { label: 'drop', code: RETURN, k: 0 },
  ]);
}

function assemble(steps: readonly Step[]): readonly FilterStep[] {
  return steps.map(({ code, k, yes, no }, at) => {
    const to = (label: string | undefined) =>
      label === undefined ? 0 : steps.findIndex(each => each.label === label) - at - 1;
    return [code, to(yes), to(no), k];
  });
}

/** The filter reads in network order what is in the machine's own. */
function swapped16(value: number): number {
  return little ? ((value & 0xff) << 8) | (value >>> 8) : value;
}

function swapped32(value: number): number {
  if (!little) return value;
  return ((swapped16(value & 0xffff) << 16) | swapped16(value >>> 16)) >>> 0;
}
