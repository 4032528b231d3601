/**
 * `npm run bench:routes`: what it costs to have routes in the kernel and to hear of links, beside `ip -batch` in the
 * same run, in a network namespace that goes with it. "CPU" counts the whole process, or the child; "main" is the
 * longest that the main thread was not to be had. On a busy machine only CPU and the relation between rows count.
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { NetlinkRoutes } from '../src/linux/kernel-routes.ts';
import { type Libc, loadLibc } from '../src/linux/libc.ts';
import { NetlinkWriter } from '../src/linux/netlink.ts';
import { NetlinkBatch } from '../src/linux/netlink-batch.ts';
import { enterNamespace } from '../src/linux/netlink-namespace.ts';
import { NetlinkSocket } from '../src/linux/netlink-socket.ts';
import { heraldProtocol, NetlinkThread } from '../src/linux/netlink-thread.ts';
import { askRoutes } from '../src/linux/rtnetlink.ts';
import { askNextHops, decodeNextHop, decodeRoute, type Member, writeGroup } from '../src/linux/rtnetlink-routes.ts';
import { writeAddress, writeAddressGone } from '../src/linux/rtnetlink-vxlan.ts';
import { type Family, IpAddress } from '../src/net/ip.ts';
import { Prefix } from '../src/net/prefix.ts';
import type { KernelGroup, KernelRoute, KernelRouting } from '../src/runtime/kernel-routes.ts';

const routeCount = 100_000;
const changes = 51;
const rows: (readonly [what: string, took: string, cpu: string, main: string, goal: string])[] = [
  ['', 'took', 'CPU', 'main', 'goal'],
];
const namespace = `herald-bench-${process.pid}`;

function ip(...words: string[]): void {
  const done = spawnSync('ip', words, { encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`ip ${words.join(' ')}: ${done.stderr}`);
}

function inside(...words: string[]): void {
  ip('-n', namespace, ...words);
}

function address(text: string): IpAddress {
  const parsed = IpAddress.parse(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
}

function group(name: string, ...gateways: string[]): KernelGroup {
  const nextHops = gateways.map(text => ({ gateway: address(text), link: 'va', onLink: false, weight: 1 }));
  return { name, nextHops };
}

function routesOf(family: Family): readonly KernelRoute[] {
  return Array.from({ length: routeCount }, (_, i) => {
    const value = family === 'ipv4' ? (10n << 24n) + (BigInt(i) << 6n) : (0xfd00n << 112n) + (BigInt(i) << 64n);
    return { prefix: Prefix.of(IpAddress.of(family, value), family === 'ipv4' ? 26 : 64), group: family };
  });
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

interface Taken {
  readonly tookMs: number;
  readonly cpuMs: number;
  readonly mainMs: number;
}

async function time(work: () => Promise<unknown>): Promise<Taken> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const cpu = process.cpuUsage();
  const startMs = performance.now();
  await work();
  const tookMs = performance.now() - startMs;
  const { user, system } = process.cpuUsage(cpu);
  delay.disable();
  return { tookMs, cpuMs: (user + system) / 1000, mainMs: Math.max(0, delay.max / 1e6 - 1) };
}

async function row(what: string, goal: string, work: () => Promise<unknown>): Promise<void> {
  const { tookMs, cpuMs, mainMs } = await time(work);
  rows.push([what, `${tookMs.toFixed(1)} ms`, `${cpuMs.toFixed(0)} ms`, `${mainMs.toFixed(1)} ms`, goal]);
}

function begin(libc: Libc): { thread: NetlinkThread; routes: NetlinkRoutes } {
  const thread = new NetlinkThread(libc, { namespace: `/run/netns/${namespace}` });
  return { thread, routes: new NetlinkRoutes(thread) };
}

function ipBatch(family: Family, routes: readonly KernelRoute[]): void {
  const path = `/tmp/${namespace}.batch`;
  const gateway = family === 'ipv4' ? '192.0.2.2' : '2001:db8::2';
  for (const verb of ['add', 'del']) {
    const lines = routes.map(each => `route ${verb} ${Prefix.format(each.prefix)} via ${gateway} proto 99 table 99`);
    writeFileSync(path, lines.join('\n'));
    const startMs = performance.now();
    const { stdout, stderr, status } = spawnSync('sh', ['-c', `ip -n ${namespace} -batch ${path}; times`], {
      encoding: 'utf8',
    });
    const tookMs = performance.now() - startMs;
    if (status !== 0) throw new Error(stderr);
    const cpuMs = [...(stdout.trim().split('\n')[1] ?? '').matchAll(/(\d+)m([\d.]+)s/g)]
      .map(([, minutes, seconds]) => Number(minutes) * 60_000 + Number(seconds) * 1000)
      .reduce((sum, each) => sum + each, 0);
    rows.push([`ip -batch: ${routeCount} ${family} routes ${verb}`, `${tookMs.toFixed(1)} ms`, `${cpuMs} ms`, '', '']);
  }
  spawnSync('rm', ['-f', path]);
}

async function nextHopChanges(routes: NetlinkRoutes, desired: KernelRouting): Promise<void> {
  const times: number[] = [];
  const others = desired.groups.slice(1);
  for (let i = 0; i < changes; i++) {
    const groups = [group('ipv4', i % 2 === 0 ? '192.0.2.3' : '192.0.2.2', '192.0.2.4'), ...others];
    const startMs = performance.now();
    await routes.apply({ ...desired, groups });
    times.push(performance.now() - startMs);
  }
  const spread = `${Math.min(...times).toFixed(2)} to ${Math.max(...times).toFixed(2)}`;
  const what = `next hops of ${routeCount} routes changed, from apply to its answer`;
  rows.push([what, `${median(times).toFixed(2)} ms`, '', '', spread]);
}

/** In this thread, which enters the namespace at last: what the kernel itself takes for a group, and for a list. */
function kernelAlone(libc: Libc): void {
  enterNamespace(`/run/netns/${namespace}`);
  const socket = new NetlinkSocket(libc);
  const batch = new NetlinkBatch(socket);
  const writer = new NetlinkWriter();
  const hops: Member[] = [];
  let groupId = 0;
  socket.dump(
    writer,
    (flags, seq) => askNextHops(writer, flags, seq),
    () => hops.splice(0),
    message => {
      const each = decodeNextHop(message);
      if (each !== undefined && 'hop' in each && each.hop.gateway.family === 'ipv4')
        hops.push({ id: each.id, weight: 1 });
      else if (each !== undefined && 'members' in each && each.members.length === 2) groupId = each.id;
    },
  );
  const times: number[] = [];
  for (let i = 0; i < changes; i++) {
    const members = i % 2 === 0 ? hops.slice(0, 1) : hops.slice(1, 2);
    const startMs = performance.now();
    batch.add(
      (into, seq) => writeGroup(into, seq, groupId, { members, replaces: true }, heraldProtocol),
      refused => {
        if (refused !== undefined) throw new Error(refused.detail);
      },
    );
    batch.send();
    times.push(performance.now() - startMs);
  }
  const spread = `${Math.min(...times).toFixed(2)} to ${Math.max(...times).toFixed(2)}`;
  const what = `next hops of ${routeCount} routes changed, the request alone`;
  rows.push([what, `${median(times).toFixed(2)} ms`, '', '', `< 1 ms (${spread})`]);
  for (const family of ['ipv4', 'ipv6'] as const) listRoutes(socket, writer, family);
  socket.close();
}

