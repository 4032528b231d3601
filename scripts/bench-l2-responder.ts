/**
 * The responder under measurement, in a process of its own:
 * bench-l2-responder.ts LINK MAC socket|ebpf DIRECTORY ADDRESS…
 * It says `ready` when it answers, `unavailable: …` when it cannot. Told `stall`, its main thread does nothing for 200
 * of every 205 ms, until told `rest`.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { loadLibc } from '../src/linux/libc.ts';
import { NdResponder } from '../src/linux/nd-responder.ts';
import { TcxUnavailable } from '../src/linux/tcx.ts';
import { IpAddress } from '../src/net/ip.ts';
import { Mac } from '../src/net/mac.ts';

const STALL_MS = 200;
const BREATH_MS = 5;
const LEASE_MS = 600_000;

const [name = '', macText = '', datapath, directory = '', ...addresses] = process.argv.slice(2);
const libc = await loadLibc();
const index = libc.ifNameToIndex(name);
const mac = Mac.parse(macText);
if (mac === undefined || (datapath !== 'socket' && datapath !== 'ebpf')) throw new Error('usage: see above');

const responder = await open(datapath).catch((error: unknown) => {
  if (!(error instanceof TcxUnavailable)) throw error;
  process.send?.(`unavailable: ${error.message}`);
  process.exit();
});
responder.links([{ name, index, mac }]);
responder.own(
  addresses.map(text => {
    const address = IpAddress.parse(text);
    if (address === undefined) throw new Error(text);
    return { link: index, address, mode: 'session' };
  }),
);
responder.deadlines({ sessionMs: libc.boottimeMs() + LEASE_MS, holdMs: 0 });

function open(choice: 'socket' | 'ebpf'): Promise<NdResponder> {
  const places = { host: `${directory}/none`, own: directory, name: 'bench' };
  return NdResponder.open({ datapath: choice, places }, { heard: () => {}, changed: () => {} });
}

let isStalling = false;
process.on('message', async told => {
  if (told === 'end') {
    await responder.close({ keep: false });
    process.exit();
  }
  const was = isStalling;
  isStalling = told === 'stall';
  process.send?.(told);
  while (isStalling && !was) {
    for (const endMs = performance.now() + STALL_MS; performance.now() < endMs; );
    await delay(BREATH_MS);
  }
});
process.on('disconnect', () => process.exit());
process.send?.('ready');
