/**
 * `npm run bench:routes`: what it costs to have routes in the kernel and to hear of links, beside `ip -batch` in the
 * same run, in a network namespace that goes with it. "main" is the longest that the main thread was not to be had.
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { NetlinkRoutes } from '../src/linux/kernel-routes.ts';
import { type Libc, loadLibc } from '../src/linux/libc.ts';
import { NetlinkThread } from '../src/linux/netlink-thread.ts';
import { type Family, IpAddress } from '../src/net/ip.ts';
import { Prefix } from '../src/net/prefix.ts';
import type { KernelGroup, KernelRoute, KernelRouting } from '../src/runtime/kernel-routes.ts';

const routeCount = 100_000;
const changes = 51;
const rows: (readonly [what: string, figure: string, main: string, goal: string])[] = [];
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

/** Milliseconds, and the longest that the main thread was busy meanwhile. */
async function time(work: () => Promise<unknown>): Promise<{ tookMs: number; mainMs: number }> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const startMs = performance.now();
  await work();
  const tookMs = performance.now() - startMs;
  delay.disable();
  return { tookMs, mainMs: delay.max / 1e6 - 1 };
}

async function row(what: string, goal: string, work: () => Promise<unknown>): Promise<void> {
  const { tookMs, mainMs } = await time(work);
  rows.push([what, `${tookMs.toFixed(1)} ms`, `${Math.max(0, mainMs).toFixed(1)} ms`, goal]);
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
    inside('-batch', path);
    const tookMs = performance.now() - startMs;
    rows.push([`ip -batch: ${family} ${verb}`, `${tookMs.toFixed(1)} ms`, '', '']);
  }
  spawnSync('rm', ['-f', path]);
}

async function nextHopChanges(routes: NetlinkRoutes, desired: KernelRouting): Promise<void> {
  const times: number[] = [];
  const others = desired.groups.slice(1);
  for (let i = 0; i < changes; i++) {
    const groups = [group('ipv4', i % 2 === 0 ? '192.0.2.3' : '192.0.2.2', '192.0.2.4'), ...others];
    const { tookMs } = await time(() => routes.apply({ ...desired, groups }));
    times.push(tookMs);
  }
  const spread = `${Math.min(...times).toFixed(2)} to ${Math.max(...times).toFixed(2)}`;
  rows.push([
    `next hops of ${routeCount} routes changed, whole way`,
    `${median(times).toFixed(2)} ms (${spread})`,
    '',
    '',
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
  await row('200,000 removed', '', () => second.routes.flush());
  await second.thread.close();
  ipBatch('ipv4', v4);
  ipBatch('ipv6', v6);
}

const libc = await loadLibc();
// The thread keeps no process alive.
const alive = setInterval(() => {}, 1000);
ip('netns', 'add', namespace);
try {
  inside('link', 'add', 'va', 'type', 'veth', 'peer', 'vb');
  for (const link of ['lo', 'va', 'vb']) inside('link', 'set', link, 'up');
  inside('addr', 'add', '192.0.2.1/24', 'dev', 'va');
  inside('addr', 'add', '2001:db8::1/64', 'dev', 'va', 'nodad');
  await all(libc);
} finally {
  ip('netns', 'del', namespace);
  clearInterval(alive);
}
const widths = [0, 1, 2].map(at => Math.max(...rows.map(each => each[at]?.length ?? 0)));
for (const each of rows) console.log(each.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('  '));
