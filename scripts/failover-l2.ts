/**
 * `npm run failover:l2 -- [--rounds N] [--faults stop,kill,…] [--datapath socket|ebpf] [--long SECONDS] [--labs N]
 * [--every MS] [--nice N]`: three nodes on a bridge, a client that asks for every address every 5 ms, every fault again
 * and again; how long nobody answered, and whether ever two did. Most of the time is waiting, so several labs can be at
 * it side by side, each in namespaces of its own: one takes a fifth of a core. Needs root, for network namespaces.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { namespacesMissing } from '../test/support/netns.ts';
import { faults } from './failover-l2-faults.ts';
import type { LabOptions } from './failover-l2-lab.ts';
import { type LaneJob, type LaneResult, labKind } from './failover-l2-lane.ts';
import { type Round, tableHead, tableRow } from './failover-l2-rounds.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '20' },
    faults: { type: 'string', default: faults.map(fault => fault.name).join(',') },
    datapath: { type: 'string', default: 'socket,ebpf' },
    long: { type: 'string', default: '60' },
    labs: { type: 'string', default: '1' },
    every: { type: 'string', default: '5' },
    nice: { type: 'string', default: '0' },
  },
});
/** Of one fault, in one job, where several labs share them. */
const roundsAtOnce = 5;
/** Between the first labs' beginnings: starting one takes more of the machine than having it. */
const startApartMs = 4000;

const missing = namespacesMissing();
if (missing !== undefined) {
  process.stderr.write(`failover:l2: ${missing}\n`);
  process.exit(1);
}
const names = values.faults.split(',');
const unknown = names.find(name => !faults.some(fault => fault.name === name));
if (unknown !== undefined) throw new Error(`there is no fault ${unknown}; there are ${faults.map(each => each.name)}`);

const labs = Number(values.labs);
const rounds = Number(values.rounds);
const longMs = Number(values.long) * 1000;
const nice = Number(values.nice);
const everyMs = Number(values.every);

/** The longest first, so that all labs end at about the same time; one lab goes through the table in its order. */
function makeJobs(): LaneJob[] {
  const datapaths = values.datapath.split(',') as LabOptions['datapath'][];
  const wanted = faults.filter(fault => names.includes(fault.name));
  const all = wanted.flatMap(fault => datapaths.map(datapath => ({ fault: fault.name, datapath })));
  const lastsMs = ({ fault }: { fault: string }) =>
    faults.find(each => each.name === fault)?.lastsMs === 'long' ? longMs : 0;
  if (labs > 1) all.sort((a, b) => lastsMs(b) - lastsMs(a));
  else all.sort((a, b) => datapaths.indexOf(a.datapath) - datapaths.indexOf(b.datapath));
  const step = labs > 1 ? roundsAtOnce : rounds;
  return all.flatMap(each =>
    Array.from({ length: Math.ceil(rounds / step) }, (_, i) => {
      return { ...each, rounds: Math.min(step, rounds - i * step), longMs, everyMs, nice };
    }),
  );
}

const jobs = makeJobs();
const results = new Map<string, Round[]>();
let isClean = true;

function take(kind: string): LaneJob | undefined {
  const same = jobs.findIndex(job => labKind(job) === kind);
  return jobs.splice(Math.max(same, 0), 1)[0];
}

function record({ datapath, fault }: LaneJob, { rounds: seen, failure }: LaneResult): void {
  const name = `${datapath} ${fault}`;
  const all = [...(results.get(name) ?? []), ...seen];
  results.set(name, all);
  isClean &&= failure === undefined && seen.every(({ during, after }) => during.dual + after.dual === 0);
  if (failure !== undefined) process.stderr.write(`${name}: ${failure}\n`);
  const rest = jobs.some(job => job.datapath === datapath && job.fault === fault);
  if (!rest && (underWay.get(name) ?? 0) === 0) process.stdout.write(tableRow(all));
}

/** Jobs that are being done. */
const underWay = new Map<string, number>();

async function lane(child: ChildProcess): Promise<void> {
  let kind = '';
  const ended = once(child, 'exit');
  const cutShort = ended.then((): [LaneResult] => [{ rounds: [], failure: 'the lab ended' }]);
  for (let job = take(kind); job !== undefined; job = take(kind)) {
    kind = labKind(job);
    const name = `${job.datapath} ${job.fault}`;
    underWay.set(name, (underWay.get(name) ?? 0) + 1);
    child.send(job);
    const [result] = await Promise.race([once(child, 'message') as Promise<[LaneResult]>, cutShort]);
    underWay.set(name, (underWay.get(name) ?? 1) - 1);
    record(job, result);
    if (!child.connected) return;
  }
  child.disconnect();
  await ended;
}

process.stdout.write(tableHead());
const lanes = Array.from({ length: labs }, async (_, i) => {
  if (i > 0) await new Promise(resolve => setTimeout(resolve, i * startApartMs));
  await lane(fork(new URL('failover-l2-lane.ts', import.meta.url)));
});
await Promise.all(lanes);
process.exitCode = isClean ? 0 : 1;
