/**
 * The RIB by itself, without sockets: a synthetic full table is received, decided, told to one peer or thirty,
 * withdrawn, and changed one prefix at a time. Prints seconds of CPU and resident memory. `node scripts/bench-rib.ts
 * [case]`; without a case, each in a process of its own.
 */
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, readSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Policy } from '../src/bgp/policy.ts';
import { Rib } from '../src/bgp/rib.ts';
import type { PeerView } from '../src/bgp/rib-view.ts';
import { Writer } from '../src/net/bytes.ts';
import { IpAddress } from '../src/net/ip.ts';

const PULL_OCTETS = 65_536;
const READ_OCTETS = 65_536;
/** Says that this process is to write a load. */
const WRITE = '--write';

/**
 * A small generator of its own, so that every run has the same table: whole numbers between two others, both
 * included.
 */
function generator(seed: number): (from: number, to: number) => number {
  let state = seed >>> 0;
  return (from, to) => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
    const mixed = Math.imul(state ^ (state >>> 12), 0x297a2d39);
    return from + Math.floor((((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32) * (to - from + 1));
  };
}

type Pick = ReturnType<typeof generator>;

/** UPDATE bodies in a row, each behind its length in two octets; withdrawals of all of it follow the announcements. */
interface Load {
  readonly file: string;
  /** Octets of the announcements. */
  readonly announced: number;
}

interface Ipv4Prefix {
  readonly length: number;
  readonly address: number;
}

/** Twenty in each /16, most of them /24. */
function somePrefixes(count: number, pick: Pick): Ipv4Prefix[] {
  const all: Ipv4Prefix[] = [];
  for (let net = 1 << 24; all.length < count; net += 1 << 16) {
    const block = new Map<string, Ipv4Prefix>();
    while (block.size < 20) {
      const length = pick(1, 10) <= 6 ? 24 : pick(16, 23);
      const address = (net | (pick(0, 255) << 8)) & (-1 << (32 - length));
      block.set(`${address}/${length}`, { address, length });
    }
    all.push(...block.values());
  }
  return all.slice(0, count);
}

/** Groups of 3 to 11, in random order. */
function shuffledGroups<T>(all: readonly T[], pick: Pick): T[][] {
  const groups: T[][] = [];
  for (let at = 0; at < all.length; at += groups.at(-1)?.length ?? 1) groups.push(all.slice(at, at + pick(3, 11)));
  for (let i = groups.length - 1; i > 0; i--) {
    const j = pick(0, i);
    [groups[i], groups[j]] = [groups[j] as T[], groups[i] as T[]];
  }
  return groups;
}

function someAttributes(to: Writer, pick: Pick): void {
  const hops = pick(3, 6);
  to.u24(0x400101)
    .u8(0)
    .u24(0x400200 + 2 + 4 * hops)
    .u8(2)
    .u8(hops)
    .u32(65001);
  for (let i = 1; i < hops; i++) to.u32(pick(1000, 400_000));
  to.u24(0x400304).u32(0x0a000002);
  if (pick(1, 5) === 1) to.u24(0x800404).u32(pick(0, 1000));
  if (pick(1, 10) === 1) to.u24(0xc00708).u32(pick(1000, 60_000)).u32(pick(1, 1e9));
  const communities = pick(0, 10);
  if (communities > 0) to.u24(0xc00800 + 4 * communities);
  for (let i = 0; i < communities; i++) to.u16(pick(1000, 60_000)).u16(pick(0, 5000));
  if (pick(1, 10) === 1) to.u24(0xc0200c).u32(pick(1, 1e6)).u32(pick(1, 1e6)).u32(pick(1, 1e6));
}

function putPrefixes(to: Writer, prefixes: readonly Ipv4Prefix[]): void {
  for (const { length, address } of prefixes) {
    to.u8(length);
    for (let bits = 0; bits < length; bits += 8) to.u8((address >>> (24 - bits)) & 255);
  }
}

/** Writes a table as `Load` describes it; returns the octets of the announcements. */
function writeFullTable(file: string, count: number): number {
  const pick = generator(7);
  const out = new Writer(count * 24);
  const groups = shuffledGroups(somePrefixes(count, pick), pick);
  const body = (fill: (at: number) => void) => {
    const at = out.length + 2;
    out.u16(0);
    fill(at);
    out.patchU16(at - 2, out.length - at);
  };
  for (const group of groups)
    body(at => {
      out.u32(0);
      someAttributes(out, pick);
      out.patchU16(at + 2, out.length - at - 4);
      putPrefixes(out, group);
    });
  const announced = out.length;
  const all = groups.flat();
  for (let i = 0; i < all.length; i += 900)
    body(at => {
      out.u16(0);
      putPrefixes(out, all.slice(i, i + 900));
      out.patchU16(at, out.length - at - 2).u16(0);
    });
  writeFileSync(file, out.finish());
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
