/** The host as rtnetlink tells it, in a namespace where links come and go; and where netlink is refused. */
import { spawnSync } from 'node:child_process';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import type { HostFacts, HostLink } from '../../src/control/settings.ts';
import { HostWatch } from '../../src/linux/host-facts.ts';
import { loadLibc } from '../../src/linux/libc.ts';
import { NetlinkThread } from '../../src/linux/netlink-thread.ts';
import { IpAddress } from '../../src/net/ip.ts';
import { Mac } from '../../src/net/mac.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import type { Clock } from '../../src/runtime/ports.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { type Namespace, Net, namespacesMissing } from '../support/netns.ts';
import { recordingLog } from '../support/recording-log.ts';
import { eventually } from '../support/wait.ts';

const libc = await loadLibc();
const missing = namespacesMissing();
const ends: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

function begin(namespace: string, clock: Clock = systemClock, queueBytes = 4 * 1024 * 1024) {
  const told: { readonly facts: HostFacts; readonly atMs: number }[] = [];
  const log = recordingLog();
  const changed = () => void told.push({ facts: watch.facts, atMs: performance.now() });
  const watch = new HostWatch({ clock, log, changed });
  const thread = new NetlinkThread(libc, { namespace: `/run/netns/${namespace}`, queueBytes });
  ends.push(() => thread.close());
  ends.push(() => watch.close());
  return { watch, thread, log, told };
}

function link(facts: HostFacts, name: string): HostLink | undefined {
  return facts.links.find(each => each.name === name);
}

function addresses(found: HostLink | undefined): readonly string[] {
  return found?.addresses.map(each => `${IpAddress.format(each.address)}/${each.length}`) ?? [];
}

