/**
 * `npm run bench:l2`: how fast a question is answered by the kernel for an address of its own, by the thread with
 * packet sockets, and by the program inside the kernel; all three in turn over veth pairs between two namespaces:
 * questions far apart, in bursts, and in bursts while the responder's main thread is stalled; and how many answers a
 * second each gives. Needs root. Ends with 1 when a target is missed. `--quick`: a few seconds, targets only printed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { loadLibc } from '../src/linux/libc.ts';
import { arpFrame, neighborFrame } from '../test/support/l2-frames.ts';
import { type Namespace, Net, namespacesMissing } from '../test/support/netns.ts';
import { within } from '../test/support/within-namespace.ts';
import { type Latency, latencyOf, Prober, type Question } from './bench-l2-prober.ts';

const isQuick = process.argv.includes('--quick');
const rounds = isQuick ? 3 : 15;
const samples = isQuick ? 300 : 500;
/** Between an answer and the next question: `alone` is time enough for a thread to fall asleep and its core with it. */
const states = {
  alone: { tell: 'rest', pauseMs: 0.3 },
  burst: { tell: 'rest', pauseMs: 0.02 },
  stall: { tell: 'stall', pauseMs: 0.02 },
} as const;
type State = keyof typeof states;
/** The prober goes ahead of everything else; what else runs here has its time between. */
const breathMs = 40;
const floodMs = isQuick ? 300 : 1500;
/** Of 5 ms each, before a round is made all the same. */
const quietTriesMax = isQuick ? 50 : 400;
/** Questions before anything is timed: the answerer's code is compiled by then. */
const warmUp = isQuick ? 2000 : 10_000;

const targets = { kernelRatioMax: 3, stalledRatioMax: 3, answersMin: 100_000 };

const allAnswerers = ['kernel', 'socket', 'in-kernel'] as const;
let answerers: readonly (typeof allAnswerers)[number][] = allAnswerers;
const forms = ['ARP', 'NS'] as const;
type Form = (typeof forms)[number];

/** One veth pair with a prober before it: what the kernel answers behind it, and what a responder there would. */
interface Ends {
  readonly probers: Readonly<Record<Form, Prober>>;
  readonly own: Readonly<Record<Form, Question>>;
  readonly vip: Readonly<Record<Form, Question>>;
  /** Of the end behind: its MAC, and the addresses of `vip`. */
  readonly mac: string;
  readonly addresses: readonly string[];
}

const missing = namespacesMissing();
if (missing !== undefined) throw new Error(`bench:l2 ${missing}`);
const libc = await loadLibc();
const net = new Net();
const directory = mkdtempSync(`${tmpdir()}/herald-bench-l2-`);
try {
  await run();
} finally {
  net.close();
  rmSync(directory, { recursive: true, force: true });
}

async function run(): Promise<void> {
  const [node, asker] = [net.namespace('node'), net.namespace('asker')];
  const bySocket = await begin(node, asker, 'eth0', 1, 'socket');
  const inKernel = await begin(node, asker, 'eth1', 2, 'ebpf').catch((error: Error) => {
    console.log(`in-kernel: ${error.message}`);
    answerers = ['kernel', 'socket'];
    return bySocket;
  });
  // A link that no socket listens on: waking one would be in the kernel's time.
  const kernel = connect(node, asker, 'eth2', 3);
  const children = new Set([bySocket.child, inKernel.child]);
  const ways = {
    kernel: { bench: kernel, question: kernel.own },
    socket: { bench: bySocket, question: bySocket.vip },
    'in-kernel': { bench: inKernel, question: inKernel.vip },
  } as const;
  const took = new Map<string, Float64Array[]>();
  for (const form of forms)
    for (const way of answerers) ways[way].bench.probers[form].ask(ways[way].question[form], warmUp / 2, 0);
  for (const form of forms)
    for (const way of answerers) ways[way].bench.probers[form].flood(ways[way].question[form], 300);
  for (const state of Object.keys(states) as State[]) {
    for (const child of children) await tell(child, states[state].tell);
    for (let round = 0; round < rounds; round++)
      for (const form of forms)
        for (const way of answerers) {
          const { bench, question } = ways[way];
          const key = `${form} ${way} ${state}`;
          if (state !== 'stall') await quiet();
          took.set(key, [
            ...(took.get(key) ?? []),
            bench.probers[form].ask(question[form], samples, states[state].pauseMs),
          ]);
          await delay(breathMs);
        }
  }
  for (const child of children) await tell(child, 'rest');
  await delay(300);
  const rates = new Map<string, { readonly perSecond: number; readonly lostShare: number }>();
  for (const form of forms)
    for (const way of answerers)
      rates.set(`${form} ${way}`, ways[way].bench.probers[form].flood(ways[way].question[form], floodMs));
  for (const child of children) {
    child.send('end');
    await once(child, 'exit');
  }
  report(key => latencyOf(took.get(key) ?? []), rates);
}

