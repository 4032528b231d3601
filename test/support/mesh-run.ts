/**
 * A mesh through its whole life: up, full, changing at random, at rest, compared. GoBGP loses withdrawals in it,
 * towards any peer: when its best path gives way to one that holds the peer's AS it tells that peer nothing, and one
 * that is replaced by a path with its own AS it keeps. So what came of it is seen out before the views are held to
 * what the decision process leaves: first what the others told Herald, with GoBGP's ghosts about; then four views
 * without GoBGP, then five with it started anew.
 */
import { Mesh, type MeshMember, members } from './mesh.ts';
import { Churn } from './mesh-churn.ts';
import { type Comparison, compare } from './mesh-views.ts';
import { eventually } from './wait.ts';

export interface MeshRunOptions {
  readonly seed: number;
  readonly routes: number;
  readonly changes: number;
  readonly resetEvery: number;
  /** Whether the step of this number, from 0, is still to be done. */
  readonly goOn: (step: number) => boolean;
  readonly restMs: number;
  /** What happens, in words. */
  readonly say?: (line: string) => void;
}

export interface MeshRun extends Comparison {
  readonly steps: number;
  readonly changed: number;
  readonly resets: number;
  /** Sessions that ended, as Herald counted them. */
  readonly dropped: number;
  readonly log: string;
}

export async function runMesh(options: MeshRunOptions): Promise<MeshRun> {
  const say = options.say ?? (() => {});
  const churn = new Churn({ ...options, members: members.length });
  const mesh = await Mesh.start();
  try {
    mesh.announce(churn.announced);
    await mesh.complete(options.restMs);
    say('every session is established');
    const full = await atRest(mesh, churn, options.restMs);
    if (full.wrong > 0) throw new Error(`before any change:\n${full.faults.join('\n')}`);
    say(`full: ${full.compared} best paths are as expected`);
    while (options.goOn(churn.steps)) {
      const before = await told(mesh);
      const { announced, reset } = churn.step();
      mesh.announce(announced);
      if (reset !== undefined) mesh.reset(reset.member, reset.other);
      await eventually('the source tells of the changes', async () => (await told(mesh)) > before, { everyMs: 5 });
    }
    say(`${churn.steps} steps, ${churn.changed} changes, ${churn.resets} resets`);
    await mesh.complete(options.restMs);
    say('every session is established again');
    const comparison = await settled(mesh, churn, options.restMs, say);
    const { peers } = await mesh.herald.summary();
    const dropped = peers.reduce((sum, peer) => sum + peer.dropped, 0);
    const { steps, changed, resets } = churn;
    return { ...comparison, steps, changed, resets, dropped, log: comparison.wrong > 0 ? mesh.log() : '' };
  } finally {
    await mesh.stop();
  }
}

/** The first comparison that does not come to hold, or the last. */
async function settled(mesh: Mesh, churn: Churn, restMs: number, say: (line: string) => void): Promise<Comparison> {
  const ghosts = await atRest(mesh, churn, restMs, 'gobgp');
  if (ghosts.wrong > 0) return ghosts;
  say(`with GoBGP's ghosts: ${ghosts.heard} paths in Herald are as the other three have them`);
  await mesh.leave('gobgp');
  await mesh.complete(restMs);
  const four = await atRest(mesh, churn, restMs);
  if (four.wrong > 0) return four;
  say(`without GoBGP: ${four.compared} best paths are as expected`);
  // OpenBGPD waits twice as long after every session that ended: anew, it does not.
  await mesh.leave('openbgpd');
  await mesh.join('gobgp');
  await mesh.join('openbgpd');
  await mesh.complete(restMs);
  const five = await atRest(mesh, churn, restMs);
  if (five.wrong === 0) say(`with GoBGP again: ${five.compared} best paths are as expected`);
  return five;
}

/** UPDATEs that the source has sent. */
async function told(mesh: Mesh): Promise<number> {
  return (await mesh.source.summary()).peers.reduce((sum, peer) => sum + peer.messages.sent.update, 0);
}

/** UPDATEs that Herald has got: the same twice, and nothing has moved in between. */
async function moved(mesh: Mesh): Promise<number> {
  return (await mesh.herald.summary()).peers.reduce((sum, peer) => sum + peer.messages.received.update, 0);
}

/** The comparison, once it holds; the last one when it does not come to hold. */
async function atRest(mesh: Mesh, churn: Churn, limitMs: number, unsound?: MeshMember): Promise<Comparison> {
  let last: Comparison | undefined;
  try {
    return await eventually(
      'all views agree',
      async () => {
        const before = await moved(mesh);
        last = await compare(mesh, churn.announced, unsound);
        return last.wrong === 0 && (await moved(mesh)) === before && last;
      },
      { limitMs, everyMs: 500 },
    );
  } catch (error) {
    if (last === undefined || last.wrong === 0) throw error;
    return last;
  }
}
