/**
 * Speakers on a network that is not there: a clock that jumps from event to event, connections that delay and cut up
 * what they carry but keep its order, that break with or without a word, and links that go down. Everything follows
 * from one seed.
 */
import type { Announcement } from '../../src/bgp/announcement.ts';
import type { SpeakerConfig } from '../../src/bgp/config.ts';
import { Speaker, type SpeakerEnv } from '../../src/bgp/speaker.ts';
import type { AttemptId, ConnectionId, Effect, Endpoint, SpeakerEvent } from '../../src/bgp/speaker-effect.ts';
import type { PeerStatus } from '../../src/bgp/speaker-status.ts';
import { IpAddress } from '../../src/net/ip.ts';
import { Random } from './random.ts';

export interface NetworkOptions {
  readonly seed: number;
  /** One way, uniform between the two. */
  readonly delayMs: readonly [min: number, max: number];
  /** Octets a connection takes before its reader has caught up. */
  readonly windowOctets: number;
  /** Messages are cut into pieces of at most this many octets. */
  readonly pieceOctetsMax: number;
}

const defaults: NetworkOptions = { seed: 1, delayMs: [1, 1], windowOctets: 65_536, pieceOctetsMax: 65_536 };

/** One end of a connection. */
interface End {
  readonly node: Node;
  readonly id: ConnectionId;
  /** The one who asked is told only after the one who was asked. */
  told: boolean;
  open: boolean;
  /** Octets it has sent that are still under way. */
  flying: number;
  blocked: boolean;
  /** Nothing of this end arrives before what it sent earlier. */
  lastArrivalMs: number;
  connection: Link;
}

interface Link {
  readonly ends: [End, End];
  /** Octets and goodbyes vanish: the cable is cut. */
  silent: boolean;
}

export class Node {
  readonly name: string;
  readonly address: IpAddress;
  speaker: Speaker;
  readonly events: SpeakerEvent[] = [];
  readonly ends = new Map<ConnectionId, End>();
  readonly attempts = new Set<AttemptId>();
  /** Does not answer, does not run. */
  dead = false;
  tickAtMs = Number.POSITIVE_INFINITY;

  constructor(name: string, address: IpAddress, speaker: Speaker) {
    this.name = name;
    this.address = address;
    this.speaker = speaker;
  }
}

interface Happening {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

export class Network {
  nowMs = 0;
  readonly random: Random;
  readonly nodes: Node[] = [];
  readonly #options: NetworkOptions;
  /** Sorted, the next one last. */
  readonly #agenda: Happening[] = [];
  readonly #links = new Set<Link>();
  /** Pairs that cannot reach one another: `a b`, sorted. */
  readonly #cut = new Set<string>();
  readonly #buffer = new Uint8Array(131_072);
  #order = 0;
  #lastId = 0;

