/** Any of the daemons by its name. */
import type { Namespace } from '../netns.ts';
import { startBird } from './bird.ts';
import type { DaemonKind, Router, RouterSpec } from './daemon.ts';
import { startFrr } from './frr.ts';
import { startGobgp } from './gobgp.ts';
import { startOpenbgpd } from './openbgpd.ts';

export const daemonKinds = ['frr', 'bird', 'gobgp', 'openbgpd'] as const satisfies readonly DaemonKind[];

const starters = {
  frr: startFrr,
  bird: startBird,
  gobgp: startGobgp,
  openbgpd: startOpenbgpd,
} as const satisfies Record<DaemonKind, (namespace: Namespace, spec: RouterSpec) => Promise<Router>>;

/** Resolves when it answers its own command line. */
export function startDaemon(kind: DaemonKind, namespace: Namespace, spec: RouterSpec): Promise<Router> {
  return starters[kind](namespace, spec);
}
