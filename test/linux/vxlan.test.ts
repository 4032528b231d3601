/** The overlay link (RFC 7348) between namespaces: with itself, and with what `ip link add … type vxlan` makes. */
import { spawn, spawnSync } from 'node:child_process';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { NetlinkRoutes } from '../../src/linux/kernel-routes.ts';
import { loadLibc } from '../../src/linux/libc.ts';
import { NetlinkThread } from '../../src/linux/netlink-thread.ts';
import { type Family, IpAddress } from '../../src/net/ip.ts';
import { Mac } from '../../src/net/mac.ts';
import { Prefix } from '../../src/net/prefix.ts';
import { type KernelOverlay, type KernelRouting, kernelRoutingNone } from '../../src/runtime/kernel-routes.ts';
import { type Namespace, Net, namespacesMissing } from '../support/netns.ts';
import { eventually } from '../support/wait.ts';

const libc = await loadLibc();
const missing = namespacesMissing() ?? (spawnSync('ping', ['-V']).status === 0 ? undefined : 'needs ping');
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

function mac(text: string): Mac {
  const parsed = Mac.parse(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
}

const name = 'herald.vx';
const macs = ['0e:68:00:00:00:01', '0e:68:00:00:00:02'] as const;
const underlay = {
  ipv4: ['192.0.2.1', '192.0.2.2'],
  ipv6: ['2001:db8::1', '2001:db8::2'],
} as const satisfies Record<Family, readonly string[]>;
const pods = ['10.1.0.1', '10.2.0.1'] as const;
const pods6 = ['fd01::1', 'fd02::1'] as const;
const linkLocal = ['fe80::1', 'fe80::2'] as const;

/** A node's overlay and its routes to the other one's pods. */
function node(me: 0 | 1, family: Family): KernelRouting & { readonly overlay: KernelOverlay } {
  const other = me === 0 ? 1 : 0;
  const gateway = (text: string) => ({ gateway: address(text), link: name, onLink: true, weight: 1 });
  const via4 = family === 'ipv4' ? underlay.ipv4[other] : linkLocal[other];
  const overlay: KernelOverlay = {
    name,
    vni: 42,
    port: 8472,
    local: address(underlay[family][me]),
    mac: mac(macs[me]),
    mtu: undefined,
    addresses: [],
    ends: [
      {
        mac: mac(macs[other]),
        underlay: address(underlay[family][other]),
        gateways: [address(via4), address(linkLocal[other])],
      },
    ],
  };
  const groups = [
    { name: 'four', nextHops: [gateway(via4)] },
    { name: 'six', nextHops: [gateway(linkLocal[other])] },
  ];
  const routes = [
    { prefix: Prefix.of(address(pods[other]), 16), group: 'four' },
    { prefix: Prefix.of(address(pods6[other]), 48), group: 'six' },
  ];
  return { overlay, groups, routes };
}

let count = 0;
/** Two nodes on one link, each with a pod's addresses on its loopback. */
function pair(mtu = 1500): readonly [Namespace, Namespace] {
  if (net === undefined) throw new Error('no namespaces');
  const [a, b] = [net.namespace(`vx${count++}`), net.namespace(`vx${count++}`)];
  const addresses = (i: 0 | 1) => [`${underlay.ipv4[i]}/24`, `${underlay.ipv6[i]}/64`];
  net.link({ in: a, link: 'va', addresses: addresses(0) }, { in: b, link: 'va', addresses: addresses(1) });
  for (const [i, each] of [a, b].entries()) {
    each.ip('link', 'set', 'va', 'mtu', String(mtu));
    each.ip('addr', 'add', `${pods[i]}/32`, 'dev', 'lo');
    each.ip('addr', 'add', `${pods6[i]}/128`, 'dev', 'lo', 'nodad');
  }
  return [a, b];
}

function agent(on: Namespace) {
  const thread = new NetlinkThread(libc, { namespace: `/run/netns/${on.name}` });
  const routes = new NetlinkRoutes(thread);
  let open = true;
  const stop = async () => {
    if (open) await thread.close();
    open = false;
  };
  ends.push(stop);
  return { apply: (desired: KernelRouting) => routes.apply(desired), flush: () => routes.flush(), routes, stop };
}

/** Three packets from pod to pod, as large as the overlay takes. */
function ping(from: Namespace, source: string, to: string, size = 56): void {
  expect(
    from.run('ping', '-n', '-c', '3', '-i', '0.05', '-W', '5', '-M', 'do', '-s', String(size), '-I', source, to),
  ).toContain(' 0% packet loss');
}

function shown(on: Namespace) {
  return JSON.parse(on.ip('-j', '-d', 'link', 'show', 'dev', name))[0];
}

function entries(on: Namespace): readonly string[] {
  const forwarding: { mac: string; dst: string }[] = JSON.parse(on.run('bridge', '-j', 'fdb', 'show', 'dev', name));
  const neighbours: { dst: string; lladdr: string }[] = JSON.parse(on.ip('-j', 'neigh', 'show', 'dev', name));
  return [
    ...forwarding.map(each => `${each.mac} at ${each.dst}`),
    ...neighbours.map(each => `${each.dst} is ${each.lladdr}`),
  ].sort();
}

describe.skipIf(missing !== undefined)(`the overlay${missing ? ` (${missing})` : ''}`, () => {
  it.each([
    ['ipv4', 50, 1450],
    ['ipv6', 70, 1430],
  ] as const)('over %s, pods reach each other, by packets as large as the MTU less %i', async (family, _, mtu) => {
    const [a, b] = pair();
    const statuses = [await agent(a).apply(node(0, family)), await agent(b).apply(node(1, family))];
    expect(statuses.map(each => [each.refusals, each.routes])).toEqual([
      [[], 2],
      [[], 2],
    ]);
    const { mtu: has, linkinfo } = shown(a);
    expect([has, linkinfo.info_data.id, linkinfo.info_data.port, linkinfo.info_data.learning]).toEqual([
      mtu,
      42,
      8472,
      false,
    ]);
    ping(a, pods[0], pods[1], mtu - 28);
    ping(b, pods6[1], pods6[0], mtu - 48);
  });

  it('with one that `ip link add` made, by `bridge fdb` and `ip neigh`', async () => {
    const [a, b] = pair();
    await agent(a).apply(node(0, 'ipv4'));
    b.ip(
      'link',
      'add',
      'vx',
      'address',
      macs[1],
      'type',
      'vxlan',
      'id',
      '42',
      'dstport',
      '8472',
      'local',
      '192.0.2.2',
      'nolearning',
    );
    b.ip('link', 'set', 'vx', 'up', 'mtu', '1450');
    b.run('bridge', 'fdb', 'append', macs[0], 'dev', 'vx', 'dst', '192.0.2.1');
    b.ip('neigh', 'add', '192.0.2.1', 'lladdr', macs[0], 'dev', 'vx');
    b.ip('route', 'add', '10.1.0.0/16', 'via', '192.0.2.1', 'dev', 'vx', 'onlink');
    ping(a, pods[0], pods[1], 1422);
    ping(b, pods[1], pods[0], 1422);
  });

  it('nodes that come, move and go are entries that do', async () => {
    const [a] = pair();
    const { apply } = agent(a);
    const wanted = node(0, 'ipv4');
    await apply(wanted);
    const first = ['0e:68:00:00:00:02 at 192.0.2.2', '192.0.2.2 is 0e:68:00:00:00:02', 'fe80::2 is 0e:68:00:00:00:02'];
    expect(entries(a)).toEqual(first);
    const moved = { mac: mac('0e:68:00:00:00:02'), underlay: address('192.0.2.7'), gateways: [address('192.0.2.7')] };
    const third = { mac: mac('0e:68:00:00:00:03'), underlay: address('192.0.2.3'), gateways: [address('192.0.2.2')] };
    await apply({ ...wanted, overlay: { ...wanted.overlay, ends: [moved, third] } });
    expect(entries(a)).toEqual([
      '0e:68:00:00:00:02 at 192.0.2.7',
      '0e:68:00:00:00:03 at 192.0.2.3',
      '192.0.2.2 is 0e:68:00:00:00:03',
      '192.0.2.7 is 0e:68:00:00:00:02',
    ]);
    await apply({ ...wanted, overlay: { ...wanted.overlay, ends: [] } });
    expect(entries(a)).toEqual([]);
    await apply(kernelRoutingNone);
    expect(a.ip('link', 'show')).not.toContain(name);
  });

  it('is taken over by the next process as it is, and made anew where it cannot be changed', async () => {
    const [a, b] = pair();
    const first = agent(a);
    await agent(b).apply(node(1, 'ipv4'));
    await first.apply(node(0, 'ipv4'));
    await first.stop();
    const index = shown(a).ifindex;
    ping(a, pods[0], pods[1]);
    const second = agent(a);
    expect((await second.apply(node(0, 'ipv4'))).refusals).toEqual([]);
    expect(shown(a).ifindex).toBe(index);
    const { overlay, ...rest } = node(0, 'ipv4');
    const addresses = [{ address: address('10.1.0.9'), length: 32 }];
    await second.apply({ ...rest, overlay: { ...overlay, mtu: 1400, addresses } });
    expect([shown(a).ifindex, shown(a).mtu]).toEqual([index, 1400]);
    expect(a.ip('-j', 'addr', 'show', 'dev', name)).toContain('10.1.0.9');
    const status = await second.apply({ ...rest, overlay: { ...overlay, vni: 43 } });
    expect(shown(a).linkinfo.info_data.id).toBe(43);
    expect([status.refusals, status.routes]).toEqual([[], 2]);
    await second.apply({ ...rest, overlay });
    await eventually('pods reach each other again', () => {
      ping(a, pods[0], pods[1]);
      return true;
    });
  });

  it('no packet is lost while a process takes over from another', async () => {
    const [a, b] = pair();
    await agent(b).apply(node(1, 'ipv4'));
    const first = agent(a);
    await first.apply(node(0, 'ipv4'));
    const [command = '', ...words] = a.inside('ping', '-n', '-i', '0.01', '-I', pods[0], pods[1]);
    const running = spawn(command, words, { stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    running.stdout.on('data', (text: Buffer) => {
      said += text;
    });
    const answers = () => said.split('bytes from').length;
    await eventually('pings are answered', () => answers() > 10);
    await first.stop();
    const before = answers();
    await eventually('and go on without the process', () => answers() > before + 10);
    await agent(a).apply(node(0, 'ipv4'));
    const after = answers();
    await eventually('and after it', () => answers() > after + 10);
    running.kill('SIGINT');
    await eventually('the summary', () => / ([0-9.]+)% packet loss/.exec(said)?.[1]);
    // The last one may have been on its way.
    const [, sent, received] = /(\d+) packets transmitted, (\d+) received/.exec(said) ?? [];
    expect(Number(sent) - Number(received)).toBeLessThanOrEqual(1);
  });

  it('follows the MTU of the link it goes by, and comes back when somebody removes it', async () => {
    const [a, b] = pair();
    await agent(b).apply(node(1, 'ipv4'));
    const { routes, apply } = agent(a);
    await apply(node(0, 'ipv4'));
    a.ip('link', 'set', 'va', 'mtu', '1480');
    await eventually('its MTU', () => shown(a).mtu === 1430);
    a.ip('link', 'del', name);
    await eventually('it is back', () => a.ip('link', 'show').includes(name) && routes.status().routes === 2);
    await eventually('pods reach each other again', () => {
      ping(a, pods[0], pods[1]);
      return true;
    });
  });

  it('keeps its neighbours when its MTU changes: the kernel drops all of them for a MAC that is set', async () => {
    const [a] = pair();
    await agent(a).apply(node(0, 'ipv4'));
    const [command = '', ...words] = a.inside('ip', 'monitor', 'neigh');
    const monitor = spawn(command, words, { stdio: ['ignore', 'pipe', 'inherit'] });
    ends.push(async () => void monitor.kill());
    let said = '';
    monitor.stdout.on('data', (text: Buffer) => {
      said += text;
    });
    let count = 0;
    const hears = (marker: string) =>
      eventually(`${marker} is told`, () => {
        // Only what changes is told, and what was said before the monitor listened is not.
        a.ip('neigh', 'replace', marker, 'lladdr', macs[count++ % 2] ?? '', 'dev', 'va');
        return said.includes(marker);
      });
    await hears('192.0.2.200');
    a.ip('link', 'set', 'va', 'mtu', '1480');
    await eventually('its MTU', () => shown(a).mtu === 1430);
    await hears('192.0.2.201');
    expect(said.split('\n').filter(line => line.startsWith('Deleted') && line.includes(name))).toEqual([]);
    expect(entries(a)).toHaveLength(3);
  });

  it('never takes a link of that name that is not ours, and goes with flush', async () => {
    const [a] = pair();
    a.ip('link', 'add', name, 'type', 'bridge');
    const { apply, flush } = agent(a);
    const status = await apply(node(0, 'ipv4'));
    expect(status.refusals.map(each => `${each.what}: ${each.reason}`)).toContain(`overlay ${name}: taken`);
    expect(status.routes).toBe(0);
    await flush();
    expect(shown(a).linkinfo.info_kind).toBe('bridge');
    a.ip('link', 'del', name);
    expect((await apply(node(0, 'ipv4'))).routes).toBe(2);
    await flush();
    expect(a.ip('link', 'show')).not.toContain(name);
  });

  it('an end of the other family is refused by name', async () => {
    const [a] = pair();
    const { overlay, ...rest } = node(0, 'ipv4');
    const end = { mac: mac('0e:68:00:00:00:09'), underlay: address('2001:db8::9'), gateways: [] };
    const status = await agent(a).apply({ ...rest, overlay: { ...overlay, ends: [...overlay.ends, end] } });
    expect(status.refusals).toEqual([
      { what: 'overlay end 2001:db8::9', reason: 'overlay-failed', detail: "the overlay's own address is ipv4" },
    ]);
    expect(status.routes).toBe(2);
  });
});