function listRoutes(socket: NetlinkSocket, writer: NetlinkWriter, family: Family): void {
  const times = Array.from({ length: 5 }, () => {
    let count = 0;
    const startMs = performance.now();
    socket.dump(
      writer,
      (flags, seq) => askRoutes(writer, flags, seq, { family, table: 0, protocol: heraldProtocol }),
      () => {},
      message => {
        if (decodeRoute(message) !== undefined) count++;
      },
    );
    if (count !== routeCount) throw new Error(`${count} routes listed`);
    return performance.now() - startMs;
  });
  const spread = `${Math.min(...times).toFixed(1)} to ${Math.max(...times).toFixed(1)}`;
  rows.push([
    `${routeCount} ${family} routes listed and decoded`,
    `${median(times).toFixed(1)} ms`,
    '',
    '',
    `< 100 ms (${spread})`,
  ]);
}

/** From before the request that changes a link, made by this thread, to the callback. */
async function linkEvents(libc: Libc): Promise<void> {
  const thread = new NetlinkThread(libc);
  thread.hold(true);
  let told = () => {};
  let seen = '';
  thread.watch({
    facts: facts => {
      seen = facts.links.flatMap(each => each.addresses.map(({ address: is }) => IpAddress.format(is))).join();
      told();
    },
    failed: error => {
      throw error;
    },
  });
  const socket = new NetlinkSocket(libc);
  const batch = new NetlinkBatch(socket);
  const index = libc.ifNameToIndex('va');
  const times: number[] = [];
  for (let i = 0; i < 2 * changes; i++) {
    const added = { index, address: address(`198.51.100.${1 + (i >> 1)}`), length: 32 };
    const isThere = () => seen.includes(IpAddress.format(added.address));
    const startMs = performance.now();
    batch.add(
      (into, seq) => (i % 2 === 0 ? writeAddress(into, seq, added) : writeAddressGone(into, seq, added)),
      () => {},
    );
    batch.send();
    while (isThere() !== (i % 2 === 0)) await new Promise<void>(resolve => (told = resolve));
    times.push(performance.now() - startMs);
  }
  await thread.close();
  socket.close();
  times.sort((a, b) => a - b);
  const p99 = times[Math.floor(times.length * 0.99)] ?? Number.NaN;
  rows.push([
    'a change of a link, to the callback',
    `${median(times).toFixed(1)} ms`,
    '',
    '',
    `< 100 ms (p99 ${p99.toFixed(1)})`,
  ]);
}

