/**
 * The RIB by itself, without sockets: a synthetic full table is received, decided, told to one peer or thirty, withdrawn, and
 * changed one prefix at a time. Prints seconds of CPU and resident memory. `node scripts/bench-rib.ts [case]`; without a case, each in a process of its own.
 */
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, readSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Policy } from '../src/bgp/policy.ts';
import { Rib } from '../src/bgp/rib.ts';
import type { PeerView } from '../src/bgp/rib-view.ts';
import { IpAddress } from '../src/net/ip.ts';

const PULL_OCTETS = 65_536;
const READ_OCTETS = 65_536;
/** Says that this process is to write a load. */
const WRITE = '--write';

/** A small generator of its own, so that every run has the same table. */
function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
    const mixed = Math.imul(state ^ (state >>> 12), 0x297a2d39);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  };
}

/** UPDATE bodies in a row, each behind its length in two octets; withdrawals of all of it follow the announcements. */
interface Load {
  readonly file: string;
  /** Octets of the announcements. */
  readonly announced: number;
}

/** Twenty prefixes in each /16, most of them /24; one attribute set for 3 to 11 of them; sets in random order. */
function writeFullTable(file: string, prefixes: number): number {
  const rnd = random(7);
  const pick = (from: number, to: number) => from + Math.floor(rnd() * (to - from + 1));
  const bytes = new Uint8Array(prefixes * 26 + 65_536);
  let to = 0;
  const put = (...octets: number[]) => {
    for (const octet of octets) bytes[to++] = octet;
  };
  const word = (value: number) => put(value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);
  const close = (begin: number) => {
    bytes[begin - 2] = (to - begin) >>> 8;
    bytes[begin - 1] = (to - begin) & 255;
  };
  const nlri: number[][] = [];
  for (let block = 0; nlri.length < prefixes; block++) {
    const net = (1 << 24) + (block << 16);
    const seen = new Set<number>();
    for (let i = 0; i < 20 && nlri.length < prefixes; ) {
      const length = rnd() < 0.6 ? 24 : pick(16, 23);
      const address = (net | (pick(0, 255) << 8)) & (-1 << (32 - length));
      const key = (address ^ length) >>> 0;
      if (seen.has(key)) continue;
      seen.add(key);
      nlri.push([length, address]);
      i++;
    }
  }
  const sets: number[] = [];
  for (let at = 0; at < prefixes; ) {
    sets.push(at);
    at += pick(3, 11);
  }
  const order = sets.map((at, i) => ({ at, end: sets[i + 1] ?? prefixes }));
  for (let i = order.length - 1; i > 0; i--) {
    const j = pick(0, i);
    [order[i], order[j]] = [order[j] as (typeof order)[0], order[i] as (typeof order)[0]];
  }
  const prefix = ([length, address]: number[]) => {
    put(length as number);
    for (let bits = 0; bits < (length as number); bits += 8) put(((address as number) >>> (24 - bits)) & 255);
  };
  for (const { at, end } of order) {
    const begin = to + 2;
    put(0, 0, 0, 0, 0, 0);
    put(0x40, 1, 1, 0);
    const hops = pick(3, 6);
    put(0x40, 2, 2 + 4 * hops, 2, hops);
    word(65001);
    for (let i = 1; i < hops; i++) word(pick(1000, 400_000));
    put(0x40, 3, 4, 10, 0, 0, 2);
    if (rnd() < 0.2) {
      put(0x80, 4, 4);
      word(pick(0, 1000));
    }
    if (rnd() < 0.1) {
      put(0xc0, 7, 8);
      word(pick(1000, 60_000));
      word(pick(1, 1e9));
    }
    const communities = pick(0, 10);
    if (communities > 0) put(0xc0, 8, 4 * communities);
    for (let i = 0; i < communities; i++) word((pick(1000, 60_000) << 16) | pick(0, 5000));
    if (rnd() < 0.1) {
      put(0xc0, 32, 12);
      for (let i = 0; i < 3; i++) word(pick(1, 1e6));
    }
    const length = to - begin - 4;
    bytes[begin + 2] = length >>> 8;
    bytes[begin + 3] = length & 255;
    for (let i = at; i < end; i++) prefix(nlri[i] as number[]);
    close(begin);
  }
  const announced = to;
  const all = order.flatMap(({ at, end }) => nlri.slice(at, end));
  for (let i = 0; i < all.length; i += 900) {
    const begin = to + 2;
    put(0, 0, 0, 0);
    for (const each of all.slice(i, i + 900)) prefix(each);
    const length = to - begin - 2;
    bytes[begin] = length >>> 8;
    bytes[begin + 1] = length & 255;
    put(0, 0);
    close(begin);
  }
  writeFileSync(file, bytes.subarray(0, to));
  return announced;
}

function view(index: number): PeerView {
  const address = (text: string) => IpAddress.parse(text) as IpAddress;
  return {
    key: `peer${index}`,
    kind: 'external',
    asn: 65001 + index,
    localAsn: 65000,
    routerId: 0x0a630002 + index,
    remoteAddress: address(`10.99.1.${index + 1}`),
    localAddress: address('10.99.0.1'),
    families: ['ipv4-unicast'],
    fourOctetAs: true,
    extendedMessages: false,
    extendedNextHop: [],
    enhancedRefresh: false,
    endOfRib: ['ipv4-unicast'],
    nextHop: 'default',
    enforceFirstAs: true,
    allowOwnAs: 0,
    gracefulShutdown: false,
    import: Policy.all,
    export: Policy.all,
  };
}

