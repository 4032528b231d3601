/** What is measured, a function each. All sessions are external, all routes IPv4; all is accepted and passed on. */
import { setTimeout as delay } from 'node:timers/promises';
import { type Subject, type SubjectName, subjects } from './bench-bgp-daemons.ts';
import { hostAddress, type LoadSpec } from './bench-bgp-load.ts';
import { Run, type Setting } from './bench-bgp-run.ts';

/** A figure's name has its unit; see `figureNames` for the order. */
export type Figures = { readonly [name: string]: number };

export interface Case {
  readonly title: string;
  readonly quick: boolean;
  /** Undefined: the daemon has no way to do it. */
  run(name: SubjectName): Promise<Figures | undefined>;
}

export const cases: Readonly<Record<string, Case>> = {
  'ingest-100k': { title: '100k routes received and decided', quick: true, run: name => ingest(name, 100_000) },
  'ingest-1m': { title: '1M routes received and decided', quick: false, run: name => ingest(name, 1_000_000) },
  'propagate-100k': {
    title: '100k routes from one peer to another',
    quick: true,
    run: name => propagate(name, 100_000, 1),
  },
  'propagate-1m': {
    title: '1M routes from one peer to another',
    quick: false,
    run: name => propagate(name, 1_000_000, 1),
  },
  'propagate-100k-30': { title: '100k routes to 30 peers', quick: false, run: name => propagate(name, 100_000, 30) },
  'announce-100k': {
    title: '100k own prefixes to 2 peers, from exec',
    quick: true,
    run: name => announce(name, 100_000),
  },
  churn: { title: 'one change through a table of 100k', quick: true, run: churn },
  'sessions-100': { title: '100 sessions up, and held 5 s', quick: true, run: name => sessions(name, 100, 5000) },
  'sessions-1000': {
    title: '1,000 sessions up, and held 30 s',
    quick: false,
    run: name => sessions(name, 1000, 30_000),
  },
  'sessions-1000-1m': {
    title: '1,000 sessions held (keepalive 3 s, hold 9 s) while another peer says 1M routes',
    quick: false,
    run: name => busySessions(name, 1000, 1_000_000),
  },
};

async function ingest(name: SubjectName, prefixes: number): Promise<Figures> {
  return await within(name, { peers: 2 }, async run => {
    await run.ask({ kind: 'build', load: fullTable(run, prefixes) });
    run.start();
    await run.connect(0, 1);
    await run.quiet();
    const sent = await run.ask({ kind: 'send', peer: 0 });
    const atMs = await run.quiet();
    const usage = run.usage();
    // Whether it has them all is asked by another peer.
    await run.connect(1, 2);
    await run.ask({ kind: 'until', peers: [1], prefixes });
    return { 'time s': (atMs - sent.atMs) / 1000, ...resources(usage) };
  });
}

async function propagate(name: SubjectName, prefixes: number, sinks: number): Promise<Figures> {
  return await within(name, { peers: sinks + 1 }, async run => {
    const peers = Array.from({ length: sinks }, (_, i) => i + 1);
    await run.ask({ kind: 'build', load: fullTable(run, prefixes) });
    run.start();
    await run.connect(0, sinks + 1);
    await run.quiet();
    const sent = await run.ask({ kind: 'send', peer: 0 });
    const told = await run.ask({ kind: 'until', peers, prefixes });
    const closed = await run.ask({ kind: 'close', peer: 0 });
    const gone = await run.ask({ kind: 'until', peers, prefixes: 0 });
    return {
      'time s': (told.atMs - sent.atMs) / 1000,
      'withdrawn s': (gone.atMs - closed.atMs) / 1000,
      ...resources(run.usage()),
    };
  });
}

async function announce(name: SubjectName, prefixes: number): Promise<Figures | undefined> {
  if (!subjects[name].originates) return undefined;
  const networks = Array.from({ length: prefixes }, (_, i) => {
    const address = hostAddress(i);
    return `${[24, 16, 8, 0].map(shift => (address >>> shift) & 255).join('.')}/32`;
  });
  return await within(name, { peers: 2, networks }, async run => {
    run.start();
    await run.connect(0, 2);
    const told = await run.ask({ kind: 'until', peers: [0, 1], prefixes });
    return { 'time s': (told.atMs - run.startedMs) / 1000, ...resources(run.usage()) };
  });
}

