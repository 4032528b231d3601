/**
 * A process that writes to a journal until it is killed: `node journal-writer.ts DIR ID`. Every transaction counts up a
 * key of its own and one that all share. A number on standard output says that this many are confirmed.
 */
import { writeSync } from 'node:fs';
import { Journal } from '../../src/directory/journal.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { recordingLog } from '../support/recording-log.ts';

const [, , dir = '', id = ''] = process.argv;
interface Counter {
  readonly n: number;
  readonly ballast: string;
}
const isValue = (value: unknown): value is Counter => typeof value === 'object' && value !== null && 'n' in value;
// Rewritten all the time, so that kills hit that too.
const journal = new Journal<Counter>({
  dir,
  clock: systemClock,
  log: recordingLog(),
  isValue,
  compactMinBytes: 20_000,
});
await journal.open();
const ballast = 'x'.repeat(500);
for (;;) {
  const n = await journal.transact(transaction => {
    const next = (transaction.get(id)?.value.n ?? 0) + 1;
    transaction.set(id, { n: next, ballast });
    transaction.set('all', { n: (transaction.get('all')?.value.n ?? 0) + 1, ballast });
    return next;
  });
  writeSync(1, `${n}\n`);
}
