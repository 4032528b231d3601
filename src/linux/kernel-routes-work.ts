/**
 * What the thread `nl` does about routes. Wanted is what the main thread said last; there is what the kernel listed at
 * the start, and what was written since. Work goes step by step, so that events are heard in between: what is missing
 * is added, link by link towards the routes, before what is not wanted is removed, the other way round. Where a link
 * fell, messages were lost, or somebody interfered, everything is listed again.
 */
import { writeFileSync } from 'node:fs';
import type { HostFacts } from '../control/settings.ts';
import { sameValue } from '../net/equal.ts';
import { type Family, IpAddress } from '../net/ip.ts';
import { type KernelRefusal, type KernelRoutingStatus, kernelRefusalsMax } from '../runtime/kernel-routes.ts';
import { KernelGroups, reasonOf } from './kernel-routes-groups.ts';
import {
  type FromRoutes,
  formatKey,
  type KernelRoutesOptions,
  type ToRoutes,
  unpackRoutes,
} from './kernel-routes-message.ts';
import { RoutingRules } from './kernel-routes-rules.ts';
import { RouteTable } from './kernel-routes-table.ts';
import { type Libc, SystemError } from './libc.ts';
import { type NetlinkMessage, NetlinkWriter } from './netlink.ts';
import { NetlinkBatch, type Refused } from './netlink-batch.ts';
import { NetlinkSocket } from './netlink-socket.ts';
import { askRoutes, RT_TABLE_MAIN } from './rtnetlink.ts';
import type { Stir } from './rtnetlink-events.ts';
import {
  decodeRoute,
  type ListedRoute,
  nowhere,
  type RouteMarks,
  routeProtocol,
  writeRoute,
  writeRouteGone,
} from './rtnetlink-routes.ts';
import { VxlanOverlay } from './vxlan-overlay.ts';

const ESRCH = 3;
const ENODEV = 19;
/** Between two tries of what netlink itself failed at. */
const retryMs = 1000;
/** Without it, every route to a group is told of when the group changes. */
const compatKnob = '/proc/sys/net/ipv4/nexthop_compat_mode';

export class KernelRoutesWork {
  readonly #socket: NetlinkSocket;
  readonly #batch: NetlinkBatch;
  readonly #writer = new NetlinkWriter(1024);
  readonly #protocol: number;
  readonly #answer: (answer: FromRoutes) => void;
  readonly #table = new RouteTable();
  readonly #groups: KernelGroups;
  readonly #overlay: VxlanOverlay;
  readonly #rules: RoutingRules;
  #marks: RouteMarks;
  /** Routes of ours that are not where they belong. */
  #strays: readonly ListedRoute[] = [];
  readonly #refused = new Map<string, { readonly row: () => number; readonly refusal: KernelRefusal }>();
  readonly #queue: ToRoutes[] = [];
  #host: HostFacts = { links: [], defaultRoutes: [] };
  #running: Iterator<void> | undefined;
  /** Commits that the next run answers; undefined: it is a repair. */
  #numbers: number[] = [];
  #isOpen = false;
  #isDoubtful = true;
  #isDue = false;
  #notBeforeMs = 0;
  /** When what was refused is tried once more. */
  #againMs = 0;
  #refusedAgainMs = 0;
  #problems: string[] = [];
  #status: KernelRoutingStatus = { routes: 0, refusals: [], refusalsTotal: 0, problems: [] };

  /** Throws SystemError where netlink cannot be opened. */
  constructor(libc: Libc, protocol: number, answer: (answer: FromRoutes) => void) {
    this.#socket = new NetlinkSocket(libc);
    this.#batch = new NetlinkBatch(this.#socket);
    this.#protocol = protocol;
    this.#answer = answer;
    this.#groups = new KernelGroups(this.#socket, this.#batch, protocol);
    this.#overlay = new VxlanOverlay(this.#socket, this.#batch);
    this.#rules = new RoutingRules(this.#socket, this.#batch, protocol);
    this.#marks = marks(protocol, RT_TABLE_MAIN);
    // Any answer says which number our own changes are told under.
    this.#rules.observe();
  }

  /** The number that our own changes are told under. */
  get port(): number {
    return this.#socket.port;
  }

  close(): void {
    this.#socket.close();
  }

  take(message: ToRoutes): void {
    this.#queue.push(message);
    this.#drain();
  }

