/** Five nodes, two hundred addresses and a bad day: what happens, and what must never be. */
import type { L2Group } from '../../src/l2/ownership-event.ts';
import { type Place, placeOf } from './l2-places.ts';
import { LINK, SimNode, World } from './l2-world.ts';
import { Random } from './random.ts';

const NODES = 5;
const ADDRESSES = 200;
const SERVICES = 150;
const GRACE_MS = 6_000;
/** Two may answer beyond this never, and so long only where frames were lost or a partition healed. */
const OVERLAP_MAX_MS = 300;
const DEAF_MS = 1_000;

interface SimService {
  readonly name: string;
  readonly born: number;
  readonly addresses: Set<number>;
  /** Nodes with an endpoint, where only they may answer. */
  localTo: ReadonlySet<string> | undefined;
}

interface SimGroup {
  readonly lease: string;
  readonly addresses: readonly number[];
  readonly candidates: readonly string[];
}

/** The cluster's wishes at one moment. */
interface SimGroups {
  readonly version: number;
  readonly all: readonly SimGroup[];
}

class Turmoil {
  readonly world: World;
  readonly places: readonly Place[] = Array.from({ length: ADDRESSES }, (_, i) => placeOf(i));
  /** What went wrong, at most a few lines. */
  readonly faults: string[] = [];
  readonly #random: Random;
  readonly #services = new Map<string, SimService>();
  readonly #cordoned = new Set<string>();
  #born = 0;
  #groups: SimGroups = { version: 0, all: [] };
  readonly #groupsOf = new Map<SimNode, SimGroups>();
  /** By address: since when two answer on one wire. */
  readonly #overlaps = new Map<string, number>();
  #watching = false;

  constructor(seed: number) {
    this.#random = new Random(seed);
    this.world = new World(this.#random);
    this.world.changed = node => this.#check(node);
    this.world.roused = node => this.#check(node);
    for (let i = 0; i < SERVICES; i++) this.#add([i]);
    for (let i = SERVICES; i < ADDRESSES; i++) this.#random.pick([...this.#services.values()]).addresses.add(i);
    const storeLoss = this.#random.chance(0.8) ? 'hold' : 'silent';
    const times = { sessionMs: 3_000, renewMs: 1_000, retryMs: 200 };
    const config = { times, storeLoss, restartGraceMs: GRACE_MS, garpIntervalMs: 60_000 } as const;
    for (let i = 0; i < NODES; i++) new SimNode(this.world, i, config);
    this.#regroup(true);
    for (const node of this.world.nodes) this.#later(0, 500, () => node.start());
  }

  run(ms: number): void {
    this.world.agenda.run(this.world.nowMs + ms);
  }

  // The cluster.

  #add(addresses: readonly number[]): void {
    const born = this.#born++;
    const name = `cilium-l2announce-default-s${born}`;
    this.#services.set(name, { name, born, addresses: new Set(addresses), localTo: undefined });
  }

  /** Works the groups out, and lets every node see them some time. */
  #regroup(atOnce = false): void {
    const groups = { version: this.#groups.version + 1, all: this.#makeGroups() };
    this.#groups = groups;
    for (const node of this.world.nodes)
      if (atOnce) this.#show(node, groups);
      else this.#later(0, this.#random.chance(0.2) ? 4_000 : 60, () => this.#show(node, groups));
  }

