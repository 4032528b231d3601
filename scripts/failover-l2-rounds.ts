/** Rounds of faults in the fail-over rig: what the client saw while each lasted, and while it was undone. */
import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../test/support/wait.ts';
import type { Fault } from './failover-l2-faults.ts';
import { Lab, type LabNode, type LabOptions, nowMs, vips, vips6 } from './failover-l2-lab.ts';
import { nodeObject, policy, pool, serviceObject, sliceObject } from './failover-l2-objects.ts';
import type { ProbeReport } from './failover-l2-probe.ts';

/** One phase, as the client saw it. */
export interface Phase {
  /** Of the addresses that the node owned: the longest time without an answer. */
  readonly gapMs: number;
  /** Questions for these that nobody answered. */
  readonly unanswered: number;
  /** The longest time without an answer of all others. */
  readonly othersGapMs: number;
  /** Instants with two answerers, of any address. */
  readonly dual: number;
  /** Questions that two stations answered, the new one late. */
  readonly twice: number;
  /** Questions that one station answered twice. */
  readonly repeated: number;
  /** The longest time between two questions. */
  readonly stepMaxMs: number;
}

export interface Round {
  readonly datapath: LabOptions['datapath'];
  readonly fault: string;
  readonly during: Phase;
  readonly after: Phase;
  /** Addresses that the node owned and that another one had at the end of the first phase, or of the second. */
  readonly moved: number;
  readonly movedAfter: number;
}

/** After everything is as it ought to be, watched for so long unless said otherwise. */
const watchDefaultMs = 2000;

/** A lab in which every node is up before there is anything to announce, so that addresses spread. */
export async function startLab(options: LabOptions): Promise<Lab> {
  const lab = new Lab(options);
  try {
    lab.apply('nodes', ...lab.nodes.map(({ name }) => nodeObject(name)));
    lab.apply(
      'slices',
      sliceObject(
        'd',
        lab.nodes.map(({ name }) => name),
      ),
    );
    lab.apply('lan', pool, policy);
    lab.startProbe();
    for (const node of lab.nodes) node.start();
    for (const node of lab.nodes)
      await eventually(`${node.name} runs`, async () => (await node.view()).node === node.name, {
        detail: () => lab.logs(),
      });
    lab.apply(
      'services',
      serviceObject('a', [vips[0], vips6[0]]),
      serviceObject('b', [vips[1], vips6[1]]),
      serviceObject('c', [vips[2]]),
      serviceObject('d', [vips[3]], true),
    );
    await lab.settled('at the beginning');
    return lab;
  } catch (error) {
    await lab.close();
    throw error;
  }
}

export async function tryFault(lab: Lab, fault: Fault, longMs: number, watchMs = watchDefaultMs): Promise<Round> {
  const before = await lab.settled(`before ${fault.name}`);
  const victim = before.get(vips[3]);
  if (victim === undefined) throw new Error('nobody answers');
  const own = [...before].filter(([, node]) => fault.everywhere === true || node === victim).map(([text]) => text);
  const beginMs = nowMs();
  await fault.begin(lab, victim);
  const lastsMs = fault.lastsMs === 'long' ? longMs : (fault.lastsMs ?? 0);
  await delay(lastsMs);
  // An endpoint is of one Service; its group alone is to move.
  const moving = fault.name === 'endpoint' ? [vips[3]] : own;
  if (fault.moves === 'yes') await hasMoved(lab, fault, moving, victim);
  else if (fault.moves === 'never') await lab.settled(`while ${fault.name}`);
  await delay(watchMs / 2);
  const during = fault.moves === 'dark' ? undefined : await lab.settled(`while ${fault.name}`);
  const undoMs = nowMs();
  await fault.undo(lab, victim);
  await delay(watchMs / 2);
  await lab.settled(`after ${fault.name}`);
  await delay(watchMs);
  const end = await lab.settled(`after ${fault.name}`);
  const endMs = nowMs() - 100;
  const changed = (now: ReadonlyMap<string, LabNode> | undefined) =>
    now === undefined ? 0 : moving.filter(text => now.get(text) !== before.get(text)).length;
  return {
    datapath: lab.options.datapath,
    fault: fault.name,
    during: phaseOf(await lab.seen(beginMs - 50, undoMs), moving),
    after: phaseOf(await lab.seen(undoMs, endMs), moving),
    moved: changed(during),
    movedAfter: changed(end),
  };
}

async function hasMoved(lab: Lab, fault: Fault, own: readonly string[], victim: LabNode): Promise<void> {
  await eventually(
    `${fault.name}: another node answers for what ${victim.name} owned`,
    async () => {
      const owners = await lab.owners(200);
      return owners !== undefined && own.every(text => owners.get(text) !== victim);
    },
    { limitMs: 60_000, everyMs: 100, detail: () => lab.logs() },
  );
}

function phaseOf({ addresses, stepMaxMs }: ProbeReport, own: readonly string[]): Phase {
  const ours = addresses.filter(each => own.includes(each.address));
  const others = addresses.filter(each => !own.includes(each.address));
  const sum = (of: (each: (typeof addresses)[number]) => number) => addresses.reduce((all, each) => all + of(each), 0);
  return {
    gapMs: Math.max(0, ...ours.map(each => each.gapMs)),
    unanswered: ours.reduce((all, each) => all + each.unanswered, 0),
    othersGapMs: Math.max(0, ...others.map(each => each.gapMs)),
    dual: sum(each => each.dual),
    twice: sum(each => each.twice),
    repeated: sum(each => each.repeated),
    stepMaxMs,
  };
}

const columns = [
  ['datapath', 8],
  ['fault', 13],
  ['n', 3],
  ['gap p50', 8],
  ['gap max', 8],
  ['unanswered', 11],
  ['others max', 11],
  ['return p50', 11],
  ['return max', 11],
  ['dual', 5],
  ['dual return', 12],
  ['late', 5],
  ['moved', 6],
  ['step max', 9],
] as const;

/**
 * Milliseconds but for the counts. A gap lasts from one answered question to the next, and is as long as the client
 * stood still where none went unanswered: `step max`, the longest time between two questions.
 */
export function tableHead(): string {
  return `${columns.map(([name, width]) => name.padStart(width)).join(' ')}\n`;
}

export function tableRow(rounds: readonly Round[]): string {
  const [first] = rounds;
  if (first === undefined) return '';
  const gaps = rounds.map(each => each.during.gapMs);
  const returns = rounds.map(each => each.after.gapMs);
  const others = rounds.flatMap(each => [each.during.othersGapMs, each.after.othersGapMs]);
  const steps = rounds.flatMap(each => [each.during.stepMaxMs, each.after.stepMaxMs]);
  const dual = (phase: 'during' | 'after') => rounds.reduce((sum, each) => sum + each[phase].dual, 0);
  const ms = (value: number) => value.toFixed(0);
  const cells = [
    ...[first.datapath, first.fault, String(rounds.length), ms(median(gaps)), ms(Math.max(...gaps))],
    String(rounds.reduce((sum, each) => sum + each.during.unanswered + each.after.unanswered, 0)),
    ...[ms(Math.max(...others)), ms(median(returns)), ms(Math.max(...returns))],
    ...[String(dual('during')), String(dual('after'))],
    String(rounds.reduce((sum, each) => sum + each.during.twice + each.after.twice, 0)),
    ...[`${rounds.filter(each => each.moved + each.movedAfter > 0).length}/${rounds.length}`, ms(Math.max(...steps))],
  ];
  return `${columns.map(([, width], i) => (cells[i] ?? '').padStart(width)).join(' ')}\n`;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
}