describe.skipIf(missing !== undefined)(`a namespace${missing ? ` (${missing})` : ''}`, () => {
  const net = new Net();
  afterAll(() => net.close());
  let count = 0;

  async function watched(queueBytes?: number): Promise<{ in: Namespace; facts: () => HostFacts; told: () => number }> {
    const namespace = net.namespace(`host${count++}`);
    const { watch, thread, told } = begin(namespace.name, systemClock, queueBytes);
    await watch.listen(thread);
    return { in: namespace, facts: () => watch.facts, told: () => told.length };
  }

  it('is known when listening begins, with kind, master, MTU, MAC and NOARP', async () => {
    const namespace = net.namespace('known');
    namespace.ip('link', 'add', 'va', 'mtu', '1400', 'address', '02:00:00:00:00:01', 'type', 'veth', 'peer', 'vb');
    namespace.ip('link', 'add', 'br0', 'type', 'bridge');
    namespace.ip('link', 'set', 'va', 'master', 'br0', 'up');
    namespace.ip('link', 'set', 'vb', 'up', 'arp', 'off');
    namespace.ip('addr', 'add', '192.0.2.1/24', 'dev', 'vb');
    namespace.ip('addr', 'add', '192.0.2.2/24', 'dev', 'vb');
    namespace.ip('addr', 'add', '2001:db8::1/64', 'dev', 'vb', 'nodad');
    namespace.ip('route', 'add', 'default', 'via', '192.0.2.254', 'metric', '7');
    namespace.ip('-6', 'route', 'add', 'default', 'via', '2001:db8::ff', 'dev', 'vb');
    const { watch, thread } = begin(namespace.name);
    await watch.listen(thread);
    const [va, vb] = [link(watch.facts, 'va'), link(watch.facts, 'vb')];
    expect(va).toMatchObject({ kind: 'veth', master: 'br0', mtu: 1400, up: true, noArp: false });
    expect(va?.mac && Mac.format(va.mac)).toBe('02:00:00:00:00:01');
    expect(vb).toMatchObject({ kind: 'veth', master: undefined, noArp: true });
    expect(addresses(vb).slice(0, 3)).toEqual(['192.0.2.1/24', '192.0.2.2/24', '2001:db8::1/64']);
    expect(link(watch.facts, 'br0')).toMatchObject({ kind: 'bridge', master: undefined });
    expect(link(watch.facts, 'lo')).toMatchObject({ index: 1, mac: undefined, kind: undefined });
    const shown = watch.facts.defaultRoutes.map(
      each => `${IpAddress.format(each.gateway)} ${each.link} ${each.metric}`,
    );
    expect(shown.sort()).toEqual(['192.0.2.254 vb 7', '2001:db8::ff vb 1024']);
  });

  it('a link appears, gets an address, goes down, is renamed, is made anew and goes: each is told', async () => {
    const { in: namespace, facts } = await watched();
    const { ip } = { ip: namespace.ip.bind(namespace) };
    ip('link', 'add', 'eth5', 'type', 'veth', 'peer', 'far');
    const first = await eventually('it appeared', () => link(facts(), 'eth5'));
    expect(first.up).toBe(false);
    ip('link', 'set', 'far', 'up');
    ip('link', 'set', 'eth5', 'up');
    await eventually('it is up', () => link(facts(), 'eth5')?.up);
    ip('addr', 'add', '192.0.2.9/24', 'dev', 'eth5');
    await eventually('its address', () => addresses(link(facts(), 'eth5')).includes('192.0.2.9/24'));
    ip('route', 'add', 'default', 'via', '192.0.2.1');
    await eventually('the default route', () => facts().defaultRoutes.length === 1);
    ip('link', 'set', 'far', 'down');
    await eventually('its carrier went', () => link(facts(), 'eth5')?.up === false);
    ip('link', 'set', 'eth5', 'down');
    await eventually('the default route went silently', () => facts().defaultRoutes.length === 0);
    ip('link', 'set', 'eth5', 'name', 'renamed');
    const renamed = await eventually('it is renamed', () => link(facts(), 'renamed'));
    expect([renamed.index, link(facts(), 'eth5')]).toEqual([first.index, undefined]);
    ip('link', 'del', 'renamed');
    ip('link', 'add', 'renamed', 'type', 'veth', 'peer', 'far');
    await eventually('it is another one', () => (link(facts(), 'renamed')?.index ?? first.index) !== first.index);
    expect(addresses(link(facts(), 'renamed'))).toEqual([]);
    ip('link', 'del', 'renamed');
    await eventually('it went', () => link(facts(), 'renamed') === undefined && link(facts(), 'far') === undefined);
  });

  it('a namespace where nothing is up yet, and so no routing table', async () => {
    const name = net.namespace('empty').name;
    spawnSync('ip', ['netns', 'del', name]);
    spawnSync('ip', ['netns', 'add', name]);
    const { watch, thread, log } = begin(name);
    await watch.listen(thread);
    expect(watch.facts).toMatchObject({ links: [{ name: 'lo', up: false, addresses: [] }], defaultRoutes: [] });
    expect(log.lines).toEqual([]);
  });

  it('enslaved and freed again', async () => {
    const { in: namespace, facts } = await watched();
    namespace.ip('link', 'add', 'br0', 'type', 'bridge');
    namespace.ip('link', 'add', 'va', 'type', 'veth', 'peer', 'vb');
    namespace.ip('link', 'set', 'va', 'master', 'br0');
    await eventually('enslaved', () => link(facts(), 'va')?.master === 'br0');
    namespace.ip('link', 'set', 'va', 'nomaster');
    await eventually('freed', () => link(facts(), 'va') !== undefined && link(facts(), 'va')?.master === undefined);
  });

  it('an address that duplicate detection holds back is none until that has passed', async () => {
    const { in: namespace, facts } = await watched();
    namespace.ip('link', 'add', 'va', 'type', 'veth', 'peer', 'vb');
    namespace.run('sysctl', '-qw', 'net.ipv6.conf.va.accept_dad=1', 'net.ipv6.conf.va.dad_transmits=3');
    namespace.ip('link', 'set', 'vb', 'up');
    namespace.ip('link', 'set', 'va', 'up');
    await eventually('va is up', () => link(facts(), 'va')?.up);
    namespace.ip('addr', 'add', '2001:db8::7/64', 'dev', 'va');
    namespace.ip('addr', 'add', '192.0.2.7/24', 'dev', 'va');
    await eventually('the IPv4 address', () => addresses(link(facts(), 'va')).includes('192.0.2.7/24'));
    expect(addresses(link(facts(), 'va'))).not.toContain('2001:db8::7/64');
    await eventually('the IPv6 address', () => addresses(link(facts(), 'va')).includes('2001:db8::7/64'));
  });

  it('a burst of four thousand addresses is told whole, gathered into few', async () => {
    const { in: namespace, facts, told } = await watched();
    const lines = Array.from({ length: 4000 }, (_, i) => `addr add 10.${i >> 8}.${i & 255}.1/32 dev lo`);
    namespace.run('sh', '-c', `echo '${lines.join('\n')}' | ip -batch -`);
    await eventually('all of them', () => addresses(link(facts(), 'lo')).length >= 4001);
    // Gathered, not told one by one.
    expect(told()).toBeLessThan(1000);
  });

  it('what the kernel had to drop (ENOBUFS) is listed again', async () => {
    // As small as the kernel makes it, which holds one event or two.
    const { in: namespace, facts } = await watched(1);
    const lines = Array.from({ length: 500 }, (_, i) => `addr add 10.${i >> 8}.${i & 255}.1/32 dev lo`);
    namespace.run('sh', '-c', `echo '${lines.join('\n')}' | ip -batch -`);
    await eventually('all of them', () => addresses(link(facts(), 'lo')).length >= 501);
    namespace.ip('addr', 'flush', 'dev', 'lo');
    await eventually('none of them', () => addresses(link(facts(), 'lo')).length === 0);
  });

  it('a default route by next hop objects, whatever nexthop_compat_mode says, but none of ours', async () => {
    const { in: namespace, facts } = await watched();
    namespace.ip('link', 'add', 'va', 'type', 'veth', 'peer', 'vb');
    for (const each of ['va', 'vb']) namespace.ip('link', 'set', each, 'up');
    namespace.ip('addr', 'add', '192.0.2.1/24', 'dev', 'va');
    for (const id of ['1', '2']) namespace.ip('nexthop', 'add', 'id', id, 'via', `192.0.2.25${id}`, 'dev', 'va');
    namespace.ip('nexthop', 'add', 'id', '3', 'group', '1/2');
    for (const mode of ['0', '1']) {
      namespace.run('sysctl', '-qw', `net.ipv4.nexthop_compat_mode=${mode}`);
      namespace.ip('route', 'add', 'default', 'nhid', '3', 'metric', '5');
      namespace.ip('route', 'add', 'default', 'via', '192.0.2.9', 'proto', '174', 'metric', '6');
      const shown = () =>
        facts().defaultRoutes.map(each => `${IpAddress.format(each.gateway)} ${each.link} ${each.metric}`);
      await eventually('both gateways', () => shown().length === 2);
      expect(shown()).toEqual(['192.0.2.251 va 5', '192.0.2.252 va 5']);
      for (const metric of ['5', '6']) namespace.ip('route', 'del', 'default', 'metric', metric);
      await eventually('none', () => shown().length === 0);
    }
  });

  it('routes that others write in masses are not worth a word', async () => {
    const { in: namespace, facts, told } = await watched();
    const before = told();
    const lines = Array.from({ length: 2000 }, (_, i) => `route add 10.${i >> 8}.${i & 255}.0/24 dev lo`);
    namespace.run('sh', '-c', `echo '${lines.join('\n')}' | ip -batch -`);
    namespace.ip('addr', 'add', '192.0.2.1/32', 'dev', 'lo');
    await eventually('the address', () => addresses(link(facts(), 'lo')).includes('192.0.2.1/32'));
    expect(told() - before).toBe(1);
  });
});

