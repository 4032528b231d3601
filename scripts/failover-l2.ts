/**
 * `npm run failover:l2 -- [--rounds N] [--faults stop,kill,…] [--datapath socket|ebpf] [--long SECONDS]
 * [--nice N]`: three nodes on
 * a bridge, a client that asks for every address every 5 ms, every fault again and again; how long nobody answered, and
 * whether ever two did. Needs root, for network namespaces.
 */
import { parseArgs } from 'node:util';
import { namespacesMissing } from '../test/support/netns.ts';
import { faults } from './failover-l2-faults.ts';
import type { LabOptions } from './failover-l2-lab.ts';
import { type Round, startLab, tableHead, tableRow, tryFault } from './failover-l2-rounds.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '20' },
    faults: { type: 'string', default: faults.map(fault => fault.name).join(',') },
    datapath: { type: 'string', default: 'socket,ebpf' },
    long: { type: 'string', default: '60' },
    nice: { type: 'string', default: '0' },
  },
});
const missing = namespacesMissing();
if (missing !== undefined) {
  process.stderr.write(`failover:l2: ${missing}\n`);
  process.exit(1);
}
const names = values.faults.split(',');
const unknown = names.find(name => !faults.some(fault => fault.name === name));
if (unknown !== undefined) throw new Error(`there is no fault ${unknown}; there are ${faults.map(each => each.name)}`);

let dual = 0;
process.stdout.write(tableHead());
for (const datapath of values.datapath.split(',') as LabOptions['datapath'][]) {
  const chosen = faults.filter(fault => names.includes(fault.name));
  for (const [words, group] of Map.groupBy(chosen, fault => (fault.words ?? []).join(' '))) {
    const lab = await startLab({ datapath, nice: Number(values.nice), words: words === '' ? [] : words.split(' ') });
    try {
      for (const fault of group) {
        const rounds: Round[] = [];
        for (let n = 0; n < Number(values.rounds); n++)
          rounds.push(await tryFault(lab, fault, Number(values.long) * 1000));
        dual += rounds.reduce((sum, each) => sum + each.during.dual + each.after.dual, 0);
        process.stdout.write(tableRow(rounds));
      }
    } finally {
      await lab.close();
    }
  }
}
process.exitCode = dual === 0 ? 0 : 1;
