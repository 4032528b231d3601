/**
 * The kernel's routing for the main thread: takes whole sets, finds out in slices what changed since the last one, and
 * has the thread `nl` do the rest. Values that are the same ones as before cost next to nothing.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { commonEnds } from '../net/equal.ts';
import { IpAddress } from '../net/ip.ts';
import { Prefix } from '../net/prefix.ts';
import {
  type KernelGroup,
  type KernelRoute,
  type KernelRoutes,
  type KernelRouting,
  type KernelRoutingStatus,
  kernelRoutingNone,
  type OverlayEnd,
} from '../runtime/kernel-routes.ts';
import {
  type FromRoutes,
  type KernelRoutesOptions,
  type NumberedGroup,
  packRoute,
  RECORD,
  type RoutesChange,
} from './kernel-routes-message.ts';
import type { NetlinkThread } from './netlink-thread.ts';
import { nowhere } from './rtnetlink-routes.ts';

/** So much at a time on the main thread: a few milliseconds. */
const routesPerSlice = 4096;
const valuesPerSlice = 512;

/** The rule is before that of the main table, 32766, and behind what people write without a priority. */
const defaults: KernelRoutesOptions = { table: 254, rulePriority: 32_765, refusedAgainMs: 10_000 };
const statusNone: KernelRoutingStatus = { routes: 0, refusals: [], refusalsTotal: 0, problems: [] };

export interface NetlinkRoutesOptions extends Partial<KernelRoutesOptions> {
  /** The status changed by itself: a link came or went, somebody interfered. */
  readonly changed?: () => void;
}

export class NetlinkRoutes implements KernelRoutes {
  readonly #thread: NetlinkThread;
  readonly #changed: () => void;
  readonly #numbers = new GroupNumbers();
  readonly #waiting = new Map<number, (answer: FromRoutes) => void>();
  #sent: KernelRouting = kernelRoutingNone;
  #number = 0;
  #status = statusNone;
  #broken: string | undefined;
  #running: Promise<KernelRoutingStatus> | undefined;
  #next: { readonly desired: KernelRouting; readonly done: Promise<KernelRoutingStatus> } | undefined;