describe('a process with the thread in it', () => {
  it.each([
    ['process.exit', 'process.exit(7)', 7],
    ['an uncaught exception', "setTimeout(() => { throw new Error('ours') })", 1],
    ['nothing left to do', '', 0],
  ])('ends by %s', (_, how, status) => {
    const from = (path: string) => JSON.stringify(new URL(`../../src/linux/${path}`, import.meta.url).href);
    const code = `
      import { loadLibc } from ${from('libc.ts')};
      import { NetlinkThread } from ${from('netlink-thread.ts')};
      const thread = new NetlinkThread(await loadLibc());
      const told = setInterval(() => {}, 1000);
      await new Promise(resolve => thread.watch({ facts: resolve, failed: resolve }));
      clearInterval(told);
      ${how}`;
    const options = { timeout: 50_000, killSignal: 'SIGKILL', encoding: 'utf8' } as const;
    const done = spawnSync(process.execPath, ['--input-type=module', '-e', code], options);
    expect([done.signal, done.status]).toEqual([null, status]);
  });
});

describe('a thread that cannot work', () => {
  it('is said, and the host is looked at again and again instead', async () => {
    const clock = new ManualClock();
    const { watch, thread, log } = begin('no-such-namespace', clock);
    await watch.listen(thread);
    expect(log.lines.map(({ event, fields }) => [event, fields['detail']])).toEqual([
      [
        'links and addresses of the host cannot be watched',
        expect.stringMatching(
          /^open \/run\/netns\/no-such-namespace: .* \(ENOENT\); looking at it every 2000 ms instead$/,
        ),
      ],
    ]);
    expect(clock.pending).toBe(1);
    expect(link(watch.facts, 'lo')).toBeDefined();
  });
});