  constructor(options: Partial<NetworkOptions> = {}) {
    this.#options = { ...defaults, ...options };
    this.random = new Random(this.#options.seed);
  }

  add(name: string, address: IpAddress, env: Partial<SpeakerEnv> = {}): Node {
    const node = new Node(name, address, new Speaker({ random: () => this.random.next(), ...env }));
    this.nodes.push(node);
    return node;
  }

  configure(node: Node, config: SpeakerConfig): void {
    this.enter(node, () => node.speaker.configure(config, this.nowMs));
  }

  announce(node: Node, all: readonly Announcement[]): void {
    this.enter(node, () => node.speaker.announce(all, this.nowMs));
  }

  status(node: Node, peer: string): PeerStatus {
    const found = node.speaker.peers(this.nowMs).find(each => each.key === peer);
    if (found === undefined) throw new Error(`${node.name} has no peer ${peer}`);
    return found;
  }

  /** Any call into a speaker: what it asks for is done. */
  enter(node: Node, call: () => void): void {
    if (node.dead) return;
    call();
    for (const effect of node.speaker.takeEffects()) this.#perform(node, effect);
    const next = node.speaker.nextTickMs() ?? Number.POSITIVE_INFINITY;
    if (next < node.tickAtMs) this.#scheduleTick(node, next);
  }

  /** Lets `forMs` pass. */
  run(forMs: number): void {
    const endMs = this.nowMs + forMs;
    for (let next = this.#agenda.at(-1); next !== undefined && next.atMs <= endMs; next = this.#agenda.at(-1)) {
      this.#agenda.pop();
      this.nowMs = next.atMs;
      next.run();
    }
    this.nowMs = endMs;
  }

  /** Lets time pass until `holds`, at most `forMs`; false when that was not enough. */
  until(holds: () => boolean, forMs: number): boolean {
    for (let passed = 0; passed < forMs && !holds(); passed += 10) this.run(10);
    return holds();
  }

  /** Breaks every connection between the two: both ends are told, what was under way is lost. */
  break(a: Node, b: Node): void {
    for (const link of this.#between(a, b)) this.#break(link);
  }

  /** From now on nothing arrives and nobody is told, until `mend`. New connections are not answered. */
  cut(a: Node, b: Node): void {
    this.#cut.add(pair(a, b));
    for (const link of this.#between(a, b)) link.silent = true;
  }

  mend(a: Node, b: Node): void {
    this.#cut.delete(pair(a, b));
  }

  /** The process is gone; its kernel says so to the other ends. */
  kill(node: Node): void {
    node.dead = true;
    for (const link of [...this.#links]) if (link.ends.some(end => end.node === node)) this.#break(link);
    node.ends.clear();
  }

  /** A new process in the place of one that was killed; it has to be configured. */
  restart(node: Node, env: Partial<SpeakerEnv> = {}): void {
    node.speaker = new Speaker({ random: () => this.random.next(), ...env });
    node.tickAtMs = Number.POSITIVE_INFINITY;
    node.attempts.clear();
    node.dead = false;
  }

  /** Connections that stand, by who is at their ends. */
  get links(): readonly (readonly [Node, Node])[] {
    const standing = [...this.#links].filter(link => link.ends.every(end => end.open));
    return standing.map(link => [link.ends[0].node, link.ends[1].node]);
  }

  /** Something that is to happen at a time of its own. */
  at(atMs: number, run: () => void): void {
    const happening = { atMs, order: this.#order++, run };
    let low = 0;
    let high = this.#agenda.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.#agenda[middle] as Happening;
      if (other.atMs > atMs || (other.atMs === atMs && other.order > happening.order)) low = middle + 1;
      else high = middle;
    }
    this.#agenda.splice(low, 0, happening);
  }

  #scheduleTick(node: Node, atMs: number): void {
    node.tickAtMs = atMs;
    const { speaker } = node;
    this.at(Math.max(atMs, this.nowMs), () => {
      if (node.tickAtMs !== atMs || node.speaker !== speaker) return;
      node.tickAtMs = Number.POSITIVE_INFINITY;
      this.enter(node, () => node.speaker.tick(this.nowMs));
    });
  }

  #perform(node: Node, effect: Effect): void {
    switch (effect.kind) {
      case 'connect':
        node.attempts.add(effect.attempt);
        this.at(this.nowMs + this.#delay(), () => this.#connect(node, effect.attempt, effect.remote));
        break;
      case 'abort':
        node.attempts.delete(effect.attempt);
        break;
      case 'write': {
        const end = node.ends.get(effect.connection);
        if (end !== undefined) this.at(this.nowMs, () => this.#write(end));
        break;
      }
      case 'close': {
        const end = node.ends.get(effect.connection);
        if (end !== undefined) this.#close(end, effect.last);
        break;
      }
      case 'event':
        node.events.push(effect.event);
    }
  }

  #connect(from: Node, attempt: AttemptId, remote: Endpoint): void {
    const to = this.nodes.find(each => !each.dead && IpAddress.equals(each.address, remote.address));
    if (from.dead || !from.attempts.has(attempt)) return;
    // Nobody answers a cut link; a machine without the process refuses.
    if (to !== undefined && this.#cut.has(pair(from, to))) return;
    if (to === undefined) {
      from.attempts.delete(attempt);
      this.enter(from, () => from.speaker.connectFailed(attempt, 'connection refused', this.nowMs));
      return;
    }
    const link: Link = { ends: [] as unknown as [End, End], silent: false };
    const end = (node: Node): End => ({
      node,
      id: ++this.#lastId,
      told: false,
      open: true,
      flying: 0,
      blocked: false,
      lastArrivalMs: 0,
      connection: link,
    });
    link.ends.push(end(from), end(to));
    const [ours, theirs] = link.ends;
    this.#links.add(link);
    const port = this.random.between(32_768, 60_999);
    // The answer to the call arrives before anything that is said in it.
    theirs.lastArrivalMs = this.nowMs + this.#delay();
    this.#stand(theirs, undefined, { address: from.address, port });
    this.at(theirs.lastArrivalMs, () => {
      if (!ours.open || from.dead) return;
      from.attempts.delete(attempt);
      this.#stand(ours, attempt, remote, port);
      if (!theirs.open) this.#tellClosed(ours, 'closed by the peer');
    });
  }

  #stand(end: End, attempt: AttemptId | undefined, remote: Endpoint, port = 179): void {
    end.told = true;
    end.node.ends.set(end.id, end);
    const local = { address: end.node.address, port };
    this.enter(end.node, () => end.node.speaker.connected(end.id, { attempt, local, remote }, this.nowMs));
  }

  #write(end: End): void {
    const { node } = end;
    while (end.open && !node.dead && node.ends.has(end.id)) {
      end.blocked = end.flying >= this.#options.windowOctets;
      if (end.blocked) return;
      const length = node.speaker.pull(end.id, this.#buffer, this.nowMs);
      if (length === 0) return;
      this.#send(end, this.#buffer.slice(0, length));
    }
  }

  #send(end: End, bytes: Uint8Array): void {
    end.flying += bytes.length;
    const other = this.#other(end);
    for (let at = 0; at < bytes.length; ) {
      const length = this.random.between(1, this.#options.pieceOctetsMax);
      const piece = bytes.subarray(at, at + length);
      at += length;
      this.#arrive(end, () => {
        end.flying -= piece.length;
        if (other.open && other.told)
          this.enter(other.node, () => other.node.speaker.receive(other.id, piece, this.nowMs));
        if (end.blocked) this.#write(end);
      });
    }
  }

  /** In the order sent, after a delay, unless the link has gone silent. */
  #arrive(end: End, run: () => void): void {
    end.lastArrivalMs = Math.max(end.lastArrivalMs, this.nowMs + this.#delay());
    this.at(end.lastArrivalMs, () => {
      if (!end.connection.silent && this.#links.has(end.connection)) run();
    });
  }

  #close(end: End, last: Uint8Array | undefined): void {
    if (last !== undefined) this.#send(end, last);
    end.open = false;
    end.node.ends.delete(end.id);
    const other = this.#other(end);
    this.#arrive(end, () => {
      if (other.told) this.#tellClosed(other, 'closed by the peer');
      this.#links.delete(end.connection);
    });
  }

  #tellClosed(end: End, detail: string): void {
    if (!end.open) return;
    end.open = false;
    if (!end.node.ends.delete(end.id)) return;
    this.enter(end.node, () => end.node.speaker.closed(end.id, detail, this.nowMs));
  }

  #break(link: Link): void {
    this.#links.delete(link);
    for (const end of link.ends) this.#tellClosed(end, 'connection reset');
  }

  #between(a: Node, b: Node): Link[] {
    const links = [...this.#links];
    return links.filter(link => link.ends.every(end => end.node === a || end.node === b));
  }

  #other(end: End): End {
    const [first, second] = end.connection.ends;
    return end === first ? second : first;
  }

  #delay(): number {
    const [min, max] = this.#options.delayMs;
    return min + (max - min) * this.random.next();
  }
}

function pair(a: Node, b: Node): string {
  return [a.name, b.name].sort().join(' ');
}
