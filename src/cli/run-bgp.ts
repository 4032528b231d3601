/** The agent's BGP part of `herald run`: sockets, the host as it looks, and what people may ask about both. */
import type { DesiredInstance } from '../control/desired.ts';
import type { HostFacts } from '../control/settings.ts';
import { HostWatch } from '../linux/host-facts.ts';
import { loadLibc } from '../linux/libc.ts';
import { NetlinkThread } from '../linux/netlink-thread.ts';
import { TcpTransport } from '../linux/tcp-transport.ts';
import { takeShortTurns } from '../linux/time-slice.ts';
import { type BgpStop, BgpTarget } from '../runtime/bgp-target.ts';
import type { Desired } from '../runtime/control-plane.ts';
import type { Routes } from '../runtime/http.ts';
import { type Lane, lane } from '../runtime/loop.ts';
import type { Metrics, Sample } from '../runtime/metrics.ts';
import type { Clock, Log, Store } from '../runtime/ports.ts';
import { speakerRoutes } from '../runtime/speaker-routes.ts';

export interface BgpPart {
  readonly host: () => HostFacts;
  readonly lane: Lane<Desired>;
  readonly target: BgpTarget;
  /** The thread for netlink, for whoever else writes routes. */
  readonly netlink: NetlinkThread;
  readonly routes: Routes;
  readonly samples: () => readonly Sample[];
  /** Before the store is closed, after the last pass. */
  readonly stop: (how: BgpStop) => Promise<void>;
}

export interface BgpEnv {
  readonly node: string;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** The host changed: another pass is due. */
  readonly wake: () => void;
  /** Told when what peers say may have become different; often. */
  readonly heard?: () => void;
  /** What instances announce besides what objects ask for. */
  readonly besides?: (instances: readonly DesiredInstance[]) => readonly DesiredInstance[];
}

export async function startBgp(env: BgpEnv): Promise<BgpPart> {
  const { clock, wake, besides } = env;
  const libc = await loadLibc();
  // What is heard is passed on at once, however busy the node is; a machine that cannot say so does as it always did.
  await takeShortTurns();
  const target = new BgpTarget({ ...env, random: Math.random, transport: () => new TcpTransport(libc, clock) });
  const netlink = new NetlinkThread(libc);
  const watch = new HostWatch({ clock, log: env.log, changed: wake });
  await watch.listen(netlink);
  return {
    host: () => watch.facts,
    lane: lane(target, (desired: Desired) => {
      const wanted = desired.node?.bgp;
      return wanted === undefined || besides === undefined
        ? wanted
        : { ...wanted, instances: besides(wanted.instances) };
    }),
    target,
    netlink,
    routes: speakerRoutes(() => target.shown(), clock),
    samples: () => target.samples(),
    async stop(how) {
      watch.close();
      await target.stop(how);
      await netlink.close();
    },
  };
}
