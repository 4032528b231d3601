/**
 * A LAN of nodes that announce addresses, a store, and everything that goes wrong between them, on one simulated time.
 * Frames go through the real responder. What a process programs stays in force after it is killed, as if pinned in the
 * kernel: the strictest case for one owner.
 */
import { AddressTable, type RowMode } from '../../src/l2/address-table.ts';
import { isHeard } from '../../src/l2/drop.ts';
import type { SeenLease } from '../../src/l2/lease-record.ts';
import { AddressOwnership } from '../../src/l2/ownership.ts';
import type {
  L2Group,
  OwnershipConfig,
  OwnershipEffect,
  OwnershipEvent,
  OwnershipNote,
} from '../../src/l2/ownership-event.ts';
import { type RespondingLink, readHeard, respond, respondingLink } from '../../src/l2/responder.ts';
import { IpAddress } from '../../src/net/ip.ts';
import { Mac } from '../../src/net/mac.ts';
import { Agenda } from './agenda.ts';
import { hostReply, isQuestion } from './l2-frames.ts';
import type { Place } from './l2-places.ts';
import { SimStore } from './l2-store.ts';
import type { Random } from './random.ts';

export const LINK = 2;

export interface Weather {
  /** Of requests to the store. */
  storeLoss: number;
  /** Of frames. */
  frameLoss: number;
  /** Of steps, that the process stops in the middle of what it has to do. */
  stumble: number;
  slow: number;
}

export class World {
  readonly agenda = new Agenda();
  readonly store = new SimStore();
  readonly nodes: SimNode[] = [];
  readonly random: Random;
  readonly weather: Weather = { storeLoss: 0, frameLoss: 0, stumble: 0, slow: 0 };
  storeUp = true;
  /** Called after rows or deadlines of a node changed. */
  changed: (node: SimNode) => void = () => {};
  /** Called when a node hears something after it had heard nothing for so long that it must have noticed. */
  roused: (node: SimNode) => void = () => {};

  constructor(random: Random) {
    this.random = random;
  }

  get nowMs(): number {
    return this.agenda.nowMs;
  }

  node(name: string): SimNode {
    const node = this.nodes.find(each => each.name === name);
    if (node === undefined) throw new Error(`no node ${name}`);
    return node;
  }

  delay(min: number, max: number): number {
    return this.random.chance(this.weather.slow)
      ? this.random.between(max, max * 40)
      : min + this.random.next() * (max - min);
  }

  /** Everybody gets to see what was written, in order, some time. */
  spread(): void {
    for (const node of this.nodes) node.viewSoon();
  }

  transmit(from: SimNode, frame: Uint8Array): void {
    if (!from.linkUp) return;
    for (const to of this.nodes) {
      if (to === from || to.segment !== from.segment || !to.takes(frame)) continue;
      if (this.random.chance(this.weather.frameLoss)) to.deafMs = this.nowMs;
      else this.agenda.at(this.nowMs + 0.05 + this.random.next(), () => to.receive(frame));
    }
  }
}

/** Nothing heard for so long, beyond its session, a node is silent; and so long after it hears something again. */
const ALONE_MS = 800;
const LISTENS_MS = 200;

export class SimNode {
  readonly name: string;
  /** Of the node itself: its kernel answers for it, whatever becomes of the process. */
  readonly host: IpAddress;
  readonly world: World;
  readonly table = AddressTable.make(1024);
  readonly notes: OwnershipNote[] = [];
  ownership: AddressOwnership | undefined;
  segment = 0;
  linkUp = true;
  /** Reaches the store; gets to see what is written. */
  storeUp = true;
  watchUp = true;
  frozen = false;
  alive = false;
  /** Answered nothing any more: it is to leave. */
  left: boolean | undefined;
  groups: readonly L2Group[] = [];
  readonly #offsetMs: number;
  readonly #drift: number;
  readonly #mac: Mac;
  readonly #link: RespondingLink;
  readonly #config: Omit<OwnershipConfig, 'node' | 'instance'>;
  readonly #out = new Uint8Array(128);
  #process = 0;
  #inbox: (() => void)[] = [];
  #seen = 0;
  readonly #view = new Map<string, SeenLease>();
  #viewDue = false;
  #tickAtMs = Number.POSITIVE_INFINITY;
  #modes = new Map<string, RowMode>();
  #holdMs = 0;
  #sessionMs = 0;
  #powered = true;
  #heardMs = 0;
  /** While it has to listen first. */
  listensUntilMs = 0;
  /** The last time that a frame to it was lost, its process did not hear, or it came to others. */
  deafMs = Number.NEGATIVE_INFINITY;

