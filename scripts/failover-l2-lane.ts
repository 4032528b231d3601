/**
 * A process with one lab at a time, so that labs do not wait for each other: takes jobs as messages, one after another,
 * and sends back what was seen. The lab stays for the next job if that wants one of the same kind.
 */
import { faults } from './failover-l2-faults.ts';
import type { Lab, LabOptions } from './failover-l2-lab.ts';
import { type Round, startLab, tryFault } from './failover-l2-rounds.ts';

export interface LaneJob {
  readonly datapath: LabOptions['datapath'];
  /** Its name. */
  readonly fault: string;
  readonly rounds: number;
  readonly longMs: number;
  /** Between two questions. */
  readonly everyMs: number;
  readonly nice: number;
}

export interface LaneResult {
  readonly rounds: readonly Round[];
  /** Why there are no more. */
  readonly failure?: string;
}

/** Jobs of the same kind can be done in one lab. */
export function labKind({ datapath, fault }: Pick<LaneJob, 'datapath' | 'fault'>): string {
  return [datapath, ...(faults.find(each => each.name === fault)?.words ?? [])].join(' ');
}

let lab: Lab | undefined;
let kind = '';

async function closeLab(): Promise<void> {
  const closing = lab;
  lab = undefined;
  await closing?.close();
}

async function work(job: LaneJob): Promise<LaneResult> {
  const rounds: Round[] = [];
  const fault = faults.find(each => each.name === job.fault);
  try {
    if (fault === undefined) throw new Error(`there is no fault ${job.fault}`);
    if (labKind(job) !== kind) await closeLab();
    kind = labKind(job);
    const { datapath, everyMs, nice } = job;
    lab ??= await startLab({ datapath, everyMs, nice, words: fault.words ?? [] });
    for (let n = 0; n < job.rounds; n++) rounds.push(await tryFault(lab, fault, job.longMs));
    return { rounds };
  } catch (error) {
    await closeLab();
    return { rounds, failure: error instanceof Error ? error.message : String(error) };
  }
}

if (process.send !== undefined) {
  process.on('message', (job: LaneJob) => void work(job).then(result => process.send?.(result)));
  process.once('disconnect', () => void closeLab().finally(() => process.exit(0)));
}