async function all(libc: Libc): Promise<void> {
  const v4 = routesOf('ipv4');
  const v6 = routesOf('ipv6');
  const groups = [group('ipv4', '192.0.2.2'), group('ipv6', '2001:db8::2')];
  const desired = { routes: [...v4, ...v6], groups, overlay: undefined };
  const first = begin(libc);
  const { routes } = first;
  await routes.apply({ routes: [], groups: [], overlay: undefined });
  await row(`${routeCount} IPv4 routes added`, '< 1 s, main < 20 ms', () =>
    routes.apply({ routes: v4, groups, overlay: undefined }),
  );
  await row(`${routeCount} IPv6 routes added`, '< 1 s', () => routes.apply(desired));
  const status = routes.status();
  if (status.routes !== 2 * routeCount || status.refusalsTotal > 0) throw new Error(JSON.stringify(status));
  await row('applied again, nothing changed', '', () => routes.apply({ ...desired, routes: [...desired.routes] }));
  await row('one route of 200,000 changed', '', () =>
    routes.apply({
      ...desired,
      routes: desired.routes.map((each, i) => (i === 5 ? { ...each, group: 'ipv6' } : each)),
    }),
  );
  await nextHopChanges(routes, desired);
  await first.thread.close();
  const second = begin(libc);
  await row('taken over by the next process (200,000 listed, none written)', '', () => second.routes.apply(desired));
  await second.routes.apply({ ...desired, groups: [group('ipv4', '192.0.2.2', '192.0.2.3'), ...groups.slice(1)] });
  kernelAlone(libc);
  await row('200,000 removed', '', () => second.routes.flush());
  await second.thread.close();
  await linkEvents(libc);
  ipBatch('ipv4', v4);
  ipBatch('ipv6', v6);
}

const libc = await loadLibc();
ip('netns', 'add', namespace);
try {
  inside('link', 'add', 'va', 'type', 'veth', 'peer', 'vb');
  for (const link of ['lo', 'va', 'vb']) inside('link', 'set', link, 'up');
  inside('addr', 'add', '192.0.2.1/24', 'dev', 'va');
  inside('addr', 'add', '2001:db8::1/64', 'dev', 'va', 'nodad');
  await all(libc);
} finally {
  spawnSync('ip', ['netns', 'del', namespace]);
}
const widths = [0, 1, 2, 3].map(at => Math.max(...rows.map(each => each[at]?.length ?? 0)));
for (const each of rows) console.log(each.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('  '));
