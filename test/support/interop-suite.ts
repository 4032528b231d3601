/**
 * What holds with every daemon, as one suite: `interopSuite('bird')`. Each case has a link, a daemon and a Herald of
 * its own.
 */
import { afterEach, describe, expect, it } from 'vitest';
import type { DaemonKind, Family } from './daemons/daemon.ts';
import {
  converged,
  HERALD_ASN,
  heraldAddress,
  heraldNetworks,
  interopMissing,
  networkOf,
  type Pair,
  type PairOptions,
  ROUTER_ASN,
  routerNetworks,
  startPair,
} from './interop.ts';
import { eventually } from './wait.ts';

/** What the daemon cannot do, as seen between it and other daemons as well. */
export interface Quirks {
  /** It sends routes of the other family than the transport's with a next hop that can be used. */
  readonly ownCrossFamily: boolean;
  /** Its listening socket has the MD5 keys of its peers. */
  readonly listensWithMd5: boolean;
  /** Its command line can make it send ROUTE-REFRESH. */
  readonly asksForRefresh: boolean;
  /** It takes a new session soon after its command line has reset one. */
  readonly comesBackSoon: boolean;
  /** It sends IPv4 routes with IPv6 next hops over IPv6 whether or not we said that we take them (RFC 8950 §4). */
  readonly assumesExtendedNextHop: boolean;
  /** RFC 8654. */
  readonly extendedMessages: boolean;
  /** Peers over link-local addresses: who of the two may open. */
  readonly linkLocal: readonly ('herald' | 'router')[];
  /** How it writes extended community rt:65000:1. */
  readonly routeTarget: string;
}

export function interopSuite(kind: DaemonKind, quirks: Quirks): void {
  const missing = interopMissing(kind);
  if (missing !== undefined) {
    describe.skip(`${kind}: skipped, ${missing}`, () => it('cannot run here', () => {}));
    return;
  }
  let pair: Pair | undefined;
  const start = async (options: PairOptions) => {
    pair = await startPair(kind, options);
    return pair;
  };
  afterEach(async () => {
    await pair?.stop();
    pair = undefined;
  });

  describe(`sessions with ${kind}`, () => sessions(quirks, start));
  describe(`what guards a session with ${kind}`, () => guards(quirks, start));
  describe(`changes with ${kind}`, () => changes(kind, quirks, start));
}

type Start = (options: PairOptions) => Promise<Pair>;

function sessions(quirks: Quirks, start: Start): void {
  const cases = (['ipv4', 'ipv6'] as const).flatMap(over =>
    (['herald', 'router'] as const).map(opens => ({ over, opens })),
  );
  it.each(cases)('over $over, opened by $opens: both families, four-octet AS, all communities', async ({
    over,
    opens,
  }) => {
    const heraldPeer = { extendedNextHop: quirks.assumesExtendedNextHop && over === 'ipv6' };
    const running = await start({ over, opens, heraldPeer, heraldFile: { originate: [originated] } });
    await converged(running, ['ipv4', 'ipv6'], quirks.ownCrossFamily ? ['ipv4', 'ipv6'] : [over]);
    for (const family of ['ipv4', 'ipv6'] as const) checkSent(running, family, over, quirks);
    expect(await running.herald.best(networkOf(routerNetworks, over))).toMatchObject({ asPath: String(ROUTER_ASN) });
    const peer = await running.herald.peer();
    expect(peer.negotiated.includes('extended message')).toBe(quirks.extendedMessages);
    expect(peer.asn).toBe(ROUTER_ASN);
    expect(peer.negotiated).toContain('four-octet AS');
    expect(peer.timers).toEqual({ holdSeconds: 9, keepaliveSeconds: 3 });
  });

  it('with both ends opening: one session stays (W9)', async () => {
    const running = await start({ opens: 'both' });
    await converged(running, ['ipv4']);
    expect((await running.herald.peer()).established).toBe(1);
  });
}