async function begin(node: Namespace, asker: Namespace, link: string, subnet: number, datapath: 'socket' | 'ebpf') {
  const ends = connect(node, asker, link, subnet);
  const script = fileURLToPath(new URL('./bench-l2-responder.ts', import.meta.url));
  const words = [script, link, ends.mac, datapath, directory, ...ends.addresses];
  const [command = '', ...rest] = node.inside(process.execPath, ...words);
  const child = spawn(command, rest, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  await answered(child, 'ready');
  return { ...ends, child };
}

function connect(node: Namespace, asker: Namespace, link: string, subnet: number): Ends {
  const v4 = (host: number) => `10.99.${subnet}.${host}`;
  const v6 = (host: number) => `fd99:${subnet}::${host}`;
  net.link(
    { in: node, link, addresses: [`${v4(1)}/24`, `${v6(1)}/64`] },
    { in: asker, link, addresses: [`${v4(2)}/24`, `${v6(2)}/64`] },
  );
  const mac = macOf(asker, link);
  const arp = (host: number): Question => ({
    frame: arpFrame({ from: mac, senderIp: v4(2), targetIp: v4(host) }),
    isAnswer: frame => frame[21] === 2 && frame[31] === host,
  });
  const ns = (host: number): Question => ({
    frame: neighborFrame({ from: mac, source: v6(2), target: v6(host) }),
    isAnswer: frame => frame[54] === 136 && frame[77] === Number.parseInt(String(host), 16),
  });
  const probers = within(asker, () => {
    const index = libc.ifNameToIndex(link);
    return { ARP: new Prober(libc, index, 'arp'), NS: new Prober(libc, index, 'neighbor') };
  });
  return {
    probers,
    own: { ARP: arp(1), NS: ns(1) },
    vip: { ARP: arp(99), NS: ns(99) },
    mac: macOf(node, link),
    addresses: [v4(99), v6(99)],
  };
}

/** Waits for a moment in which nothing else wants to run here; not for ever. */
async function quiet(): Promise<void> {
  const running = () => Number(/^procs_running (\d+)$/m.exec(readFileSync('/proc/stat', 'latin1'))?.[1]);
  for (let [tries, calm] = [0, 0]; tries < quietTriesMax && calm < 4; tries++) {
    await delay(5);
    calm = running() <= 1 ? calm + 1 : 0;
  }
}

function macOf(namespace: Namespace, link: string): string {
  return /link\/ether (\S+)/.exec(namespace.ip('link', 'show', 'dev', link))?.[1] ?? '';
}

async function tell(child: ChildProcess, what: 'rest' | 'stall'): Promise<void> {
  child.send(what);
  await answered(child, what);
}

/** Rejects when it says something else: why it cannot. */
async function answered(child: ChildProcess, what: string): Promise<void> {
  const [told] = await Promise.race([once(child, 'message'), once(child, 'exit')]);
  if (told !== what) throw new Error(typeof told === 'string' ? told : `the responder ended with ${told}`);
}

function report(
  latency: (key: string) => Latency,
  rates: ReadonlyMap<string, { readonly perSecond: number; readonly lostShare: number }>,
): void {
  const us = (value: number) => value.toFixed(1);
  const line = (cells: readonly string[]) =>
    console.log(cells.map((cell, i) => (i === 0 ? cell.padEnd(14) : cell.padStart(10))).join(''));
  const heads = Object.keys(states).flatMap(state => [`${state} p50`, 'p99', 'max', 'lost']);
  line(['', ...heads, 'answers/s', 'lost %']);
  for (const form of forms)
    for (const way of answerers) {
      const measured = Object.keys(states).map(state => latency(`${form} ${way} ${state}`));
      const rate = rates.get(`${form} ${way}`);
      line([
        `${form} ${way}`,
        ...measured.flatMap(({ p50Us, p99Us, maxUs, lost }) => [us(p50Us), us(p99Us), us(maxUs), String(lost)]),
        String(Math.round(rate?.perSecond ?? 0)),
        ((rate?.lostShare ?? 0) * 100).toFixed(1),
      ]);
    }
  console.log(`latency in us, ${rounds} rounds of ${samples} questions`);
  console.log(
    `alone: ${states.alone.pauseMs} ms apart, with the waking of the thread; burst: ${states.burst.pauseMs} ms`,
  );
  console.log(`stall: a burst while the responder's main thread stalls; load average ${loadavg()[0]?.toFixed(1)}`);
  const kernel = latency('ARP kernel burst').p50Us;
  const burst = latency('ARP socket burst');
  const stalled = latency('ARP socket stall');
  judge('socket p50 / kernel p50, ARP, burst', burst.p50Us / kernel, '<=', targets.kernelRatioMax);
  const inKernel = latency('ARP in-kernel burst').p50Us;
  judge('in-kernel p50 / kernel p50, ARP, burst', inKernel / kernel, '<=', targets.kernelRatioMax);
  judge('socket p99, stalled / not, ARP', stalled.p99Us / burst.p99Us, '<=', targets.stalledRatioMax);
  judge('socket answers/s, ARP', rates.get('ARP socket')?.perSecond ?? 0, '>=', targets.answersMin);
}

function judge(what: string, value: number, how: '<=' | '>=', target: number): void {
  const isMet = how === '<=' ? value <= target : value >= target;
  const shown = value >= 1000 ? Math.round(value) : value.toFixed(2);
  console.log(`${isMet ? 'met   ' : 'MISSED'} ${what}: ${shown} (${how} ${target})`);
  if (!isMet && !isQuick) process.exitCode = 1;
}