async function churn(name: SubjectName): Promise<Figures> {
  return await within(name, { peers: 2 }, async run => {
    const prefixes = 100_000;
    const load = fullTable(run, prefixes);
    await run.ask({ kind: 'build', load });
    run.start();
    await run.connect(0, 2);
    await run.ask({ kind: 'send', peer: 0 });
    await run.ask({ kind: 'until', peers: [1], prefixes });
    await run.quiet();
    const before = run.usage().cpuMs;
    const { latenciesMs = [] } = await run.ask({ kind: 'churn', from: 0, to: 1, load });
    const sorted = latenciesMs.toSorted((a, b) => a - b);
    const at = (part: number) => sorted[Math.floor(part * (sorted.length - 1))] ?? Number.NaN;
    const usage = run.usage();
    return { 'p50 ms': at(0.5), 'p99 ms': at(0.99), ...resources({ ...usage, cpuMs: usage.cpuMs - before }) };
  });
}

async function sessions(name: SubjectName, peers: number, heldMs: number): Promise<Figures> {
  return await within(name, { peers, holdSeconds: 9, keepaliveSeconds: 3 }, async run => {
    run.start();
    // The first shows that it listens; it is up before the clock starts.
    const first = await run.connect(0, 1);
    const up = await run.connect(1, peers);
    const usage = run.usage();
    await delay(heldMs);
    const { standing = 0 } = await run.ask({ kind: 'standing' });
    const after = run.usage();
    return {
      'time s': (up.atMs - first.atMs) / 1000,
      'peak MiB': usage.peakMib,
      'CPU s': usage.cpuMs / 1000,
      'held CPU %': ((after.cpuMs - usage.cpuMs) / heldMs) * 100,
      dropped: peers - standing,
    };
  });
}

/** One more peer is told the routes, so that it shows when they have been decided; the others only have to be kept. */
async function busySessions(name: SubjectName, peers: number, prefixes: number): Promise<Figures | undefined> {
  const subject: Subject = subjects[name];
  if (!subject.keepsSilent) return undefined;
  const last = peers + 1;
  return await within(name, { peers: last + 1, holdSeconds: 9, keepaliveSeconds: 3, silent: true }, async run => {
    await run.ask({ kind: 'build', load: fullTable(run, prefixes) });
    run.start();
    await run.connect(0, last + 1);
    const before = run.usage();
    const sent = await run.ask({ kind: 'send', peer: 0 });
    const told = await run.ask({ kind: 'until', peers: [last], prefixes });
    const busy = run.usage();
    // Two hold times: who was not told in time is gone by then.
    await delay(18_000);
    const { standing = 0 } = await run.ask({ kind: 'standing' });
    return {
      'time s': (told.atMs - sent.atMs) / 1000,
      'before MiB': before.peakMib,
      'peak MiB': busy.peakMib,
      'CPU s': (busy.cpuMs - before.cpuMs) / 1000,
      dropped: last + 1 - standing,
    };
  });
}

/** Makes the run, and takes it away again whatever happens. */
async function within<T>(name: SubjectName, setting: Setting, measure: (run: Run) => Promise<T>): Promise<T> {
  const run = new Run(name, setting);
  try {
    return await measure(run);
  } finally {
    await run.close();
  }
}

function resources({ peakMib, cpuMs }: { readonly peakMib: number; readonly cpuMs: number }): Figures {
  return { 'peak MiB': peakMib, 'CPU s': cpuMs / 1000 };
}

function fullTable(run: Run, prefixes: number): LoadSpec {
  const [injector] = run.peers;
  if (injector === undefined) throw new Error('nobody says it');
  const nextHop = injector.address.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0);
  return { kind: 'full-table', prefixes, asn: injector.asn, nextHop };
}
