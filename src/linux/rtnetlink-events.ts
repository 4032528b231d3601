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
import { askAddresses, askLinks, askRoutes, groups, RT_TABLE_MAIN, RTM_DELROUTE, RTM_NEWROUTE } from './rtnetlink.ts';
import { HostTable } from './rtnetlink-host.ts';
import { attachFilter, type FilterStep } from './socket-filter.ts';

/** Told when nothing more came for so long, and at the latest so long after the first. */
const quietMs = 5;
const gatherMaxMs = 30;
/** Between two tries to list what could not be listed. */
const retryMs = 1000;
/** Receives of one turn; what waits longer comes with the next. */
const receivesMax = 64;

const EAFNOSUPPORT = 97;
const EOPNOTSUPP = 95;

export interface EventHandlers {
  /** The host differs from what was told last. */
  facts(facts: HostFacts): void;
  /** Links or addresses changed, or a route that one of ours may hang on; `lost` when nobody knows what else. */
  stirred(lost: boolean): void;
}

export class RtnetlinkEvents {
  readonly socket: NetlinkSocket;
  readonly table = new HostTable();
  readonly #asking: NetlinkSocket;
  readonly #writer = new NetlinkWriter(1024);
  readonly #handlers: EventHandlers;
  #told: HostFacts | undefined;
  #isStirred = false;
  #areRoutesDue = true;
  #isAllDue = true;
  #isLost = false;
  /** When what was gathered is told, and when at the latest. */
  #dueMs = 0;
  #latestMs = 0;
  #isPending = true;

  /** Throws SystemError where netlink cannot be opened. `ownProtocol` marks routes whose loss matters to us. */
  constructor(libc: Libc, ownProtocol: number, handlers: EventHandlers) {
    this.#handlers = handlers;
    this.#asking = new NetlinkSocket(libc);
    const { link, ipv4Address, ipv6Address, ipv4Route, ipv6Route } = groups;
    this.socket = new NetlinkSocket(libc, [link, ipv4Address, ipv6Address, ipv4Route, ipv6Route]);
    attachFilter(libc, this.socket.fd, eventFilter(ownProtocol));
  }

  close(): void {
    this.socket.close();
    this.#asking.close();
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
      if (!(error instanceof SystemError)) throw error;
      this.#isAllDue = true;
      this.#dueMs = nowMs + retryMs;
      return;
    }
    this.#isPending = false;
    const facts = this.table.facts();
    if (this.#told === undefined || !sameValue(this.#told, facts)) this.#handlers.facts(facts);
    this.#told = facts;
    const [isStirred, isLost] = [this.#isStirred, this.#isLost];
    this.#isStirred = false;
    this.#isLost = false;
    if (isStirred || isLost) this.#handlers.stirred(isLost);
  }

  #hear(message: NetlinkMessage, nowMs: number): void {
    const change = this.table.hear(message);
    const isRoute = message.type === RTM_NEWROUTE || message.type === RTM_DELROUTE;
    if (change === 'nothing' && !isRoute) return;
    this.#isStirred = true;
    // A link that goes down takes its routes along without a word.
    this.#areRoutesDue ||= change !== 'nothing';
    this.#gather(nowMs);
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

  #listDefaults(family: 'ipv4' | 'ipv6'): void {
    const writer = this.#writer;
    const found: NetlinkMessage[] = [];
    try {
      this.#asking.dump(
        writer,
        (flags, seq) => askRoutes(writer, flags, seq, { family, table: RT_TABLE_MAIN, protocol: 0 }),
        () => found.splice(0),
        message => {
          if (message.body[1] === 0) found.push({ ...message, body: message.body.slice() });
        },
      );
    } catch (error) {
      // A kernel without the family has no routes of it.
      if (!(error instanceof SystemError && [EAFNOSUPPORT, EOPNOTSUPP].includes(error.errno))) throw error;
    }
    for (const message of found) this.table.list(message);
  }
}

const LOAD_HALF = 0x28;
const LOAD_OCTET = 0x30;
const AND = 0x54;
const EQUAL = 0x15;
const RETURN = 0x06;
const PASS = 0x4_0000;
const TYPE_AT = 4;
const FLAGS_AT = 6;
const LENGTH_AT = 17;
const PROTOCOL_AT = 21;

/** Default routes; of the others, removals of ours and whatever takes another's place. Links and addresses all. */
function eventFilter(ownProtocol: number): readonly FilterStep[] {
  return [
    [LOAD_HALF, 0, 0, TYPE_AT],
    [EQUAL, 2, 0, swapped(RTM_NEWROUTE)],
    [EQUAL, 1, 0, swapped(RTM_DELROUTE)],
    [RETURN, 0, 0, PASS],
    [LOAD_OCTET, 0, 0, LENGTH_AT],
    [EQUAL, 0, 1, 0],
    [RETURN, 0, 0, PASS],
    [LOAD_HALF, 0, 0, TYPE_AT],
    [EQUAL, 0, 3, swapped(RTM_DELROUTE)],
    [LOAD_OCTET, 0, 0, PROTOCOL_AT],
    [EQUAL, 4, 0, ownProtocol],
    [RETURN, 0, 0, 0],
    [LOAD_HALF, 0, 0, FLAGS_AT],
    [AND, 0, 0, swapped(NLM_F_REPLACE)],
    [EQUAL, 0, 1, swapped(NLM_F_REPLACE)],
    [RETURN, 0, 0, PASS],
    [RETURN, 0, 0, 0],
  ];
}

/** The filter reads in network order what is in the machine's own. */
function swapped(value: number): number {
  return little ? ((value & 0xff) << 8) | (value >>> 8) : value;
}
