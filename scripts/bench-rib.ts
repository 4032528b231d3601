/**
 * The RIB by itself, without sockets: a synthetic full table is received, decided, told to one peer or thirty, withdrawn, and
 * changed one prefix at a time. Prints seconds of CPU and resident memory. `node scripts/bench-rib.ts [case…]`; without cases, all of them.
 */
import { readFileSync } from 'node:fs';
import { Policy } from '../src/bgp/policy.ts';
import { Rib } from '../src/bgp/rib.ts';
import type { PeerView } from '../src/bgp/rib-view.ts';
import { IpAddress } from '../src/net/ip.ts';

const PULL_OCTETS = 65_536;

/** A small generator of its own, so that every run has the same table. */
function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
    const mixed = Math.imul(state ^ (state >>> 12), 0x297a2d39);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  };
}

interface Message {
  readonly at: number;
  readonly end: number;
}

interface Load {
  readonly bytes: Uint8Array;
  readonly updates: readonly Message[];
  readonly withdrawals: readonly Message[];
}

/** Twenty prefixes in each /16, most of them /24; one attribute set for 3 to 11 of them; sets in random order. */
function fullTable(prefixes: number): Load {
  const rnd = random(7);
  const pick = (from: number, to: number) => from + Math.floor(rnd() * (to - from + 1));
  const bytes = new Uint8Array(prefixes * 26 + 65_536);
  let to = 0;
  const put = (...octets: number[]) => {
    for (const octet of octets) bytes[to++] = octet;
  };
  const word = (value: number) => put(value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);
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
  const updates = order.map(({ at, end }) => {
    const begin = to;
    put(0, 0, 0, 0);
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
    return { at: begin, end: to };
  });
  const withdrawals: Message[] = [];
  const all = order.flatMap(({ at, end }) => nlri.slice(at, end));
  for (let i = 0; i < all.length; i += 900) {
    const begin = to;
    put(0, 0);
    for (const each of all.slice(i, i + 900)) prefix(each);
    const length = to - begin - 2;
    bytes[begin] = length >>> 8;
    bytes[begin + 1] = length & 255;
    put(0, 0);
    withdrawals.push({ at: begin, end: to });
  }
  return { bytes: bytes.slice(0, to), updates, withdrawals };
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
  for (let slot = 1; slot <= sinks; slot++)
    while (rib.hasOutput(slot)) {
      const length = rib.pull(slot, out, 0);
      if (length === 0) break;
      octets += length;
    }
  return octets;
}

/** Messages come in reads of about 64 KiB, and sinks are served after each. */
function feed(rib: Rib, load: Load, messages: readonly Message[], sinks: number): number {
  let [octets, since] = [0, 0];
  for (const { at, end } of messages) {
    rib.receiveUpdate(0, load.bytes, at, end);
    since += end - at;
    if (since < PULL_OCTETS) continue;
    since = 0;
    octets += drain(rib, sinks);
  }
  return octets + drain(rib, sinks);
}

function started(sinks: number): Rib {
  const rib = new Rib({ asn: 65000, routerId: 1, hashSeed: 12345 });
  for (let slot = 0; slot <= sinks; slot++) rib.peerUp(slot, view(slot));
  drain(rib, sinks);
  rib.pull(0, out, 0);
  return rib;
}

function table(load: Load, prefixes: number, sinks: number, name: string): void {
  const rib = started(sinks);
  const octets = timed(`${name}`, () => feed(rib, load, load.updates, sinks));
  console.log(`  ${rib.counts('ipv4-unicast').locRib} of ${prefixes} prefixes, ${octets} octets out`);
  timed('  withdraw', () => feed(rib, load, load.withdrawals, sinks));
  if (rib.counts('ipv4-unicast').paths !== 0) throw new Error('routes are left');
}

function churn(load: Load): void {
  const rib = started(1);
  feed(rib, load, load.updates, 1);
  const one = load.updates[0] as Message;
  const body = load.bytes.slice(one.at, one.end);
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

const cases: Record<string, () => void> = {
  'ingest-1m': () => table(fullTable(1_000_000), 1_000_000, 0, 'ingest 1M'),
  'prop-1m-1': () => table(fullTable(1_000_000), 1_000_000, 1, 'propagate 1M to 1'),
  'prop-100k-30': () => table(fullTable(100_000), 100_000, 30, 'propagate 100k to 30'),
  churn: () => churn(fullTable(100_000)),
};

const wanted = process.argv.slice(2);
for (const [name, run] of Object.entries(cases)) if (wanted.length === 0 || wanted.includes(name)) run();