  constructor(world: World, index: number, config: Omit<OwnershipConfig, 'node' | 'instance'>) {
    this.world = world;
    this.name = `node-${index}`;
    this.#config = config;
    this.host = IpAddress.of('ipv4', 0x0a00_ff01n + BigInt(index));
    this.#mac = { value: 0x0200_0000_0001 + index };
    this.#link = respondingLink(LINK, this.#mac, [this.#mac]);
    this.#offsetMs = 1e6 + world.random.between(-30_000, 30_000);
    this.#drift = 1 + (world.random.next() - 0.5) * 0.004;
    world.nodes.push(this);
  }

  /** CLOCK_BOOTTIME of this node. */
  get bootMs(): number {
    return this.#offsetMs + this.world.nowMs * this.#drift;
  }

  /** In which mode an address would be answered now, whatever became of the process. */
  mode(address: Place): 'session' | 'hold' | undefined {
    const mode = this.#modes.get(address.text);
    if (mode === undefined || mode === 'listen') return undefined;
    const slot = this.table.find(LINK, address.family, address.bytes, 0);
    return slot < 0 || this.table.refusal(slot, this.bootMs) !== undefined ? undefined : mode;
  }

  get reaches(): boolean {
    return this.storeUp && this.world.storeUp;
  }

  start(): void {
    const process = ++this.#process;
    this.alive = true;
    this.#powered = true;
    this.frozen = false;
    this.left = undefined;
    this.#inbox = [];
    this.#seen = 0;
    this.#view.clear();
    this.#tickAtMs = Number.POSITIVE_INFINITY;
    const instance = `${this.name}/${process}`;
    this.ownership = new AddressOwnership({ ...this.#config, node: this.name, instance }, this.bootMs);
    const others = this.world.nodes.filter(node => node !== this);
    const neighbours = others.map(({ name: node, host: address }) => ({ node, address }));
    this.tell({ kind: 'links', links: [{ index: LINK, mac: this.#mac, neighbours }] });
    this.tell({ kind: 'groups', groups: this.groups });
    this.viewSoon();
  }

  /** What is programmed stays. */
  kill(): void {
    this.alive = false;
    this.ownership = undefined;
    this.#process++;
    this.deafMs = this.world.nowMs;
  }

  powerOff(): void {
    this.kill();
    this.#powered = false;
    this.table.replaceAll([]);
    this.#modes = new Map();
  }

  freeze(forMs: number): void {
    if (!this.alive || this.frozen) return;
    this.frozen = true;
    const process = this.#process;
    this.world.agenda.at(this.world.nowMs + forMs, () => {
      if (process !== this.#process) return;
      this.deafMs = this.world.nowMs;
      this.frozen = false;
      const inbox = this.#inbox;
      this.#inbox = [];
      for (const [i, each] of inbox.entries()) {
        if (this.frozen) this.#inbox.push(...inbox.slice(i));
        if (this.frozen || process !== this.#process) return;
        each();
      }
    });
  }

  tell(event: OwnershipEvent): void {
    this.#enter(() => this.#step(event));
  }

  setGroups(groups: readonly L2Group[]): void {
    this.groups = groups;
    if (this.alive) this.tell({ kind: 'groups', groups });
  }

  viewSoon(): void {
    if (this.#viewDue || !this.alive) return;
    this.#viewDue = true;
    const process = this.#process;
    this.world.agenda.at(this.world.nowMs + this.world.delay(0.5, 8), () => {
      this.#viewDue = false;
      if (process !== this.#process) {
        if (this.alive) this.viewSoon();
        return;
      }
      if (!this.reaches || !this.watchUp) return;
      this.#look();
    });
  }

  /** A switch brings a frame to whom it is for. */
  takes(frame: Uint8Array): boolean {
    const to = Mac.fromBytes(frame);
    return Mac.isMulticast(to) || Mac.equals(to, this.#mac);
  }

  /** Past its session, and nothing heard for so long that it must not answer any more. */
  get #isAlone(): boolean {
    return this.world.nowMs - this.#heardMs > ALONE_MS && this.bootMs > this.#sessionMs;
  }

  receive(frame: Uint8Array): void {
    if (!this.linkUp || !this.#powered) return;
    if (this.#isAlone) {
      this.listensUntilMs = this.world.nowMs + LISTENS_MS;
      this.world.roused(this);
    }
    this.#heardMs = this.world.nowMs;
    const reply = hostReply(frame, this.host, this.#mac);
    if (reply !== undefined) this.world.transmit(this, reply);
    const deaf = !this.alive || this.frozen;
    if (deaf) this.deafMs = this.world.nowMs;
    // What is pinned in the kernel answers questions by itself, and hears nothing.
    if (deaf && !isQuestion(frame)) return;
    const result = respond(this.table, this.#link, frame, frame.length, this.bootMs, this.#out);
    if (result > 0) this.world.transmit(this, this.#out.slice(0, result));
    else if (isHeard(result)) this.tell({ kind: 'heard', heard: readHeard(this.#link, frame, result) });
  }

  #look(): void {
    const { log } = this.world.store;
    for (; this.#seen < log.length; this.#seen++) {
      const entry = log[this.#seen];
      if (entry?.lease) this.#view.set(entry.name, entry.lease);
      else if (entry) this.#view.delete(entry.name);
    }
    this.tell({ kind: 'leases', leases: [...this.#view.values()] });
  }

  /** A process that stands still does this when it goes on. */
  #enter(run: () => void): void {
    if (!this.alive) return;
    if (this.frozen) this.#inbox.push(run);
    else run();
  }

  #step(event: OwnershipEvent): void {
    const { ownership } = this;
    if (ownership === undefined) return;
    this.#apply(ownership.step(event, this.bootMs), 0);
    this.#arm(ownership);
  }

  #arm(ownership: AddressOwnership): void {
    const atMs = (ownership.nextMs - this.#offsetMs) / this.#drift;
    if (atMs >= this.#tickAtMs - 1e-6 || atMs === Number.POSITIVE_INFINITY) return;
    this.#tickAtMs = atMs;
    const process = this.#process;
    this.world.agenda.at(atMs + 0.001, () => {
      if (process !== this.#process || this.#tickAtMs !== atMs) return;
      this.#enter(() => {
        this.#tickAtMs = Number.POSITIVE_INFINITY;
        this.#step(ownership.holding ? { kind: 'wires', wires: [this.table.wire(LINK)] } : { kind: 'tick' });
        this.#arm(ownership);
      });
    });
  }

  #apply(effects: readonly OwnershipEffect[], from: number): void {
    for (let i = from; i < effects.length; i++) {
      const effect = effects[i];
      if (effect === undefined) return;
      if (this.world.random.chance(this.world.weather.stumble)) {
        this.freeze(this.world.random.between(1, 6_000));
        this.#inbox.unshift(() => this.#apply(effects, i));
        return;
      }
      this.#effect(effect);
    }
  }

  #effect(effect: OwnershipEffect): void {
    switch (effect.kind) {
      case 'cap':
        this.#deadlines({ sessionMs: Math.min(this.#sessionMs, effect.sessionMs), holdMs: this.#holdMs });
        break;
      case 'own':
        this.table.replaceAll(effect.rows);
        this.#modes = new Map(effect.rows.map(row => [IpAddress.format(row.address), row.mode]));
        this.world.changed(this);
        break;
      case 'deadlines':
        this.#deadlines(effect.deadlines);
        break;
      case 'send':
        this.world.transmit(this, effect.frame);
        break;
      case 'put':
      case 'remove':
        this.#request(effect);
        break;
      case 'read':
        this.#read(effect.name);
        break;
      case 'note':
        this.notes.push(effect.note);
        break;
      case 'left':
        this.left = effect.clean;
    }
  }

  #deadlines(deadlines: { sessionMs: number; holdMs: number }): void {
    this.#sessionMs = deadlines.sessionMs;
    this.#holdMs = deadlines.holdMs;
    this.table.setDeadlines(deadlines);
    this.world.changed(this);
  }

  #request(effect: OwnershipEffect & { kind: 'put' | 'remove' }): void {
    const { world } = this;
    const process = this.#process;
    const answer = (event: OwnershipEvent, inMs: number) =>
      world.agenda.at(world.nowMs + inMs, () => {
        if (process === this.#process) this.tell(event);
      });
    const { request } = effect;
    const fail = () =>
      world.random.chance(0.8) && answer({ kind: 'failed', request }, world.random.between(100, 1_200));
    const lost = !this.reaches || world.random.chance(world.weather.storeLoss);
    // A request that nobody waits for any more may still arrive; one that was never sent does not.
    const late = lost && world.random.chance(0.3) ? world.random.between(100, 8_000) : undefined;
    if (lost) fail();
    if (lost && late === undefined) return;
    world.agenda.at(world.nowMs + (late ?? world.delay(0.5, 6)), () => {
      if (!this.world.storeUp) {
        if (!lost) fail();
        return;
      }
      const version = this.#commit(effect);
      world.spread();
      if (lost) return;
      if (!this.reaches || world.random.chance(world.weather.storeLoss)) fail();
      else if (version === undefined) answer({ kind: 'conflict', request }, world.delay(0.5, 6));
      else answer({ kind: 'written', request, resourceVersion: version }, world.delay(0.5, 6));
    });
  }

  #read(name: string): void {
    const { world } = this;
    const process = this.#process;
    const lost = !this.reaches || world.random.chance(world.weather.storeLoss);
    const lease = lost ? undefined : world.store.leases.get(name);
    if (lease === undefined) return;
    world.agenda.at(world.nowMs + world.delay(0.5, 6), () => {
      if (process === this.#process) this.tell({ kind: 'found', lease });
    });
  }

  #commit(effect: OwnershipEffect & { kind: 'put' | 'remove' }): string | undefined {
    const { store } = this.world;
    if (effect.kind === 'put') return store.put(effect.lease, effect.resourceVersion);
    return store.remove(effect.name, effect.resourceVersion) ? '' : undefined;
  }
}
