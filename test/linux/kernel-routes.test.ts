/** Routes, next hops and rules in the kernel of a namespace: as a whole set, over restarts, against interference. */
import { spawnSync } from 'node:child_process';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { NetlinkRoutes, type NetlinkRoutesOptions } from '../../src/linux/kernel-routes.ts';
import { loadLibc } from '../../src/linux/libc.ts';
import { NetlinkThread } from '../../src/linux/netlink-thread.ts';
import { IpAddress } from '../../src/net/ip.ts';
import { Prefix } from '../../src/net/prefix.ts';
import type { KernelGroup, KernelRoute, KernelRouting } from '../../src/runtime/kernel-routes.ts';
import { kernelRoutingNone } from '../../src/runtime/kernel-routes.ts';
import { type Namespace, Net, namespacesMissing } from '../support/netns.ts';
import { eventually } from '../support/wait.ts';

const libc = await loadLibc();
const missing = namespacesMissing();
const ends: (() => Promise<void>)[] = [];
const net = missing === undefined ? new Net() : undefined;
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});
afterAll(() => net?.close());

function address(text: string): IpAddress {
  const parsed = IpAddress.parse(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
}

/** `192.0.2.2`, `192.0.2.2*3` for a weight, `192.0.2.2!` for on-link; on va unless it says `@link`. */
function group(name: string, ...hops: string[]): KernelGroup {
  const nextHops = hops.map(text => {
    const [, gateway = '', weight = '1', onLink, link = 'va'] =
      /^([^*!@]+)(?:\*(\d+))?(!)?(?:@(.+))?$/.exec(text) ?? [];
    return { gateway: address(gateway), link, onLink: onLink !== undefined, weight: Number(weight) };
  });
  return { name, nextHops };
}

/** `10.1.0.0/16 group`, or without a group. */
function routing(groups: readonly KernelGroup[], ...texts: string[]): KernelRouting {
  const routes = texts.map((text): KernelRoute => {
    const [prefix = '', to] = text.split(' ');
    const parsed = Prefix.parse(prefix);
    if (parsed === undefined) throw new Error(text);
    return { prefix: parsed, group: to };
  });
  return { groups, routes: routes.sort((a, b) => Prefix.compare(a.prefix, b.prefix)), overlay: undefined };
}

let count = 0;
function host(): Namespace {
  if (net === undefined) throw new Error('no namespaces');
  const made = net.namespace(`kr${count++}`);
  made.ip('link', 'add', 'va', 'type', 'veth', 'peer', 'vb');
  for (const link of ['va', 'vb']) made.ip('link', 'set', link, 'up');
  made.ip('addr', 'add', '192.0.2.1/24', 'dev', 'va');
  made.ip('addr', 'add', '2001:db8::1/64', 'dev', 'va', 'nodad');
  return made;
}

function agent(on: Namespace, options: NetlinkRoutesOptions = {}) {
  const thread = new NetlinkThread(libc, { namespace: `/run/netns/${on.name}` });
  const routes = new NetlinkRoutes(thread, options);
  let open = true;
  const stop = async () => {
    if (open) await thread.close();
    open = false;
  };
  ends.push(stop);
  return { routes, stop, apply: (desired: KernelRouting) => routes.apply(desired) };
}

/** What the kernel has of ours, next hops written out: `10.1.0.0/16 192.0.2.2*1 192.0.2.3*2`. */
function there(on: Namespace, ...table: string[]): readonly string[] {
  const list = (...words: string[]) => JSON.parse(on.ip('-j', '-d', ...words) || '[]');
  const objects = new Map<number, { gateway?: string; group?: { id: number; weight?: number }[] }>();
  for (const each of list('nexthop')) objects.set(each.id, each);
  const shown = (id: number) => {
    const members = objects.get(id)?.group ?? [];
    return members.map(each => `${objects.get(each.id)?.gateway}*${each.weight ?? 1}`).join(' ');
  };
  return ['-4', '-6']
    .flatMap(family => list(family, 'route', 'show', 'proto', '174', ...table))
    .map(each => `${each.dst} ${each.type === 'unreachable' ? 'unreachable' : shown(each.nhid)}`)
    .sort();
}

function nexthops(on: Namespace): number {
  return JSON.parse(on.ip('-j', 'nexthop', 'show') || '[]').length;
}

describe.skipIf(missing !== undefined)(`routes in a kernel${missing ? ` (${missing})` : ''}`, () => {
  it('are what is wanted, of both families, with next hops that share the load, and unreachable ones', async () => {
    const on = host();
    const { apply } = agent(on);
    const groups = [group('one', '192.0.2.2'), group('two', '192.0.2.2', '192.0.2.3*2'), group('six', '2001:db8::2')];
    const wanted = routing(groups, '10.1.0.0/16 one', '10.2.0.0/16 two', '10.3.0.0/16', 'fd00::/48 six', 'fd01::/48');
    expect(await apply(wanted)).toEqual({ routes: 5, refusals: [], refusalsTotal: 0, problems: [] });
    expect(there(on)).toEqual([
      '10.1.0.0/16 192.0.2.2*1',
      '10.2.0.0/16 192.0.2.2*1 192.0.2.3*2',
      '10.3.0.0/16 unreachable',
      'fd00::/48 2001:db8::2*1',
      'fd01::/48 unreachable',
    ]);
    expect(await apply(routing(groups.slice(0, 1), '10.1.0.0/16 one', '10.9.0.0/16 one'))).toMatchObject({ routes: 2 });
    expect(there(on)).toEqual(['10.1.0.0/16 192.0.2.2*1', '10.9.0.0/16 192.0.2.2*1']);
    expect(nexthops(on)).toBe(2);
    await apply(kernelRoutingNone);
    expect([there(on), nexthops(on)]).toEqual([[], 0]);
  });

  it('an IPv4 route through an IPv6 gateway (RFC 8950)', async () => {
    const on = host();
    const { apply } = agent(on);
    const status = await apply(routing([group('six', 'fe80::2')], '10.1.0.0/16 six', 'fd00::/48 six'));
    expect([status.refusals, there(on)]).toEqual([[], ['10.1.0.0/16 fe80::2*1', 'fd00::/48 fe80::2*1']]);
  });

  it('a group is given other next hops in one step: no route is written', async () => {
    const on = host();
    const { apply } = agent(on);
    const first = routing([group('a', '192.0.2.2')], '10.1.0.0/16 a', '10.2.0.0/16 a');
    await apply(first);
    const id = () => JSON.parse(on.ip('-j', 'route', 'show', 'proto', '174'))[0].nhid;
    const before = id();
    await apply({ ...first, groups: [group('a', '192.0.2.3', '192.0.2.4')] });
    expect(there(on)).toEqual(['10.1.0.0/16 192.0.2.3*1 192.0.2.4*1', '10.2.0.0/16 192.0.2.3*1 192.0.2.4*1']);
    expect([id(), nexthops(on)]).toEqual([before, 3]);
  });

  it('one that is refused stops no other, and says why in the kernel’s words', async () => {
    const on = host();
    on.ip('route', 'add', '10.2.0.0/16', 'via', '192.0.2.99');
    on.ip('-6', 'route', 'add', 'fd02::/48', 'via', '2001:db8::99');
    const { apply } = agent(on);
    const groups = [
      group('good', '192.0.2.2', '198.51.100.1'),
      group('bad', '198.51.100.1'),
      group('gone', '192.0.2.2@nolink'),
      group('none'),
      group('six', '2001:db8::2'),
      group('on', '198.51.100.7!'),
    ];
    const texts = ['10.1.0.0/16 good', '10.2.0.0/16 good', '10.3.0.0/16 bad', '10.4.0.0/16 gone', '10.5.0.0/16 none'];
    const status = await apply(routing(groups, ...texts, '10.6.0.0/16 on', 'fd01::/48 six', 'fd02::/48 six'));
    expect(there(on)).toEqual(['10.1.0.0/16 192.0.2.2*1', '10.6.0.0/16 198.51.100.7*1', 'fd01::/48 2001:db8::2*1']);
    expect(status.routes).toBe(3);
    expect(status.refusals.map(({ what, reason, detail }) => `${what}: ${reason}, ${detail}`).sort()).toEqual([
      '10.2.0.0/16: taken, EEXIST (file already exists)',
      'fd02::/48: taken, EEXIST (file already exists)',
      'group bad: no-next-hop, the kernel took none of them',
      'group gone: no-next-hop, it has none',
      'group none: no-next-hop, it has none',
      'via 192.0.2.2 dev nolink: link-missing, there is no link nolink',
      'via 198.51.100.1 dev va: gateway-unreachable, ENETUNREACH (Nexthop has invalid gateway)',
    ]);
    // Others' routes are as they were.
    expect(on.ip('route', 'show', '10.2.0.0/16')).toContain('via 192.0.2.99');
    expect(on.ip('-6', 'route', 'show', 'fd02::/48')).toContain('via 2001:db8::99');
  });

  it('what was refused is tried again when its link or its address comes', async () => {
    const on = host();
    const { routes, apply } = agent(on);
    await apply(
      routing([group('a', '198.51.100.2'), group('b', '203.0.113.2@late')], '10.1.0.0/16 a', '10.2.0.0/16 b'),
    );
    expect(there(on)).toEqual([]);
    on.ip('addr', 'add', '198.51.100.1/24', 'dev', 'va');
    await eventually('the first one', () => there(on).length === 1);
    on.ip('link', 'add', 'late', 'type', 'veth', 'peer', 'peer');
    on.ip('addr', 'add', '203.0.113.1/24', 'dev', 'late');
    for (const link of ['late', 'peer']) on.ip('link', 'set', link, 'up');
    await eventually('the second one', () => there(on).length === 2);
    await eventually('nothing refused', () => routes.status().refusalsTotal === 0 && routes.status().routes === 2);
  });

  it('a prefix that was somebody else’s is taken when that is gone', async () => {
    const on = host();
    on.ip('route', 'add', '10.1.0.0/16', 'via', '192.0.2.99');
    const { routes, apply } = agent(on, { refusedAgainMs: 100 });
    expect((await apply(routing([group('a', '192.0.2.2')], '10.1.0.0/16 a'))).refusalsTotal).toBe(1);
    on.ip('route', 'del', '10.1.0.0/16');
    await eventually('it is ours', () => routes.status().refusalsTotal === 0);
    expect(there(on)).toEqual(['10.1.0.0/16 192.0.2.2*1']);
  });

  it('survive the process and are taken over by the next one, which writes only what differs', async () => {
    const on = host();
    const first = agent(on);
    const groups = [group('a', '192.0.2.2'), group('b', '192.0.2.3')];
    await first.apply(routing(groups, '10.1.0.0/16 a', '10.2.0.0/16 b', 'fd00::/48', '10.4.0.0/16 a'));
    await first.stop();
    expect(there(on)).toHaveLength(4);
    const second = agent(on);
    const monitor = JSON.parse(on.ip('-j', 'route', 'show', 'proto', '174'));
    await second.apply(routing([group('a', '192.0.2.9'), group('b', '192.0.2.3')], '10.1.0.0/16 a', '10.2.0.0/16 b'));
    expect(there(on)).toEqual(['10.1.0.0/16 192.0.2.9*1', '10.2.0.0/16 192.0.2.3*1']);
    const after = JSON.parse(on.ip('-j', 'route', 'show', 'proto', '174'));
    const ids = (list: { dst: string; nhid: number }[]) => new Map(list.map(each => [each.dst, each.nhid]));
    expect(ids(after).get('10.1.0.0/16')).toBe(ids(monitor).get('10.1.0.0/16'));
    expect(nexthops(on)).toBe(4);
  });

  it('flush removes exactly ours, also of a process that is gone', async () => {
    const on = host();
    on.ip('route', 'add', '10.8.0.0/16', 'via', '192.0.2.9', 'proto', '186');
    on.ip('nexthop', 'add', 'id', '7', 'via', '192.0.2.9', 'dev', 'va', 'proto', 'zebra');
    on.ip('rule', 'add', 'priority', '77', 'lookup', '77');
    const first = agent(on, { table: 174, rulePriority: 1740 });
    await first.apply(routing([group('a', '192.0.2.2')], '10.1.0.0/16 a', 'fd00::/48'));
    expect(there(on, 'table', '174')).toHaveLength(2);
    expect(on.ip('rule', 'show')).toContain('1740:');
    expect(on.ip('-6', 'rule', 'show')).toContain('1740:');
    await first.stop();
    const second = agent(on);
    expect(await second.routes.flush()).toMatchObject({ routes: 0, refusals: [] });
    expect([there(on, 'table', 'all'), nexthops(on)]).toEqual([[], 1]);
    expect(on.ip('rule', 'show')).not.toContain('1740:');
    expect(on.ip('rule', 'show')).toContain('77:');
    expect(on.ip('route', 'show', '10.8.0.0/16')).toContain('192.0.2.9');
    expect(await second.apply(routing([group('a', '192.0.2.2')], '10.1.0.0/16 a'))).toMatchObject({ routes: 1 });
  });

  it('flush of a namespace where nothing is up has nothing to do', async () => {
    const on = host();
    spawnSync('ip', ['netns', 'del', on.name]);
    spawnSync('ip', ['netns', 'add', on.name]);
    expect(await agent(on).routes.flush()).toEqual({ routes: 0, refusals: [], refusalsTotal: 0, problems: [] });
  });

  it('moved to another table, they are gone from the one before', async () => {
    const on = host();
    const first = agent(on);
    await first.apply(routing([group('a', '192.0.2.2')], '10.1.0.0/16 a', 'fd00::/48'));
    await first.stop();
    const second = agent(on, { table: 1740, rulePriority: 1740 });
    await second.apply(routing([group('a', '192.0.2.2')], '10.1.0.0/16 a', 'fd00::/48'));
    expect([there(on), there(on, 'table', '1740').length]).toEqual([[], 2]);
    await second.stop();
    await agent(on).apply(routing([group('a', '192.0.2.2')], '10.1.0.0/16 a'));
    expect([there(on), there(on, 'table', '1740')]).toEqual([['10.1.0.0/16 192.0.2.2*1'], []]);
    expect(on.ip('rule', 'show')).not.toContain('1740:');
  });

  it('a link that flaps takes its routes along; they come back with it', async () => {
    const on = host();
    const { routes, apply } = agent(on);
    const texts = ['10.1.0.0/16 a', '10.2.0.0/16 b', 'fd00::/48 c'];
    const groups = [group('a', '192.0.2.2'), group('b', '192.0.2.2', '192.0.2.3'), group('c', 'fe80::2')];
    await apply(routing(groups, ...texts));
    on.ip('link', 'set', 'va', 'down');
    await eventually('they went', () => there(on).length === 0 && routes.status().routes === 0);
    expect(routes.status().refusals.map(each => each.reason)).toContain('link-down');
    on.ip('link', 'set', 'va', 'up');
    await eventually('they are back', () => there(on).length === 3 && routes.status().routes === 3);
    // Faster than anybody could look.
    on.run('sh', '-c', 'ip link set va down; ip link set va up');
    await eventually('they are back again', () => there(on).length === 3 && routes.status().routes === 3);
    on.ip('link', 'set', 'vb', 'down');
    await eventually('no carrier', () => on.ip('link', 'show', 'va').includes('NO-CARRIER'));
    on.ip('link', 'set', 'vb', 'up');
    await eventually('carrier again', () => there(on).length === 3 && routes.status().routes === 3);
  });

  it('a link that is made anew has them again', async () => {
    const on = host();
    const { apply } = agent(on);
    await apply(routing([group('a', '192.0.2.2!')], '10.1.0.0/16 a'));
    on.ip('link', 'del', 'va');
    await eventually('it went', () => there(on).length === 0);
    on.ip('link', 'add', 'va', 'type', 'veth', 'peer', 'vb');
    for (const link of ['va', 'vb']) on.ip('link', 'set', link, 'up');
    await eventually('it is back', () => there(on).length === 1);
  });

  it.each([
    ['removes a route', ['route', 'del', '10.1.0.0/16']],
    ['replaces a route', ['route', 'replace', 'blackhole', '10.1.0.0/16']],
    ['removes an IPv6 route', ['-6', 'route', 'del', 'fd00::/48']],
    ['removes all next hops', ['nexthop', 'flush']],
    ['flushes the table', ['route', 'flush', 'proto', '174']],
  ])('somebody who %s: it is put right, or said', async (what, words) => {
    const on = host();
    const { routes, apply } = agent(on);
    await apply(
      routing([group('a', '192.0.2.2'), group('c', 'fe80::2')], '10.1.0.0/16 a', '10.2.0.0/16 a', 'fd00::/48 c'),
    );
    const before = there(on);
    on.ip(...words);
    if (what === 'replaces a route')
      await eventually('said', () => routes.status().refusals.some(each => each.reason === 'taken'));
    else await eventually('put right', () => there(on).join() === before.join() && routes.status().routes === 3);
  });

  it('many changes, one after the other and all at once, end as the last one says', async () => {
    const on = host();
    const { apply } = agent(on);
    const groups = [group('a', '192.0.2.2'), group('b', '192.0.2.3')];
    let last: KernelRouting = kernelRoutingNone;
    const done: Promise<unknown>[] = [];
    for (let i = 0; i < 30; i++) {
      const texts = Array.from(
        { length: 300 },
        (_, j) => `10.${(i * 7 + j) % 256}.${j % 256}.0/24 ${(i + j) % 2 ? 'a' : 'b'}`,
      );
      last = routing(groups, ...new Set(texts));
      const applied = apply(last);
      if (i % 10 === 0) await applied;
      done.push(applied);
    }
    await Promise.all(done);
    const expected = last.routes.map(each => `${Prefix.format(each.prefix)} 192.0.2.${each.group === 'a' ? 2 : 3}*1`);
    expect(there(on)).toEqual(expected.sort());
  });
});
