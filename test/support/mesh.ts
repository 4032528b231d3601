/**
 * The four daemons and Herald on one Ethernet segment, each in an AS of its own with sessions to all the others,
 * nothing filtered. A sixth speaker, the source, has a session with each: it says what each of them originates, so
 * that one way of announcing and withdrawing serves all five, at any rate, and one prefix may be given to several, who
 * then have to choose.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { type DaemonKind, daemonMissing, type Router } from './daemons/daemon.ts';
import { daemonKinds, startDaemon } from './daemons/start.ts';
import { HeraldSpeaker, type SpeakerFileText } from './herald-speaker.ts';
import { type Announced, classCount, prependOf } from './mesh-model.ts';
import { type Namespace, Net, namespacesMissing } from './netns.ts';
import { eventually } from './wait.ts';

export type MeshMember = DaemonKind | 'herald';

/**
 * Position and router ID go together; Herald stands in the middle, for router IDs decide among paths of equal length.
 */
export const members = ['frr', 'bird', 'herald', 'gobgp', 'openbgpd'] as const satisfies readonly MeshMember[];
export const SOURCE_ASN = 65_100;
const SOURCE_ADDRESS = '10.0.0.100';
/** Ample: on a busy machine nobody is to think another gone. */
const HOLD_SECONDS = 30;

/** Resets are many here, and damped they would keep the mesh waiting. */
const timers = { holdSeconds: HOLD_SECONDS, connectRetrySeconds: 1, idleHoldMaxSeconds: 2 };

export function asnOf(index: number): number {
  return 65_001 + index;
}

export function addressOf(index: number): string {
  return `10.0.0.${index + 1}`;
}

export function meshMissing(): string | undefined {
  const program = daemonKinds.map(daemonMissing).find(each => each !== undefined);
  return program === undefined ? namespacesMissing() : `${program} is not installed`;
}

export class Mesh {
  /** Those that run. */
  readonly routers: Map<MeshMember, Router>;
  readonly #spaces: ReadonlyMap<string, Namespace>;
  readonly herald: HeraldSpeaker;
  readonly source: HeraldSpeaker;
  readonly #net: Net;
  /** What Herald's end of each session offers: another hold time is what ends a session from there. */
  #serves = false;
  readonly #heraldHold = new Map<string, number>();

  private constructor(
    net: Net,
    routers: Map<MeshMember, Router>,
    spaces: ReadonlyMap<string, Namespace>,
    speakers: { herald: HeraldSpeaker; source: HeraldSpeaker },
  ) {
    this.#net = net;
    this.routers = routers;
    this.#spaces = spaces;
    this.herald = speakers.herald;
    this.source = speakers.source;
  }

  /** Resolves when all of them answer; sessions are still to come. */
  static async start(): Promise<Mesh> {
    const net = new Net();
    const started: { stop(): Promise<void> }[] = [];
    try {
      const spaces = new Map(members.map(member => [member as string, net.namespace(member)]));
      const sourceSide = net.namespace('source');
      net.segment([
        ...[...spaces.values()].map((space, i) => ({ in: space, link: 'eth0', addresses: [`${addressOf(i)}/24`] })),
        { in: sourceSide, link: 'eth0', addresses: [`${SOURCE_ADDRESS}/24`] },
      ]);
      const spaceOf = (name: string) => spaces.get(name) as Namespace;
      const routers = new Map<MeshMember, Router>();
      for (const kind of daemonKinds) {
        const router = await startRouter(kind, spaceOf(kind));
        started.push(router);
        routers.set(kind, router);
      }
      const herald = await HeraldSpeaker.start(spaceOf('herald'), heraldFile(new Map()));
      started.push(herald);
      const source = await HeraldSpeaker.start(sourceSide, sourceFile());
      started.push(source);
      return new Mesh(net, routers, spaces, { herald, source });
    } catch (error) {
      await Promise.all(started.map(each => each.stop()));
      net.close();
      throw error;
    }
  }