function guards(quirks: Quirks, start: Start): void {
  const md5 = quirks.listensWithMd5 ? (['herald', 'router'] as const) : (['router'] as const);
  it.each(md5)('TCP MD5 with the right key, opened by %s (W16)', async opens => {
    const running = await start({ opens, heraldPeer: { password: 'right' }, routerPeer: { password: 'right' } });
    await converged(running, ['ipv4']);
  });

  it('TCP MD5 with a wrong key: no session, and the reason is said; the right key brings it up (W16)', async () => {
    const running = await start({
      opens: 'herald',
      heraldPeer: { password: 'wrong' },
      routerPeer: { password: 'right' },
    });
    const said = async () => (await running.herald.peer()).lastError?.includes('TCP MD5 password may differ');
    await eventually('the reason', said, { detail: () => running.herald.log() });
    expect(running.router.established()).toEqual([]);
    if (!quirks.listensWithMd5) return;
    const [peer] = running.heraldFile['peers'] as readonly object[];
    running.herald.configure({ ...running.heraldFile, peers: [{ ...peer, password: 'right' }] });
    await converged(running, ['ipv4']);
  });

  it('TCP MD5 with a wrong key, opened by the other end: no session, and the log says so', async () => {
    const running = await start({
      opens: 'router',
      heraldPeer: { password: 'wrong' },
      routerPeer: { password: 'right' },
    });
    await eventually('the log says so', () => running.herald.log().includes('TCP MD5'), { limitMs: 18_000 });
    expect(running.router.established()).toEqual([]);
  });

  it.each(['herald', 'router'] as const)('GTSM on both ends, opened by %s', async opens => {
    const running = await start({ opens, heraldPeer: { ttlSecurityHops: 1 }, routerPeer: { gtsm: true } });
    await converged(running, ['ipv4']);
  });
}

function changes(kind: DaemonKind, quirks: Quirks, start: Start): void {
  it('follows announcements and withdrawals both ways, and refreshes when asked (W15)', async () => {
    const running = await start({ opens: 'herald' });
    await converged(running, ['ipv4']);
    const { herald, router } = running;
    router.change(['203.0.113.0/24'], [networkOf(routerNetworks, 'ipv4')]);
    await eventually('Herald follows', async () => {
      const gone = (await herald.best(networkOf(routerNetworks, 'ipv4'))) === undefined;
      return gone && (await herald.best('203.0.113.0/24')) !== undefined;
    });
    herald.configure({ ...running.heraldFile, originate: [{ prefixes: ['192.0.3.0/24'] }] });
    await eventually(
      `${kind} follows`,
      () => router.route('192.0.3.0/24') !== undefined && router.route('192.0.2.0/24') === undefined,
    );
    expect((await herald.peer()).established).toBe(1);
    if (!quirks.asksForRefresh) return;
    const before = (await herald.peer()).messages;
    router.refresh(running.routerPeer);
    await eventually('the refresh is answered', async () => {
      const { received, sent } = (await herald.peer()).messages;
      return received.routeRefresh > before.received.routeRefresh && sent.update > before.sent.update;
    });
    expect((await herald.peer()).established).toBe(1);
  });

  it('comes back after the daemon resets the session, and after the daemon is killed', async () => {
    const running = await start({ opens: 'herald' });
    await converged(running, ['ipv4']);
    running.router.reset(running.routerPeer);
    await eventually('Herald saw the end', async () => (await running.herald.peer()).dropped === 1);
    if (quirks.comesBackSoon) await converged(running, ['ipv4']);
    await running.router.stop(true);
    await eventually(
      'routes are gone',
      async () => (await running.herald.best(networkOf(routerNetworks, 'ipv4'))) === undefined,
    );
    expect((await running.herald.peer()).lastError).toBeTruthy();
  });

  it.each(quirks.linkLocal)('over link-local addresses, opened by %s', async opens => {
    const running = await start({ over: 'link-local', opens });
    await converged(running, ['ipv6']);
  });

  it('says why it leaves, and leaves nothing behind (B21)', async () => {
    const running = await start({ opens: 'herald' });
    await converged(running, ['ipv4']);
    await running.herald.stop();
    await eventually(
      `${kind} has dropped our routes`,
      () => running.router.route(networkOf(heraldNetworks, 'ipv4')) === undefined,
      { limitMs: 5000 },
    );
  });
}

const originated = {
  prefixes: heraldNetworks,
  med: 77,
  communities: ['65000:100', 'no-peer'],
  largeCommunities: ['4200000001:1:2'],
  extendedCommunities: ['rt:65000:1'],
};

function checkSent({ router }: Pair, family: Family, over: Family, quirks: Quirks): void {
  const seen = router.route(networkOf(heraldNetworks, family));
  expect(seen).toMatchObject({ asPath: [HERALD_ASN], med: 77, largeCommunities: ['4200000001:1:2'] });
  expect(seen?.communities.map(normal).sort()).toEqual(['65000:100', '65535:65284']);
  expect(seen?.extendedCommunities).toEqual([quirks.routeTarget]);
  if (family === over) expect(seen?.nextHop === heraldAddress[family] || seen?.nextHop.startsWith('fe80:')).toBe(true);
}

/** Daemons have names of their own for the well-known ones. */
function normal(community: string): string {
  return /^no.?peer$/i.test(community) ? '65535:65284' : community;
}
