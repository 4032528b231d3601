/** 22 speakers through a bad day, seed by seed: whatever happened, at rest every view is what is announced. */
import { describe, expect, it } from 'vitest';
import type { Announcement } from '../../src/bgp/announcement.ts';
import { AsPath } from '../../src/bgp/as-path.ts';
import { gracefulRestartDefaults, type PeerConfig, type SpeakerConfig } from '../../src/bgp/config.ts';
import { Family } from '../../src/bgp/family.ts';
import type { RouteView } from '../../src/bgp/rib-view.ts';
import { IpAddress } from '../../src/net/ip.ts';
import { Prefix } from '../../src/net/prefix.ts';
import { peerConfig, speakerConfig } from '../bgp/world.ts';
import { Network, type Node } from './bgp-network.ts';
import type { Random } from './random.ts';

/** `SIM_SEED=7 vitest run test/sim/bgp.test.ts` replays one; `SIM_SEEDS=100` tries so many others. */
const { SIM_SEED, SIM_SEEDS } = process.env;
const seeds = SIM_SEED ? [Number(SIM_SEED)] : Array.from({ length: Number(SIM_SEEDS ?? 4) }, (_, i) => i + 1);

const EXTERNAL = 14;
const INTERNAL = 8;
/** The AS of the routers with a reflector in their middle. */
const SHARED_AS = 64_900;
const PREFIXES_EACH = 12;

interface Router {
  readonly node: Node;
  readonly config: SpeakerConfig;
  readonly peers: { readonly router: Router; readonly key: string }[];
  /** What it announces now: number of the prefix → version, which goes along as a community. */
  readonly announced: Map<number, number>;
}

/** Routers in a connected graph of sessions, each with an AS of its own but for those around the reflector. */
class Turmoil {
  readonly net: Network;
  readonly routers: Router[] = [];
  readonly #random: Random;
  #version = 0;

  constructor(seed: number) {
    this.net = new Network({ seed, delayMs: [1, 60], windowOctets: 8_192, pieceOctetsMax: 3_000 });
    this.#random = this.net.random;
    for (let i = 0; i < EXTERNAL + INTERNAL; i++) this.#addRouter(i);
    // Every external router hangs on one that came before; the reflector has all the internal ones; some more links
    // for loops.
    for (let i = 1; i < EXTERNAL; i++) this.#join(i, this.#random.between(0, i - 1));
    for (let i = EXTERNAL + 1; i < EXTERNAL + INTERNAL; i++) this.#join(EXTERNAL, i);
    this.#join(EXTERNAL + 1, 0);
    for (let i = 0; i < 14; i++)
      this.#join(this.#random.between(0, EXTERNAL + 3), this.#random.between(0, EXTERNAL - 1));
    for (const router of this.routers) {
      this.net.at(this.#random.between(0, 3_000), () => this.net.configure(router.node, router.config));
      for (let i = 0; i < PREFIXES_EACH; i++) this.#change(router);
    }
  }

  #addRouter(index: number): void {
    const address = IpAddress.of('ipv4', 0x0a00_0001n + BigInt(index));
    const asn = index < EXTERNAL ? 65_000 + index : SHARED_AS;
    const node = this.net.add(`r${index}`, address);
    const config = speakerConfig(asn, IpAddress.format(address));
    this.routers.push({ node, config, peers: [], announced: new Map() });
  }

  #join(from: number, to: number): void {
    const [a, b] = [this.#router(from), this.#router(to)];
    if (a === b || a.peers.some(each => each.router === b)) return;
    const restart = this.#random.chance(0.5) ? gracefulRestartDefaults : undefined;
    const fourOctetAs = this.#random.chance(0.8);
    for (const [one, other, index] of [
      [a, b, from],
      [b, a, to],
    ] as const) {
      const config = peerConfig(
        other.node.name,
        { kind: 'address', address: other.node.address },
        this.#session(restart),
      );
      const reflects = index === EXTERNAL && other.config.asn === SHARED_AS;
      const { capabilities } = config;
      (one.config.peers as PeerConfig[]).push({
        ...config,
        routeReflectorClient: reflects,
        capabilities: { ...capabilities, fourOctetAs },
      });
      one.peers.push({ router: other, key: config.key });
    }
  }

