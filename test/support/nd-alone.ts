/**
 * Parts of the responder in a process of their own, in whichever namespace and with whichever rights that was started:
 * nd-alone.ts groups INDEX COUNT | contradictions INDEX MAC ADDRESS… | end exit|throw|nothing|close
 */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { loadLibc } from '../../src/linux/libc.ts';
import { NdResponder } from '../../src/linux/nd-responder.ts';
import { SolicitedGroups } from '../../src/linux/solicited-groups.ts';
import { IpAddress } from '../../src/net/ip.ts';
import { Mac } from '../../src/net/mac.ts';

const [what = '', ...rest] = process.argv.slice(2);
await run(what, rest);

async function run(command: string, words: readonly string[]): Promise<void> {
  if (command === 'groups') return joinGroups(Number(words[0]), Number(words[1]));
  const places = { host: '/nonexistent', own: '/nonexistent', name: 'alone' };
  const responder = await NdResponder.open({ datapath: 'socket', places }, { heard: () => {}, changed: () => {} });
  if (command === 'contradictions') {
    const [index, mac, ...addresses] = [Number(words[0]), Mac.parse(words[1] ?? ''), ...words.slice(2)];
    if (mac === undefined) throw new Error('no MAC');
    responder.links([{ name: 'eth0', index, mac }]);
    responder.own(
      addresses
        .map(text => IpAddress.parse(text))
        .filter(address => address !== undefined)
        .map(address => ({ link: index, address, mode: 'session' as const })),
    );
    process.stdout.write(JSON.stringify(responder.status().contradictions));
    return responder.close({ keep: false });
  }
  // The thread waits in the kernel by now.
  await delay(100);
  if (words[0] === 'exit') process.exit(3);
  if (words[0] === 'throw') throw new Error('nobody catches this');
  if (words[0] === 'close') await responder.close({ keep: false });
}

/** Prints how many groups were joined, and what was wrong. */
async function joinGroups(link: number, count: number): Promise<void> {
  const groups = new SolicitedGroups(await loadLibc());
  const first = IpAddress.parse('ff02::1:ff01:0')?.value ?? 0n;
  const all = Array.from({ length: count }, (_, i) => ({ link, group: IpAddress.of('ipv6', first + BigInt(i)) }));
  groups.set(all);
  const joined = () => readFileSync('/proc/net/igmp6', 'latin1').match(/ff0200000000000000000001ff01/g)?.length ?? 0;
  while (joined() < count && groups.problems.size === 0) await delay(50);
  process.stdout.write([joined(), ...groups.problems.values()].join(' '));
  groups.close();
}