function resident(): string {
  const status = readFileSync('/proc/self/status', 'utf8');
  const kib = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? 0);
  return `${Math.round(kib('VmRSS') / 1024)} MiB resident, ${Math.round(kib('VmHWM') / 1024)} at most`;
}

/** Runs `work` and prints the CPU it took. */
function timed<T>(name: string, work: () => T): T {
  const before = process.cpuUsage();
  const start = performance.now();
  const result = work();
  const { user, system } = process.cpuUsage(before);
  const wall = (performance.now() - start) / 1000;
  console.log(`${name.padEnd(28)} ${wall.toFixed(3)} s, CPU ${((user + system) / 1e6).toFixed(3)} s, ${resident()}`);
  return result;
}

const out = new Uint8Array(PULL_OCTETS);

function drain(rib: Rib, sinks: number): number {
  let octets = 0;
  for (let slot = 0; slot <= sinks; slot++)
    while (rib.hasOutput(slot)) {
      const length = rib.pull(slot, out, 0);
      if (length === 0) break;
      octets += length;
    }
  return octets;
}

/** The load is read as from a socket, 64 KiB at a time, and sinks are served after each read. */
function feed(rib: Rib, load: Load, part: 'announce' | 'withdraw', sinks: number): number {
  const file = openSync(load.file, 'r');
  const end = part === 'announce' ? load.announced : statSync(load.file).size;
  let at = part === 'announce' ? 0 : load.announced;
  const buffer = new Uint8Array(2 * READ_OCTETS);
  let [octets, have] = [0, 0];
  while (at < end) {
    const length = readSync(file, buffer, have, Math.min(READ_OCTETS, end - at), at);
    at += length;
    have += length;
    let used = 0;
    for (;;) {
      const body = ((buffer[used] as number) << 8) | (buffer[used + 1] as number);
      if (have - used < 2 || have - used < 2 + body) break;
      rib.receiveUpdate(0, buffer, used + 2, used + 2 + body);
      used += 2 + body;
    }
    buffer.copyWithin(0, used, have);
    have -= used;
    octets += drain(rib, sinks);
  }
  closeSync(file);
  return octets;
}

function started(sinks: number): Rib {
  const rib = new Rib({ asn: 65000, routerId: 1, hashSeed: 12345 });
  for (let slot = 0; slot <= sinks; slot++) rib.peerUp(slot, view(slot));
  drain(rib, sinks);
  return rib;
}

function table(prefixes: number, sinks: number, name: string): void {
  const load = makeLoad(prefixes);
  const rib = started(sinks);
  const octets = timed(name, () => feed(rib, load, 'announce', sinks));
  console.log(`  ${rib.counts('ipv4-unicast').locRib} of ${prefixes} prefixes, ${octets} octets out`);
  timed('  withdraw', () => feed(rib, load, 'withdraw', sinks));
  if (rib.counts('ipv4-unicast').paths !== 0) throw new Error('routes are left');
}

function churn(): void {
  const load = makeLoad(100_000);
  const rib = started(1);
  feed(rib, load, 'announce', 1);
  const bytes = readFileSync(load.file);
  const body = bytes.slice(2, 2 + bytes.readUInt16BE(0));
  const times: number[] = [];
  for (let i = 0; i < 20_000; i++) {
    body[body.length - 1] = i & 255;
    const start = performance.now();
    rib.receiveUpdate(0, body, 0, body.length);
    drain(rib, 1);
    times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  const at = (share: number) => `${((times[Math.floor(times.length * share)] as number) * 1000).toFixed(1)} µs`;
  console.log(`one change in 100k: p50 ${at(0.5)}, p99 ${at(0.99)}, p99.9 ${at(0.999)}`);
}

/** Made in a process of its own, so that making it does not count. */
function makeLoad(prefixes: number): Load {
  const file = join(folder, `${prefixes}`);
  const announced = execFileSync(process.execPath, [import.meta.filename, WRITE, file, `${prefixes}`]);
  return { file, announced: Number(announced.toString()) };
}

const cases: Record<string, () => void> = {
  'ingest-1m': () => table(1_000_000, 0, 'ingest 1M'),
  'prop-1m-1': () => table(1_000_000, 1, 'propagate 1M to 1'),
  'prop-100k-30': () => table(100_000, 30, 'propagate 100k to 30'),
  churn,
};

const [first, ...rest] = process.argv.slice(2);
let folder = '';
if (first === WRITE) process.stdout.write(`${writeFullTable(rest[0] ?? '', Number(rest[1]))}`);
else if (first !== undefined) {
  folder = mkdtempSync(join(tmpdir(), 'bench-rib-'));
  try {
    cases[first]?.();
  } finally {
    rmSync(folder, { recursive: true });
  }
} else
  for (const name of Object.keys(cases))
    execFileSync(process.execPath, [import.meta.filename, name], { stdio: 'inherit' });
