/**
 * What only FRR among the daemons shows: graceful restart both ways, unnumbered, the whole through its own command
 * line.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { startDaemon } from '../support/daemons/start.ts';
import {
  converged,
  heraldNetworks,
  interopMissing,
  type Pair,
  type PairOptions,
  routerNetworks,
  startPair,
} from '../support/interop.ts';
import { Json } from '../support/json.ts';
import { eventually } from '../support/wait.ts';

const missing = interopMissing('frr');
let pair: Pair | undefined;
const start = async (options: PairOptions) => {
  pair = await startPair('frr', options);
  return pair;
};
afterEach(async () => {
  await pair?.stop();
  pair = undefined;
});

describe.skipIf(missing !== undefined)(
  `FRR more closely${missing === undefined ? '' : `: skipped, ${missing}`}`,
  () => {
    const restarting: PairOptions = {
      opens: 'herald',
      heraldPeer: { gracefulRestart: { restartSeconds: 60 } },
      routerPeer: { gracefulRestart: true },
    };

    it.each([
      ['killed', 'SIGKILL', {}],
      ['ended by SIGTERM with onExit: restart', 'SIGTERM', { onExit: 'restart' }],
    ] as const)('graceful restart, Herald %s: FRR keeps all routes (W14, RFC 4724 §4.2)', async (_, signal, file) => {
      const running = await start({ ...restarting, heraldFile: file });
      await converged(running);
      const kept = () => heraldNetworks.map(network => running.router.route(network));
      expect(kept().map(route => route?.stale)).toEqual([false, false]);
      let gone = 0;
      const watch = setInterval(() => {
        if (kept().some(route => route === undefined)) gone++;
      }, 50);
      const restarted = running.herald.restart(signal);
      await eventually('FRR marks them stale', () => kept().every(route => route?.stale === true), { everyMs: 5 });
      await restarted;
      await running.herald.established();
      await eventually('they are fresh again', () => kept().every(route => route !== undefined && !route.stale), {
        detail: () => running.herald.log() + running.router.log(),
      });
      clearInterval(watch);
      expect(gone).toBe(0);
      expect((await running.herald.peer()).endOfRibReceived).toEqual(
        expect.arrayContaining(['ipv4-unicast', 'ipv6-unicast']),
      );
    });

    it('without graceful restart, SIGTERM withdraws everything (B21)', async () => {
      const running = await start({ opens: 'herald' });
      await converged(running);
      await running.herald.stop();
      await eventually('gone', () => heraldNetworks.every(network => running.router.route(network) === undefined));
    });

    it('graceful restart of FRR: Herald keeps its routes, marked stale, until it is back (RFC 4724 §4.2)', async () => {
      const running = await start(restarting);
      await converged(running);
      await running.router.stop(true);
      await eventually('stale', async () => (await running.herald.best(routerNetworks[0]))?.stale === true);
      expect((await running.herald.peer()).stale).toEqual(expect.arrayContaining(['ipv4-unicast', 'ipv6-unicast']));

      // It comes back with one network less: what it tells again was there all along, the other goes at End-of-RIB.
      const [kept, dropped] = routerNetworks;
      let gone = 0;
      const watch = setInterval(async () => {
        if ((await running.herald.best(kept)) === undefined) gone++;
      }, 50);
      const again = await startDaemon('frr', running.routerSide, { ...running.routerSpec, networks: [kept] });
      try {
        await running.herald.established();
        const fresh = async () => {
          const best = await running.herald.best(kept);
          return best !== undefined && best.stale !== true;
        };
        await eventually('what it has is fresh', fresh, { detail: () => running.herald.log() + again.log() });
        await eventually('what it no longer has is gone', async () => !(await running.herald.best(dropped)));
        expect((await running.herald.peer()).stale).toEqual([]);
      } finally {
        clearInterval(watch);
        await again.stop();
      }
      expect(gone).toBe(0);
    });

    it('unnumbered: a peer given by its link alone, IPv4 routes with IPv6 next hops (RFC 8950)', async () => {
      const running = await start({ over: 'unnumbered', opens: 'both' });
      await converged(running);
      const { herald, router, heraldSide, routerSide } = running;
      const peer = await herald.peer('eth0');
      expect(peer.negotiated).toContain('extended next hop ipv4-unicast');
      expect(peer.remote).toContain(`${routerSide.linkLocal('eth0')}%eth0`);
      expect((await herald.best(routerNetworks[0]))?.nextHop).toBe(routerSide.linkLocal('eth0'));
      expect(router.route(heraldNetworks[0])?.nextHop).toBe(heraldSide.linkLocal('eth0'));
      const kernel = Json.parse(routerSide.ip('-j', 'route', 'show', heraldNetworks[0])).list[0];
      expect(kernel?.get('via', 'host').text).toBe(heraldSide.linkLocal('eth0'));
    });

    it('takes 10,000 routes and tells them on, and both sides count alike', async () => {
      const running = await start({ opens: 'herald', heraldPeer: { export: 'none' } });
      await converged(running, [], ['ipv4']);
      const many = Array.from(
        { length: 10_000 },
        (_, i) => `100.${64 + (i >> 14)}.${(i >> 6) & 255}.${(i & 63) * 4}/30`,
      );
      running.router.change(many, []);
      await eventually(
        'all of them',
        async () => (await running.herald.summary()).families['ipv4-unicast'].locRib === 10_002,
        {
          detail: () => running.herald.log(),
        },
      );
      running.router.change([], many);
      await eventually(
        'none of them',
        async () => (await running.herald.summary()).families['ipv4-unicast'].locRib === 2,
      );
    });
  },
);