  constructor(thread: NetlinkThread, { changed = () => {}, ...options }: NetlinkRoutesOptions = {}) {
    this.#thread = thread;
    this.#changed = changed;
    thread.routes({ answer: answer => this.#answer(answer), failed: error => this.#fail(error) });
    thread.post({ about: 'routes', kind: 'open', options: { ...defaults, ...options } });
  }

  apply(desired: KernelRouting): Promise<KernelRoutingStatus> {
    if (this.#running === undefined) return this.#run(() => this.#apply(desired));
    const running = this.#running;
    const done = this.#next?.done ?? running.catch(() => {}).then(() => this.#takeNext());
    this.#next = { desired, done };
    return done;
  }

  async flush(): Promise<KernelRoutingStatus> {
    while (this.#running !== undefined) await this.#running.catch(() => {});
    return this.#run(() => {
      this.#sent = kernelRoutingNone;
      this.#numbers.clear();
      return this.#ask(number => ({ about: 'routes', kind: 'flush', number }));
    });
  }

  status(): KernelRoutingStatus {
    return this.#status;
  }

  #takeNext(): Promise<KernelRoutingStatus> {
    const next = this.#next;
    this.#next = undefined;
    return next === undefined ? Promise.resolve(this.#status) : this.apply(next.desired);
  }

  #run(work: () => Promise<KernelRoutingStatus>): Promise<KernelRoutingStatus> {
    const running = work().finally(() => {
      if (this.#running === running) this.#running = undefined;
    });
    this.#running = running;
    return running;
  }

  async #apply(desired: KernelRouting): Promise<KernelRoutingStatus> {
    for (const change of this.#changes(this.#sent, desired)) {
      this.#thread.post({ about: 'routes', kind: 'change', change });
      await nextTurn();
    }
    this.#sent = desired;
    const { ends: _, ...overlay } = desired.overlay ?? { ends: [] };
    const link = 'name' in overlay ? overlay : null;
    return this.#ask(number => ({ about: 'routes', kind: 'commit', number, overlay: link }));
  }

  async #ask(message: (number: number) => Parameters<NetlinkThread['post']>[0]): Promise<KernelRoutingStatus> {
    if (this.#broken !== undefined) throw new Error(this.#broken);
    const number = ++this.#number;
    const answer = new Promise<FromRoutes>(resolve => this.#waiting.set(number, resolve));
    this.#thread.post(message(number));
    this.#thread.hold(true);
    const { status, failure } = await answer;
    this.#thread.hold(false);
    if (failure !== undefined) throw new Error(failure);
    return status;
  }

  #answer(answer: FromRoutes): void {
    this.#status = answer.status;
    if (answer.number === undefined) this.#changed();
    else {
      this.#waiting.get(answer.number)?.(answer);
      this.#waiting.delete(answer.number);
    }
  }

  #fail(error: Error): void {
    this.#broken = `routes cannot be written: ${error.message}`;
    for (const resolve of this.#waiting.values())
      resolve({ about: 'routes', number: undefined, status: this.#status, failure: this.#broken });
    this.#waiting.clear();
  }

  /** Groups first, for routes to refer to. Those that go are named last, when nothing refers to them any more. */
  *#changes(before: KernelRouting, after: KernelRouting): Iterable<RoutesChange> {
    const groups = diffValues(before.groups, after.groups, group => group.name, sameGroup);
    for (const slice of slices(groups.changed))
      yield {
        ...nothing,
        groups: slice.map((group): NumberedGroup => ({ ...group, id: this.#numbers.of(group.name) })),
      };
    if (before.routes !== after.routes) yield* this.#routeChanges(before.routes, after.routes);
    const groupsGone = groups.gone.map(group => this.#numbers.take(group.name));
    const ends = diffValues(before.overlay?.ends ?? [], after.overlay?.ends ?? [], end => end.mac.value, sameEnd);
    for (const slice of slices<OverlayEnd>(ends.changed)) yield { ...nothing, ends: slice };
    const endsGone = ends.gone.map(end => end.mac.value);
    if (groupsGone.length + endsGone.length > 0) yield { ...nothing, groupsGone, endsGone };
  }

  *#routeChanges(before: readonly KernelRoute[], after: readonly KernelRoute[]): Iterable<RoutesChange> {
    let packed: RoutePack | undefined;
    for (const { prefix, to } of diffRoutes(before, after, route => this.#leadsTo(route))) {
      packed ??= new RoutePack();
      packed.add(prefix, to);
      if (!packed.isFull) continue;
      yield { ...nothing, routes: packed.bytes };
      packed = undefined;
    }
    if (packed !== undefined) yield { ...nothing, routes: packed.bytes };
  }

  #leadsTo({ group }: KernelRoute): number {
    return group === undefined ? nowhere.unreachable : this.#numbers.of(group);
  }
}

const nothing: RoutesChange = { routes: new Uint8Array(0), groups: [], groupsGone: [], ends: [], endsGone: [] };

class RoutePack {
  readonly #bytes = new Uint8Array(routesPerSlice * RECORD);
  readonly #view = new DataView(this.#bytes.buffer);
  #count = 0;

  add(prefix: Prefix, to: number): void {
    packRoute(this.#view, this.#count++ * RECORD, prefix, to);
  }

  get isFull(): boolean {
    return this.#count === routesPerSlice;
  }

  get bytes(): Uint8Array {
    return this.isFull ? this.#bytes : this.#bytes.slice(0, this.#count * RECORD);
  }
}

/** Walks two ascending lists side by side, as far as they differ. */
function* diffRoutes(
  before: readonly KernelRoute[],
  after: readonly KernelRoute[],
  leadsTo: (route: KernelRoute) => number,
): Iterable<{ readonly prefix: Prefix; readonly to: number }> {
  const { head, tail } = commonEnds(before, after);
  const [beforeEnd, afterEnd] = [before.length - tail, after.length - tail];
  let [i, j] = [head, head];
  while (i < beforeEnd || j < afterEnd) {
    const old = i < beforeEnd ? before[i] : undefined;
    const now = j < afterEnd ? after[j] : undefined;
    if (old === now) {
      i++;
      j++;
      continue;
    }
    const order = old === undefined ? 1 : now === undefined ? -1 : Prefix.compare(old.prefix, now.prefix);
    if (order < 0 && old !== undefined) yield { prefix: old.prefix, to: nowhere.none };
    if (order >= 0 && now !== undefined) {
      const previous = after[j - 1];
      if (previous !== undefined && Prefix.compare(previous.prefix, now.prefix) >= 0)
        throw new RangeError(`${Prefix.format(now.prefix)} comes after ${Prefix.format(previous.prefix)}`);
      if (order > 0 || old?.group !== now.group) yield { prefix: now.prefix, to: leadsTo(now) };
    }
    if (order <= 0) i++;
    if (order >= 0) j++;
  }
}

/** Values by key, as far as the lists differ: those that stay keep their order, mostly. */
function diffValues<T, K>(
  before: readonly T[],
  after: readonly T[],
  keyOf: (value: T) => K,
  same: (a: T, b: T) => boolean,
): { readonly changed: readonly T[]; readonly gone: readonly T[] } {
  if (before === after) return { changed: [], gone: [] };
  const { head, tail } = commonEnds(before, after);
  const old = new Map(before.slice(head, before.length - tail).map(value => [keyOf(value), value]));
  const changed: T[] = [];
  for (const value of after.slice(head, after.length - tail)) {
    const key = keyOf(value);
    const was = old.get(key);
    if (was !== value && !(was !== undefined && same(was, value))) changed.push(value);
    old.delete(key);
  }
  return { changed, gone: [...old.values()] };
}

function sameGroup(a: KernelGroup, b: KernelGroup): boolean {
  return (
    a.nextHops.length === b.nextHops.length &&
    a.nextHops.every((hop, i) => {
      const other = b.nextHops[i];
      if (other === undefined || hop.link !== other.link || hop.onLink !== other.onLink) return false;
      return hop.weight === other.weight && IpAddress.equals(hop.gateway, other.gateway);
    })
  );
}

function sameEnd(a: OverlayEnd, b: OverlayEnd): boolean {
  return (
    IpAddress.equals(a.underlay, b.underlay) &&
    a.gateways.length === b.gateways.length &&
    a.gateways.every((each, i) => sameAddress(each, b.gateways[i]))
  );
}

function sameAddress(a: IpAddress, b: IpAddress | undefined): boolean {
  return b !== undefined && IpAddress.equals(a, b);
}

function* slices<T>(values: readonly T[]): Iterable<readonly T[]> {
  for (let at = 0; at < values.length; at += valuesPerSlice) yield values.slice(at, at + valuesPerSlice);
}

/** Groups are numbered from here on, next hops below: no daemon that counts from one comes near. */
const groupBase = 0x8000_0000;

/** A group's number follows from its name, so that a later process gives it the same one. */
class GroupNumbers {
  readonly #byName = new Map<string, number>();
  readonly #taken = new Set<number>();

  of(name: string): number {
    const known = this.#byName.get(name);
    if (known !== undefined) return known;
    let number = (groupBase | fnv1a(name)) >>> 0;
    while (this.#taken.has(number)) number = (groupBase | (number + 1)) >>> 0;
    this.#byName.set(name, number);
    this.#taken.add(number);
    return number;
  }

  /** Its number, which is free from now on. */
  take(name: string): number {
    const number = this.of(name);
    this.#byName.delete(name);
    this.#taken.delete(number);
    return number;
  }

  clear(): void {
    this.#byName.clear();
    this.#taken.clear();
  }
}

function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