  #session(gracefulRestart: PeerConfig['gracefulRestart']): Partial<PeerConfig> {
    const { timers } = peerConfig('', '10.0.0.1');
    return {
      gracefulRestart: gracefulRestart && { ...gracefulRestart, restartMs: 20_000, staleMs: 30_000 },
      timers: { ...timers, holdMs: 9_000, keepaliveMs: 3_000, connectRetryMs: 5_000, idleHoldMaxMs: 10_000 },
    };
  }

  #router(index: number): Router {
    const router = this.routers[index];
    if (router === undefined) throw new Error(`no router ${index}`);
    return router;
  }

  /** Announces a prefix, says another one differently, or withdraws one. */
  #change(router: Router): void {
    const number = this.#random.between(0, 2 * PREFIXES_EACH - 1);
    if (this.#random.chance(0.3)) router.announced.delete(number);
    else router.announced.set(number, ++this.#version);
    this.net.announce(router.node, this.announcements(router));
  }

  announcements(router: Router): Announcement[] {
    const index = this.routers.indexOf(router);
    return [...router.announced].map(([number, version]) => ({
      prefix: prefixOf(index, number),
      communities: [version],
    }));
  }

  /** Something happens to somebody. */
  disturb(): void {
    const router = this.#random.pick(this.routers);
    const peer = this.#random.pick(router.peers);
    const a = router.node;
    const b = peer.router.node;
    const what = this.#random.between(0, 99);
    if (what < 60) this.#change(router);
    else if (what < 80) this.net.break(a, b);
    else if (what < 88) {
      this.net.cut(a, b);
      this.net.at(this.net.nowMs + this.#random.between(100, 30_000), () => this.net.mend(a, b));
    } else if (what < 94) this.#restart(router);
    else {
      const how = this.#random.pick(['hard', 'soft-in', 'soft-out'] as const);
      this.net.enter(a, () => a.speaker.reset(peer.key, how, this.net.nowMs));
    }
  }

  #restart(router: Router): void {
    const { node } = router;
    if (node.dead) return;
    this.net.kill(node);
    const restarting = this.#random.chance(0.5);
    this.net.at(this.net.nowMs + this.#random.between(50, 25_000), () => {
      this.net.restart(node, { restarting });
      this.net.configure(node, router.config);
      this.net.announce(node, this.announcements(router));
    });
  }

  run(disturbances: number): void {
    this.net.run(5_000);
    for (let i = 0; i < disturbances; i++) {
      this.disturb();
      this.net.run(this.#random.between(0, 400));
    }
    // Cables are mended, processes are back, stale routes have gone, idle holds are over.
    this.net.run(180_000);
  }
}

/** Both families; no two routers announce the same. */
function prefixOf(router: number, number: number): Prefix {
  if (number % 3 !== 0)
    return Prefix.of(IpAddress.of('ipv4', (100n << 24n) | BigInt((router << 16) | (number << 8))), 24);
  return Prefix.of(IpAddress.of('ipv6', (0x2001_0db8n << 96n) | (BigInt((router << 8) | number) << 80n)), 48);
}

/** Every best route a router has: prefix → version and the AS it came from. */
function view(router: Router): Map<string, string> {
  const out = new Map<string, string>();
  for (const family of Family.all)
    for (const route of router.node.speaker.rib?.loc(family) ?? []) {
      if (!route.best) continue;
      out.set(Prefix.format(route.prefix), `${route.attributes.communities?.join()} from ${originOf(router, route)}`);
    }
  return out;
}

function originOf(router: Router, { attributes }: RouteView): number {
  return AsPath.origin(attributes.asPath ?? []) ?? router.config.asn;
}

describe('speakers on a network that delays, breaks and comes back', () => {
  it.each(seeds)('seed %i: at rest every view is what is announced', seed => {
    const turmoil = new Turmoil(seed);
    turmoil.run(200);
    const expected = new Map<string, string>();
    for (const router of turmoil.routers)
      for (const { prefix, communities } of turmoil.announcements(router))
        expected.set(Prefix.format(prefix), `${communities?.join()} from ${router.config.asn}`);

    for (const router of turmoil.routers) {
      const { speaker, name } = router.node;
      const states = speaker.peers(turmoil.net.nowMs).map(peer => [name, peer.key, peer.state, peer.stale.length]);
      expect(states).toEqual(router.peers.map(peer => [name, peer.key, 'established', 0]));
      expect([name, new Map([...view(router)].sort())]).toEqual([name, new Map([...expected].sort())]);
    }
    checkPairs(turmoil);
    // It was no quiet day.
    const downs = turmoil.routers.flatMap(router => router.node.events.filter(event => event.kind === 'down'));
    expect(downs.length).toBeGreaterThan(50);
  });
});

function brief({ prefix, attributes }: Pick<RouteView, 'prefix' | 'attributes'>): string {
  return `${Prefix.format(prefix)} ${AsPath.format(attributes.asPath ?? [])} ${attributes.communities?.join()}`;
}

/** What one end has been told is what the other end has heard, and nothing waits. */
function checkPairs({ routers, net }: Turmoil): void {
  for (const router of routers)
    for (const { router: other, key } of router.peers) {
      const said = net.status(router.node, key);
      const heard = net.status(other.node, router.node.name);
      for (const family of Family.all) {
        const out = [...(router.node.speaker.rib?.adjOut(said.slot, family) ?? [])];
        const told = [...(other.node.speaker.rib?.adjIn(heard.slot, family) ?? [])];
        expect(out.filter(each => each.pending)).toEqual([]);
        expect(told.map(brief).sort()).toEqual(out.map(brief).sort());
      }
    }
  expect(net.links).toHaveLength(routers.reduce((sum, each) => sum + each.peers.length, 0) / 2);
}
