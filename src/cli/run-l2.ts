/** The agent's part of `herald run` on local networks: the responder, who answers for what, and what people may ask. */
import type { Snapshot } from '../api/snapshot.ts';
import type { ObjectConditions } from '../control/conditions.ts';
import type { Answering } from '../control/explain.ts';
import { Memo } from '../control/keep.ts';
import { ownL2Conditions, sharedL2Conditions } from '../control/l2-conditions.ts';
import { pinPlaces } from '../linux/bpf-filesystem.ts';
import { loadLibc } from '../linux/libc.ts';
import { NdResponder } from '../linux/nd-responder.ts';
import { removeTcx } from '../linux/tcx.ts';
import { IpAddress } from '../net/ip.ts';
import { ConditionsTarget } from '../runtime/conditions-target.ts';
import type { Desired } from '../runtime/control-plane.ts';
import { jsonAnswer, type Routes } from '../runtime/http.ts';
import { L2Target } from '../runtime/l2-target.ts';
import { answeringReader, emptyL2View, l2Samples, l2View } from '../runtime/l2-view.ts';
import { type Lane, lane } from '../runtime/loop.ts';
import type { Metrics, Sample } from '../runtime/metrics.ts';
import type { Clock, Log, Store } from '../runtime/ports.ts';
import type { L2Choices } from './l2-options.ts';

/** Where Herald mounts a bpffs when the host has none. */
export const ownBpffs = '/run/herald/bpf';

export interface L2Part {
  readonly lanes: readonly Lane<Desired>[];
  readonly routes: Routes;
  readonly samples: () => readonly Sample[];
  /** Who answers for an address; for `herald explain`. */
  readonly answering: () => ((address: string) => Answering | undefined) | undefined;
  /** As early as can be: the others wait for it. */
  readonly leave: () => Promise<void>;
  /** As late as can be: until then a node that will be back goes on answering. */
  readonly close: () => Promise<void>;
}

export interface L2Env {
  readonly node: string;
  readonly namespace: string;
  readonly choices: L2Choices;
  readonly restartGraceMs: number;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly wake: () => void;
}

export async function startL2(env: L2Env): Promise<L2Part> {
  const { node, namespace, choices, restartGraceMs, store } = env;
  const { times, storeLoss, datapath, garpIntervalMs } = choices;
  const libc = await loadLibc();
  const places = pinPlaces(ownBpffs);
  const target = new L2Target({
    ...env,
    bootMs: () => libc.boottimeMs(),
    settings: { node, namespace, times, storeLoss, restartGraceMs, garpIntervalMs },
    open: events => NdResponder.open({ datapath, places }, events),
    cleanUp: async () => void (await removeTcx(places)),
  });
  const restarts = restartGraceMs > 0;
  const shown = () => target.shown;
  return {
    lanes: [lane(target, (desired: Desired) => desired.node?.l2), ...conditionLanes(node, store, target)],
    routes: {
      '/l2': () => {
        const now = shown();
        return jsonAnswer(now === undefined ? emptyL2View(node) : l2View(node, namespace, store.snapshot(), now));
      },
    },
    samples: () => l2Samples(shown()),
    answering: () => {
      const now = shown();
      return now && answeringReader(node, namespace, store.snapshot(), now);
    },
    leave: () => target.leave(restarts ? 'restart' : 'leave'),
    close: () => target.close({ keep: restarts }),
  };
}

/** What all nodes say alike is said under one name, so that it is said once; the rest under the node's. */
function conditionLanes(node: string, store: Store, target: L2Target): readonly Lane<Desired>[] {
  const shared = new Memo<readonly unknown[], readonly ObjectConditions[]>();
  const own = new Memo<readonly unknown[], readonly ObjectConditions[]>();
  const services = (snapshot: Snapshot) => snapshot.list('Service');
  return [
    lane(new ConditionsTarget('l2-conditions', store, 'herald-l2'), ({ node: desired }: Desired) => {
      const snapshot = store.snapshot();
      if (desired === undefined) return undefined;
      const { l2 } = desired;
      return shared.get([l2.all, l2.node, services(snapshot)], () => sharedL2Conditions(snapshot, node, l2));
    }),
    lane(new ConditionsTarget('l2-own-conditions', store, `herald-l2-${node}`), ({ node: desired }: Desired) => {
      const snapshot = store.snapshot();
      if (desired === undefined) return undefined;
      const { l2 } = desired;
      const { rows, notes } = target;
      const troubles = notes.troubles();
      return own.get([l2.all, rows, services(snapshot), JSON.stringify(troubles)], () => {
        const answered = rows.filter(row => row.mode === 'session').map(row => IpAddress.format(row.address));
        return ownL2Conditions(snapshot, l2, new Set(answered), troubles);
      });
    }),
  ];
}