  /** What each member is to originate, the whole set: prefixes by class. */
  announce(all: readonly Announced[]): void {
    const lists = new Map<string, string[]>(
      members.flatMap((_, member) => classes.map(each => [listName(member, each), []] as const)),
    );
    for (const [member, prefixes] of all.entries())
      for (const [prefix, each] of prefixes) lists.get(listName(member, each))?.push(prefix);
    for (const [name, prefixes] of lists) {
      const path = `${this.source.folder}/${name}`;
      writeFileSync(`${path}.new`, `${prefixes.join('\n')}\n`);
      renameSync(`${path}.new`, path);
    }
    if (!this.#serves) this.source.configure(sourceFile(true));
    else this.source.signal('SIGHUP');
    this.#serves = true;
  }

  /** From the member's own end: the session with another one, or with the source. */
  reset(member: number, other: number | 'source'): void {
    const peer = other === 'source' ? SOURCE_ADDRESS : addressOf(other);
    const router = this.routers.get(members[member] as MeshMember);
    if (router === undefined) {
      this.#heraldHold.set(peer, (this.#heraldHold.get(peer) ?? HOLD_SECONDS) + 1);
      this.herald.configure(heraldFile(this.#heraldHold));
    } else if (router.established().includes(peer)) router.reset(peer);
  }

  /** Ends a daemon; the others' sessions with it are then not missed. */
  async leave(kind: DaemonKind): Promise<void> {
    const router = this.routers.get(kind);
    this.routers.delete(kind);
    await router?.stop();
  }

  async join(kind: DaemonKind): Promise<void> {
    this.routers.set(kind, await startRouter(kind, this.#spaces.get(kind) as Namespace));
  }

  runs(member: MeshMember): boolean {
    return member === 'herald' || this.routers.has(member);
  }

  /** Sessions that are not there, as the member tells it: `bird 10.0.0.3`. */
  async missing(): Promise<readonly string[]> {
    const out: string[] = [];
    const absent = members.flatMap((member, i) => (this.runs(member) ? [] : [addressOf(i)]));
    for (const [i, member] of members.entries()) {
      if (!this.runs(member)) continue;
      const up =
        this.routers.get(member)?.established() ??
        (await this.herald.summary()).peers.flatMap(each => (each.state === 'established' ? [each.peer] : []));
      for (const { address } of peersOf(i))
        if (!absent.includes(address) && !up.includes(address)) out.push(`${member} ${address}`);
    }
    return out;
  }

  complete(limitMs: number): Promise<true> {
    let last: readonly string[] = [];
    const detail = () => `missing: ${last.join(', ')}\n${this.log()}`;
    return eventually(
      'every session of the mesh is established',
      async () => {
        last = await this.missing();
        return last.length === 0;
      },
      { limitMs, everyMs: 250, detail },
    );
  }

  log(): string {
    return [...this.routers, ['herald', this.herald] as const, ['source', this.source] as const]
      .map(([name, each]) => `--- ${name}\n${each.log().slice(-3000)}`)
      .join('\n');
  }

  async stop(): Promise<void> {
    await Promise.allSettled([...this.routers.values(), this.herald, this.source].map(each => each.stop()));
    this.#net.close();
  }
}

const classes = Array.from({ length: classCount }, (_, i) => i);

function listName(member: number, each: number): string {
  return `${members[member]}-${each}`;
}

function peersOf(index: number) {
  const others = members.flatMap((_, i) => (i === index ? [] : [{ address: addressOf(i), asn: asnOf(i) }]));
  return [...others, { address: SOURCE_ADDRESS, asn: SOURCE_ASN }];
}

function startRouter(kind: DaemonKind, space: Namespace): Promise<Router> {
  const index = members.indexOf(kind);
  return startDaemon(kind, space, {
    asn: asnOf(index),
    routerId: addressOf(index),
    addresses: [addressOf(index)],
    alone: true,
    peers: peersOf(index).map(peer => ({
      ...peer,
      localAddress: addressOf(index),
      families: ['ipv4'],
      holdSeconds: HOLD_SECONDS,
      passive: peer.asn === SOURCE_ASN,
    })),
  });
}

function heraldFile(hold: ReadonlyMap<string, number>): SpeakerFileText {
  const index = members.indexOf('herald');
  return {
    asn: asnOf(index),
    routerId: addressOf(index),
    listen: [{ address: addressOf(index) }],
    peers: peersOf(index).map(peer => ({
      ...peer,
      families: ['ipv4'],
      timers: { ...timers, holdSeconds: hold.get(peer.address) ?? HOLD_SECONDS },
      import: 'all',
      export: 'all',
    })),
  };
}

function sourceFile(serves = false): SpeakerFileText {
  const originate = members.flatMap((_, member) =>
    classes.map(each => ({ file: listName(member, each), peers: [addressOf(member)], prepend: prependOf(each) })),
  );
  return {
    asn: SOURCE_ASN,
    routerId: SOURCE_ADDRESS,
    peers: members.map((_, i) => ({
      address: addressOf(i),
      asn: asnOf(i),
      families: ['ipv4'],
      timers,
    })),
    originate: serves ? originate : [],
  };
}
