/**
 * The responder through what happens to a host: links that go down, come back, and are made anew (L11, L12), devices
 * that filter multicast, settings that cannot be had, and the end of the process however it comes.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { loadLibc } from '../../src/linux/libc.ts';
import { IpAddress } from '../../src/net/ip.ts';
import { arpFrame, neighborFrame } from '../support/l2-frames.ts';
import { Station } from '../support/l2-station.ts';
import { isAnswer, parse, WireBench } from '../support/l2-wire-bench.ts';
import { namespacesMissing } from '../support/netns.ts';
import { eventually } from '../support/wait.ts';
import { within } from '../support/within-namespace.ts';

const libc = await loadLibc();
const missing = namespacesMissing();
const paths = ['socket', 'ebpf'] as const;
const V4 = '10.9.0.99';
const V6 = 'fd09::99';

const alone = fileURLToPath(new URL('../support/nd-alone.ts', import.meta.url));

const open: WireBench[] = [];
afterEach(async () => {
  for (const bench of open.splice(0)) await bench.close();
});

async function made(datapath: 'socket' | 'ebpf' = 'socket'): Promise<WireBench> {
  const bench = await WireBench.open(datapath);
  open.push(bench);
  bench.own(V4, V6);
  return bench;
}

function questions(from: string): readonly Uint8Array[] {
  return [
    arpFrame({ from, senderIp: '10.9.0.2', targetIp: V4 }),
    neighborFrame({ from, source: 'fd09::2', target: V6 }),
  ];
}

describe.skipIf(missing !== undefined)(`the responder and its links${missing ? ` (${missing})` : ''}`, () => {
  it.each([
    'socket',
    'ebpf',
  ] as const)('%s: a link that goes down and comes up is answered on as before', async path => {
    const bench = await made(path);
    for (const question of questions(bench.station.mac)) await bench.answered(question);
    bench.node.ip('link', 'set', 'eth0', 'down');
    const before = process.cpuUsage();
    // Nothing may turn in circles while it is down: the thread would use all of this time.
    const startMs = performance.now();
    await eventually('a while', () => performance.now() - startMs > 500, { everyMs: 100 });
    const used = process.cpuUsage(before);
    expect((used.user + used.system) / 1000).toBeLessThan((performance.now() - startMs) * 0.8);
    bench.node.ip('link', 'set', 'eth0', 'up');
    await eventually('the link is up', () => /,LOWER_UP/.test(bench.node.ip('link', 'show', 'dev', 'eth0')));
    for (const question of questions(bench.station.mac)) await bench.answered(question);
    expect(bench.responder.status().links).toMatchObject([{ datapath: path, problem: undefined }]);
  });

  it.each(paths)('%s: L12: a link made anew under its name is answered on', async path => {
    const bench = await made(path);
    bench.node.ip('link', 'del', 'eth0');
    bench.net.link({ in: bench.node, link: 'eth0' }, { in: bench.asker, link: 'eth0', addresses: ['10.9.0.2/24'] });
    const link = bench.linkOf('eth0');
    expect(link.index).not.toBe(bench.link.index);
    const rows = [V4, V6].map(text => ({ link: link.index, address: parse(text), mode: 'session' }) as const);
    within(bench.node, () => {
      bench.responder.links([link]);
      bench.responder.own(rows);
    });
    expect(bench.responder.status().links).toMatchObject([{ link: link.index, datapath: path, problem: undefined }]);
    const station = new Station(libc, bench.asker, 'eth0');
    for (const question of questions(station.mac)) {
      station.forget();
      station.send(question);
      await station.sees('an answer', isAnswer);
    }
    station.close();
  });

  it('L11: a link that is not there is named, and heard as soon as it can be', async () => {
    const bench = await made();
    const ghost = { ...bench.link, name: 'ghost', index: bench.link.index + 1000 };
    within(bench.node, () => bench.responder.links([bench.link, ghost]));
    const status = bench.responder.status().links.find(link => link.name === 'ghost');
    expect(status).toMatchObject({ datapath: undefined });
    expect(status?.problem).toMatch(/ENODEV/);
    // A row there is not programmed; the other link is not hurt by it.
    bench.own(V4, V6, { link: ghost.index, address: parse('10.9.0.98') });
    const rows = within(bench.node, () => bench.responder.status()).rows.map(row => row.address);
    expect(rows).toEqual([parse(V4), parse(V6)]);
    for (const question of questions(bench.station.mac)) await bench.answered(question);
    bench.node.ip('link', 'add', 'ghost', 'index', String(ghost.index), 'type', 'bridge');
    within(bench.node, () => bench.responder.links([bench.link, ghost]));
    expect(bench.responder.status().links[1]).toMatchObject({ datapath: 'socket', problem: undefined });
  });

  it('another MAC is answered with at once', async () => {
    const bench = await made();
    bench.node.ip('link', 'set', 'eth0', 'address', '02:00:00:00:00:aa');
    within(bench.node, () => bench.responder.links([bench.linkOf('eth0')]));
    await eventually('the new MAC', async () => {
      bench.station.forget();
      for (const question of questions(bench.station.mac)) bench.station.send(question);
      const answer = await bench.station.sees('an answer', isAnswer);
      return answer.from === '02:00:00:00:00:aa';
    });
  });

  it('a device that filters multicast lets solicitations through: the groups are joined, and left', async () => {
    const bench = await made();
    bench.node.ip('link', 'add', 'mv0', 'link', 'eth0', 'type', 'macvlan', 'mode', 'bridge');
    bench.node.ip('link', 'set', 'mv0', 'up');
    const link = bench.linkOf('mv0');
    within(bench.node, () => {
      bench.responder.links([link]);
      bench.responder.own([{ link: link.index, address: parse(V6), mode: 'session' }]);
    });
    const groups = () => bench.node.ip('maddr', 'show', 'dev', 'mv0');
    await eventually('the group is joined', () => groups().includes('ff02::1:ff00:99'));
    await eventually('an answer', async () => {
      bench.station.send(questions(bench.station.mac)[1] ?? new Uint8Array(0));
      return bench.station.seen.find(isAnswer);
    });
    within(bench.node, () => bench.responder.own([]));
    await eventually('the group is left', () => !groups().includes('ff02::1:ff00:99'));
  });

  it('more groups than a socket holds are joined all the same', async () => {
    const bench = await made();
    // In a process of the namespace: the sockets after the first are opened when it is due.
    const said = bench.node.run(process.execPath, alone, 'groups', String(bench.link.index), '3000');
    expect(said.trim()).toBe('3000');
  });

  it('more rows than the table held are answered for', async () => {
    const bench = await made();
    const first = parse('10.10.0.0').value;
    const rows = Array.from(
      { length: 40_000 },
      (_, i) =>
        ({ link: bench.link.index, address: IpAddress.of('ipv4', first + BigInt(i)), mode: 'session' }) as const,
    );
    within(bench.node, () => bench.responder.own(rows));
    bench.until(3_600_000, 0);
    const from = bench.station.mac;
    for (const targetIp of ['10.10.0.0', '10.10.156.63'])
      await bench.answered(arpFrame({ from, senderIp: '10.9.0.2', targetIp }));
    await bench.dropped(arpFrame({ from, senderIp: '10.9.0.2', targetIp: '10.10.156.64' }), 'not-owned');
  });
});

describe.skipIf(missing !== undefined)('the kernel beside the responder', () => {
  it('L15: does not answer for addresses of other links, and asks in no name but the link’s own', async () => {
    const bench = await made();
    bench.node.ip('addr', 'add', '10.9.0.77/32', 'dev', 'lo');
    const question = arpFrame({ from: bench.station.mac, senderIp: '10.9.0.2', targetIp: '10.9.0.77' });
    await bench.dropped(question, 'not-owned');
    expect(bench.node.run('sysctl', '-n', 'net.ipv4.conf.eth0.arp_ignore').trim()).toBe('1');
    expect(bench.node.run('sysctl', '-n', 'net.ipv4.conf.eth0.arp_announce').trim()).toBe('2');
    expect(within(bench.node, () => bench.responder.status()).contradictions).toEqual([]);
  });

  it('an owned address on a device that is down (kube-proxy in IPVS mode) contradicts nothing then', async () => {
    const bench = await made();
    bench.net.link({ in: bench.node, link: 'ipvs0' }, { in: bench.asker, link: 'other' });
    bench.node.ip('link', 'set', 'ipvs0', 'down');
    bench.node.ip('addr', 'add', `${V4}/32`, 'dev', 'ipvs0');
    const [question = new Uint8Array(0)] = questions(bench.station.mac);
    await bench.answered(question);
    bench.own(V4, V6);
    expect(within(bench.node, () => bench.responder.status()).contradictions).toEqual([]);
  });

  it('what cannot be put right is said: /proc/sys read-only, no CAP_NET_ADMIN', async () => {
    const bench = await made();
    bench.node.run('sysctl', '-qw', 'net.ipv4.conf.eth0.arp_ignore=0', 'net.ipv4.conf.eth0.arp_announce=0');
    bench.node.ip('addr', 'add', `${V4}/32`, 'dev', 'lo');
    const confined = 'mount --bind -o ro /proc/sys /proc/sys && exec setpriv --bounding-set=-net_admin "$@"';
    const inside = [process.execPath, alone, 'contradictions', String(bench.link.index), bench.mac, V4, V6];
    const said = bench.node.run('unshare', '-m', 'sh', '-c', confined, 'sh', ...inside);
    const setting = (name: string, value: number) =>
      `net.ipv4.conf.eth0.${name} has to be ${value} and cannot be set (EROFS)`;
    const onEth0 = 'on eth0 the kernel';
    expect(JSON.parse(said)).toEqual([
      {
        name: 'arp-ignore',
        message: `${onEth0} answers ARP for addresses of every other link: ${setting('arp_ignore', 1)}`,
      },
      {
        name: 'arp-ignore',
        message: `${onEth0} may ask ARP questions in the name of any address: ${setting('arp_announce', 2)}`,
      },
      {
        name: 'icmpv6-unreachable',
        message: expect.stringMatching(/refused by the kernel: no filter in nf_tables \(nf_tables: .*\(EPERM\)\)$/),
      },
      { name: 'bound-locally', message: expect.stringMatching(`^${V4} is an address of lo: the kernel answers`) },
    ]);
  });

  it.each([
    ['IPv4', V4, `${V4}/32`],
    ['IPv6', V6, `${V6}/128`],
  ])('%s: an owned address of the very link is named: the kernel answers for it', async (_, text, cidr) => {
    const bench = await made();
    bench.node.ip('addr', 'add', cidr, 'dev', 'eth0', ...(text.includes(':') ? ['nodad'] : []));
    bench.own(V4, V6);
    const { contradictions } = within(bench.node, () => bench.responder.status());
    expect(contradictions).toEqual([
      { name: 'bound-locally', message: expect.stringMatching(`^${text} is an address of eth0: the kernel answers`) },
    ]);
  });
});

describe('the end of the process', () => {
  it.each([
    ['process.exit', 'exit', 3],
    ['an error nobody catches', 'throw', 1],
    ['nothing left to do', 'nothing', 0],
    ['a close, and nothing left to do', 'close', 0],
  ])('%s ends it, with a thread that waits in the kernel', async (_, how, code) => {
    const child = spawn(process.execPath, [alone, 'end', how], { stdio: 'ignore' });
    const timer = setTimeout(() => child.kill('SIGKILL'), 50_000);
    const [status] = await once(child, 'exit');
    clearTimeout(timer);
    expect(status).toBe(code);
  });
});