  /** Whether a route that somebody else removed or replaced is one that we want there. */
  concerns(message: NetlinkMessage): boolean {
    const route = decodeRoute(message);
    if (route?.table !== this.#marks.table) return false;
    const row = this.#table.find(route);
    return row >= 0 && this.#table.want(row) !== nowhere.none;
  }

  /** Something happened to links, addresses, or routes of ours. */
  stirred({ lost, fell, interfered }: Stir, host: HostFacts): void {
    const before = this.#host;
    this.#host = host;
    if (!this.#isOpen) return;
    const links = this.#links();
    const isFallen = host.links.some(link => links.has(link.name) && fell.has(link.index));
    if (!lost && !interfered && !isFallen && signatureOf(before, links) === signatureOf(host, links)) return;
    this.#isDoubtful = true;
    this.#isDue = true;
  }

  /** Milliseconds until there is something to do; undefined when there is nothing. */
  waitMs(nowMs: number): number | undefined {
    if (this.#running !== undefined) return 0;
    if (this.#isDue) return Math.max(0, this.#notBeforeMs - nowMs);
    return this.#status.refusalsTotal > 0 ? Math.max(0, this.#againMs - nowMs) : undefined;
  }

  /** A step of what there is to do: some milliseconds. */
  step(nowMs: number): void {
    if (this.#running === undefined) {
      if (this.waitMs(nowMs) !== 0) return;
      this.#isDoubtful ||= !this.#isDue;
      this.#isDue = false;
      this.#running = this.#run();
    }
    try {
      if (this.#running.next().done !== true) return;
      this.#end(undefined, nowMs);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      this.#isDoubtful = true;
      this.#isDue = true;
      this.#notBeforeMs = nowMs + retryMs;
      this.#end(error.message, nowMs);
    }
    this.#drain();
  }

  /** What changes while a run goes on waits for its end. */
  #drain(): void {
    while (this.#running === undefined && this.#numbers.length === 0) {
      const message = this.#queue.shift();
      if (message === undefined) return;
      this.#obey(message);
    }
  }

  #obey(message: ToRoutes): void {
    switch (message.kind) {
      case 'open':
        this.#open(message.options);
        return;
      case 'change': {
        const { routes, groups, groupsGone, ends, endsGone } = message.change;
        this.#groups.want(groups, groupsGone);
        unpackRoutes(routes, (key, to) => this.#table.setWant(this.#table.row(key), to));
        this.#overlay.wantEnds(ends, endsGone);
        return;
      }
      case 'commit':
        this.#overlay.want(message.overlay);
        break;
      case 'flush':
        this.#groups.unwant();
        this.#table.unwant();
        this.#overlay.want(null);
        this.#rules.want([]);
        this.#isDoubtful = true;
        break;
    }
    this.#numbers.push(message.number);
    this.#isDue = true;
    this.#notBeforeMs = 0;
  }

  #open({ table, rulePriority, refusedAgainMs }: KernelRoutesOptions): void {
    this.#refusedAgainMs = refusedAgainMs;
    this.#isOpen = true;
    this.#marks = marks(this.#protocol, table);
    const families: readonly Family[] = table === RT_TABLE_MAIN ? [] : ['ipv4', 'ipv6'];
    this.#rules.want(families.map(family => ({ family, table, priority: rulePriority })));
    try {
      writeFileSync(compatKnob, '0');
    } catch (error) {
      const why = error instanceof Error ? error.message : error;
      this.#problems.push(`net.ipv4.nexthop_compat_mode stays as it is (${why}): next hops change more slowly`);
    }
  }

  *#run(): Generator<void> {
    if (this.#isDoubtful) {
      yield* this.#observe();
      this.#isDoubtful = false;
    }
    this.#rules.add();
    yield* this.#overlay.add();
    this.#table.forgiveTo(yield* this.#groups.add(link => this.#indexOf(link)));
    yield* this.#addRoutes();
    yield* this.#removeRoutes();
    this.#table.dropTo(this.#groups.remove());
    yield* this.#overlay.remove();
    this.#rules.remove();
    this.#table.sweep();
  }

  #end(failure: string | undefined, nowMs: number): void {
    this.#running = undefined;
    this.#againMs = nowMs + this.#refusedAgainMs;
    const before = this.#status;
    this.#status = this.#summary();
    const numbers = this.#numbers.splice(0);
    for (const number of numbers) this.#answer({ about: 'routes', number, status: this.#status, failure });
    if (numbers.length === 0 && !sameValue(before, this.#status))
      this.#answer({ about: 'routes', number: undefined, status: this.#status, failure: undefined });
  }

  *#observe(): Iterable<void> {
    this.#refused.clear();
    this.#overlay.doubt();
    this.#rules.observe();
    this.#groups.observe();
    const strays: ListedRoute[] = [];
    for (const family of ['ipv4', 'ipv6'] as const) {
      const writer = this.#writer;
      this.#socket.dump(
        writer,
        (flags, seq) => askRoutes(writer, flags, seq, { family, table: 0, protocol: this.#protocol }),
        () => this.#table.forget(family),
        message => {
          const route = routeProtocol(message) === this.#protocol ? decodeRoute(message) : undefined;
          if (route === undefined) return;
          if (route.table === this.#marks.table && route.metric === this.#marks.metric[family])
            this.#table.setHave(this.#table.row(route), route.to);
          else strays.push({ ...route, address: route.address.slice() });
        },
      );
      yield;
    }
    this.#strays = strays;
  }

  *#addRoutes(): Iterable<void> {
    const table = this.#table;
    for (const row of table.toWrite()) {
      const to = table.want(row);
      if (to > nowhere.otherwise && !this.#groups.isThere(to)) {
        table.hold(row);
        continue;
      }
      const key = table.keyOf(row);
      this.#batch.add(
        (writer, seq) => writeRoute(writer, seq, key, { to, replaces: table.have(row) !== nowhere.none }, this.#marks),
        refused => {
          if (refused === undefined) table.setHave(row, to);
          else this.#refuse(row, refused);
        },
      );
      if (!this.#batch.isFull) continue;
      this.#batch.send();
      yield;
    }
    this.#batch.send();
  }

  *#removeRoutes(): Iterable<void> {
    const table = this.#table;
    for (const row of table.toRemove()) {
      const where = { ...this.#marks, metric: this.#marks.metric[table.keyOf(row).family] };
      this.#batch.add(
        (writer, seq) => writeRouteGone(writer, seq, table.keyOf(row), where),
        refused => {
          if (refused === undefined || refused.errno === ESRCH) table.setHave(row, nowhere.none);
          else this.#refuse(row, refused);
        },
      );
      if (!this.#batch.isFull) continue;
      this.#batch.send();
      yield;
    }
    for (const stray of this.#strays) {
      const where = { protocol: this.#protocol, table: stray.table, metric: stray.metric };
      this.#batch.add(
        (writer, seq) => writeRouteGone(writer, seq, stray, where),
        () => {},
      );
      if (!this.#batch.isFull) continue;
      this.#batch.send();
      yield;
    }
    this.#strays = [];
    this.#batch.send();
  }

  #refuse(row: number, refused: Refused): void {
    this.#table.refuse(row);
    // A group that the kernel dropped meanwhile is listed anew.
    if (refused.errno === ENODEV) this.#isDoubtful = true;
    if (this.#refused.size >= kernelRefusalsMax) return;
    const key = this.#table.keyOf(row);
    const what = formatKey(key);
    const refusal: KernelRefusal = { what, reason: reasonOf(refused), detail: refused.detail };
    this.#refused.set(what, { row: () => this.#table.find(key), refusal });
  }

  #summary(): KernelRoutingStatus {
    const { there, refused } = this.#table;
    for (const [what, { row }] of this.#refused) if (!this.#table.isRefused(row())) this.#refused.delete(what);
    const others = [...this.#overlay.refusals, ...this.#groups.refusals(), ...this.#rules.refusals];
    const routes = [...this.#refused.values()].map(each => each.refusal);
    return {
      routes: there,
      refusals: [...others, ...routes].slice(0, kernelRefusalsMax),
      refusalsTotal: others.length + refused,
      problems: this.#problems,
    };
  }

  #indexOf(name: string): number | undefined {
    if (name === this.#overlay.name) return this.#overlay.index;
    return this.#host.links.find(link => link.name === name)?.index;
  }

  /** Those that anything of ours hangs on. */
  #links(): ReadonlySet<string> {
    const links = new Set(this.#groups.links());
    const overlay = this.#overlay.name;
    if (overlay !== undefined) links.add(overlay);
    const local = this.#overlay.local;
    for (const link of this.#host.links)
      if (local !== undefined && link.addresses.some(each => IpAddress.equals(each.address, local)))
        links.add(link.name);
    return links;
  }
}

/** Whatever about these links has a say in routes over them. */
function signatureOf(host: HostFacts, links: ReadonlySet<string>): string {
  return host.links
    .filter(link => links.has(link.name))
    .map(({ index, up, mtu, addresses }) => {
      const texts = addresses.map(each => `${IpAddress.format(each.address)}/${each.length}`);
      return `${index} ${up} ${mtu} ${texts}`;
    })
    .join();
}

function marks(protocol: number, table: number): RouteMarks {
  // The kernel's own: 0, and 1024 where it knows no 0. A route of somebody else to the same prefix then shows itself.
  return { protocol, table, metric: { ipv4: 0, ipv6: 1024 } };
}