  /** Never an older state than before. */
  #show(node: SimNode, groups: SimGroups): void {
    const latest = this.#random.chance(0.5) ? this.#groups : groups;
    if ((this.#groupsOf.get(node)?.version ?? 0) >= latest.version) return;
    this.#groupsOf.set(node, latest);
    this.#tellGroups(node);
  }

  #tellGroups(node: SimNode): void {
    node.setGroups((this.#groupsOf.get(node)?.all ?? []).map(group => this.#groupFor(node, group)));
  }

  #groupFor(node: SimNode, { lease, addresses, candidates }: SimGroup): L2Group {
    const links = node.linkUp ? [LINK] : [];
    return {
      lease,
      addresses: addresses.map(number => ({ address: this.#place(number).address, links })),
      candidates,
      eligible: node.linkUp && candidates.includes(node.name),
    };
  }

  #place(number: number): Place {
    const place = this.places[number];
    if (place === undefined) throw new Error(`no address ${number}`);
    return place;
  }

  #makeGroups(): readonly SimGroup[] {
    const groups: { services: SimService[]; addresses: Set<number> }[] = [];
    for (const service of this.#services.values()) {
      const joined = { services: [service], addresses: new Set(service.addresses) };
      if (service.addresses.size === 0) continue;
      for (let i = groups.length - 1; i >= 0; i--) {
        const other = groups[i];
        if (other === undefined || ![...service.addresses].some(each => other.addresses.has(each))) continue;
        joined.services.push(...other.services);
        for (const each of other.addresses) joined.addresses.add(each);
        groups.splice(i, 1);
      }
      groups.push(joined);
    }
    const names = this.world.nodes.map(node => node.name).filter(name => !this.#cordoned.has(name));
    return groups.map(({ services, addresses }) => {
      const oldest = services.reduce((a, b) => (a.born < b.born ? a : b));
      const may = (all: boolean) =>
        names.filter(name => {
          const says = services.map(({ localTo }) => localTo === undefined || localTo.has(name));
          return all ? says.every(Boolean) : says.some(Boolean);
        });
      const candidates = may(true).length > 0 ? may(true) : may(false);
      return { lease: oldest.name, addresses: [...addresses].sort((a, b) => a - b), candidates };
    });
  }

  #churn(): void {
    const services = [...this.#services.values()];
    const service = this.#random.pick(services);
    const other = this.#random.pick(services);
    const address = this.#random.between(0, ADDRESSES - 1);
    const what = this.#random.between(0, 5);
    if (what === 0) for (const each of services) each.addresses.delete(address);
    if (what <= 1) service.addresses.add(address);
    if (what === 2) service.addresses.delete(address);
    if (what === 3) this.#services.delete(service.name);
    if (what === 3) for (const each of service.addresses) other.addresses.add(each);
    if (what === 4) this.#add([address]);
    if (what === 5)
      service.localTo = this.#random.chance(0.5)
        ? undefined
        : new Set(this.world.nodes.filter(() => this.#random.chance(0.5)).map(node => node.name));
    if (this.#services.size < 20) for (let i = 0; i < SERVICES; i++) this.#add([i]);
  }

  // What happens.

  #later(minMs: number, maxMs: number, run: () => void): void {
    this.world.agenda.at(this.world.nowMs + this.#random.between(minMs, maxMs), run);
  }

  disturb(): void {
    const random = this.#random;
    const { world } = this;
    const node = random.pick(world.nodes);
    const [shortMs, longMs] = [random.between(50, 1_500), random.between(1_500, 12_000)];
    const ms = random.chance(0.5) ? shortMs : longMs;
    const back = (run: () => void) => this.#later(ms, ms, run);
    const what = random.between(0, 99);
    if (what < 30) {
      for (let i = random.between(1, 20); i > 0; i--) this.#churn();
      this.#regroup();
    } else if (what < 40) node.freeze(ms);
    else if (what < 50) {
      if (random.chance(0.3)) node.powerOff();
      else node.kill();
      back(() => !node.alive && node.start());
    } else if (what < 58) this.#leave(node, random.chance(0.6) ? 'restart' : 'leave', ms);
    else if (what < 61) this.#stumbleOver(node);
    else if (what < 66) {
      this.setLink(node, false);
      back(() => this.setLink(node, true));
    } else if (what < 72) {
      node.storeUp = false;
      back(() => this.#connect(node));
    } else if (what < 76) {
      node.watchUp = false;
      back(() => this.#connect(node));
    } else if (what < 82) {
      world.storeUp = false;
      back(() => this.#storeBack());
    } else if (what < 88) {
      Object.assign(node, { segment: random.between(1, 2), deafMs: world.nowMs });
      if (random.chance(0.7)) node.storeUp = false;
      back(() => this.#join(node));
    } else if (what < 92) {
      this.#cordoned.add(node.name);
      this.#regroup();
      back(() => this.#uncordon(node));
    } else {
      const { weather } = world;
      weather.storeLoss = random.chance(0.5) ? 0 : random.next() * 0.3;
      weather.frameLoss = random.chance(0.5) ? 0 : random.next() * 0.2;
      weather.stumble = random.chance(0.5) ? 0 : 0.002;
      weather.slow = random.chance(0.5) ? 0 : 0.1;
    }
  }

  /** Killed while what it lets go of is under way to the store, and back before it is there. */
  #stumbleOver(node: SimNode): void {
    const { weather } = this.world;
    const { slow, storeLoss } = weather;
    Object.assign(weather, { slow: 0.5, storeLoss: 0.5 });
    node.linkUp = false;
    this.#tellGroups(node);
    node.kill();
    node.linkUp = true;
    this.#tellGroups(node);
    Object.assign(weather, { slow: 0, storeLoss: 0 });
    this.#later(1, 50, () => !node.alive && node.start());
    this.#later(300, 300, () => Object.assign(weather, { slow, storeLoss }));
  }

  #leave(node: SimNode, kind: 'restart' | 'leave', awayMs: number): void {
    if (!node.alive) return;
    node.tell({ kind });
    const { ownership } = node;
    const patience = this.world.nowMs + 2_000;
    const wait = () => {
      if (node.ownership !== ownership) return;
      if (node.left === undefined && this.world.nowMs < patience) return this.#later(5, 20, wait);
      node.kill();
      this.#later(awayMs, awayMs, () => !node.alive && node.start());
    };
    wait();
  }

  setLink(node: SimNode, up: boolean): void {
    node.linkUp = up;
    node.deafMs = this.world.nowMs;
    this.#later(0, 60, () => this.#tellGroups(node));
  }

  #connect(node: SimNode): void {
    node.storeUp = true;
    node.watchUp = true;
    node.viewSoon();
  }

  #storeBack(): void {
    this.world.storeUp = true;
    this.world.spread();
  }

  #join(node: SimNode): void {
    node.segment = 0;
    this.#connect(node);
    node.deafMs = this.world.nowMs;
    for (const each of this.world.nodes) this.#check(each);
  }

  #uncordon(node: SimNode): void {
    this.#cordoned.delete(node.name);
    this.#regroup();
  }

  /** Everything is well again, but for some nodes that stay away. */
  calm(): void {
    const { world } = this;
    Object.assign(world.weather, { storeLoss: 0, frameLoss: 0, stumble: 0, slow: 0 });
    this.#storeBack();
    for (const node of world.nodes) {
      this.#join(node);
      this.#uncordon(node);
      if (!node.linkUp) this.setLink(node, true);
    }
    this.run(100);
    for (const node of world.nodes.slice(1)) {
      const fate = this.#random.between(0, 9);
      if (fate === 0) node.kill();
      else if (fate === 1) this.setLink(node, false);
      else if (fate === 2) this.#cordoned.add(node.name);
      else if (!node.alive) node.start();
    }
    const [first] = world.nodes;
    if (first !== undefined && !first.alive) first.start();
    this.#regroup();
  }

  // What must be.

  /** Nodes that could answer for a group now. */
  #able({ candidates }: SimGroup): readonly SimNode[] {
    return this.world.nodes.filter(node => node.alive && !node.frozen && node.linkUp && candidates.includes(node.name));
  }

  /** Each address of a group with a node that can answer is answered by one; others by nobody. */
  checkAnswered(): void {
    const wanted = new Set<number>();
    for (const group of this.#groups.all) {
      if (this.#able(group).length === 0) continue;
      for (const number of group.addresses) {
        wanted.add(number);
        const place = this.#place(number);
        const answering = this.world.nodes.filter(node => node.mode(place) === 'session');
        if (answering.length !== 1 || answering[0]?.alive !== true)
          this.#fault(
            `${place.text} of ${group.lease}: ${answering.map(node => node.name).join() || 'nobody'} answers`,
          );
      }
    }
    for (const [number, place] of this.places.entries())
      if (!wanted.has(number))
        for (const node of this.world.nodes)
          if (node.alive && node.mode(place)) this.#fault(`${place.text} answered by ${node.name}, wanted by nobody`);
  }

  #check(node: SimNode): void {
    for (const place of this.places) {
      const mode = node.mode(place);
      if (mode === undefined) continue;
      // A renewal that was taken may have been news to it.
      const isOverdue = node.bootMs >= (node.ownership?.sessionMs ?? 0);
      if (mode === 'hold' && isOverdue && this.world.nowMs < node.listensUntilMs)
        this.#fault(`${place.text}: ${node.name}, which had heard nobody, answers before it listened`);
      for (const other of this.world.nodes) {
        const second = other === node ? undefined : other.mode(place);
        if (second === undefined) continue;
        if (mode === 'session' && second === 'session')
          this.#fault(`${place.text}: ${node.name} and ${other.name} own it`);
        else if (canMeet(node, other)) this.#overlap(place, node, other);
      }
    }
  }

  #overlap(place: Place, ...both: readonly SimNode[]): void {
    const { nowMs } = this.world;
    if (!this.#overlaps.has(place.text)) {
      this.#overlaps.set(place.text, nowMs);
      if (nowMs - deafMs(both) > DEAF_MS)
        this.#fault(`${place.text}: ${both.map(({ name }) => name)} answer, and nothing was lost between them`);
    }
    if (this.#watching) return;
    this.#watching = true;
    this.world.agenda.at(nowMs + 10, () => this.#watch());
  }

  #watch(): void {
    const { nowMs, nodes } = this.world;
    this.#watching = false;
    for (const [text, sinceMs] of this.#overlaps) {
      const place = this.places.find(each => each.text === text);
      const answering = place === undefined ? [] : nodes.filter(node => node.mode(place) !== undefined);
      const meet = answering.some((a, i) => answering.slice(i + 1).some(b => canMeet(a, b)));
      if (!meet) this.#overlaps.delete(text);
      else if (nowMs - Math.max(sinceMs, deafMs(answering)) >= OVERLAP_MAX_MS) {
        this.#fault(
          `${text}: ${answering.map(node => `${node.name} ${place && node.mode(place)}`).join()} for too long`,
        );
        this.#overlaps.delete(text);
      }
    }
    if (this.#overlaps.size === 0) return;
    this.#watching = true;
    this.world.agenda.at(nowMs + 10, () => this.#watch());
  }

  #fault(text: string): void {
    if (this.faults.length < 8) this.faults.push(`${this.world.nowMs.toFixed(1)} ms: ${text}`);
  }
}

const canMeet = (a: SimNode, b: SimNode) => a.segment === b.segment && a.linkUp && b.linkUp;
const deafMs = (nodes: readonly SimNode[]) => Math.max(...nodes.map(node => node.deafMs));
const ROUNDS = 3;

/** A bad day from this seed; what went wrong. */
export function runDay(seed: number): readonly string[] {
  const turmoil = new Turmoil(seed);
  turmoil.run(6_000);
  turmoil.checkAnswered();
  for (let round = 0; round < ROUNDS && turmoil.faults.length === 0; round++) {
    for (let i = 0; i < 25; i++) {
      turmoil.disturb();
      turmoil.run(400);
    }
    turmoil.calm();
    turmoil.run(22_000);
    for (let i = 0; i < 40 && turmoil.faults.length === 0; i++) {
      turmoil.checkAnswered();
      turmoil.run(25);
    }
  }
  return turmoil.faults;
}
