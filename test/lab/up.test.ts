/**
 * `herald lab` as it is typed, with routers in containerlab's form: exec lines as labs write them (§1), FRR, sessions,
 * and nothing left of any of it, whoever was killed.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { removeLab } from '../../src/lab/lab-state.ts';
import { daemonMissing } from '../support/daemons/daemon.ts';
import { Json } from '../support/json.ts';
import { hostLinks, leftovers } from '../support/lab-leftovers.ts';
import { namespacesMissing } from '../support/netns.ts';
import { herald, startHerald } from '../support/run-herald.ts';
import { eventually } from '../support/wait.ts';

const missing = namespacesMissing() ?? (daemonMissing('frr') === undefined ? undefined : 'FRR is not installed');
if (missing !== undefined) console.error(`labs are not tested: ${missing}`);

const routers = `up-${process.pid}`;
const small = `small-${process.pid}`;

/** Two routers: unnumbered on one link, a listen range on the other; a node behind a bridge, and one in its network. */
const topology = `name: ${routers}
topology:
  defaults: {kind: linux}
  groups:
    routers:
      image: frrouting/frr:v8.4.0
      exec:
        - touch /etc/frr/vtysh.conf
        - chown frr:frr /var/log/frr.log
        - sed -i -e 's/bgpd=no/bgpd=yes/g' /etc/frr/daemons
        - usr/lib/frr/frrinit.sh start
  nodes:
    router0:
      group: routers
      exec:
        - ip addr add 10.0.1.1/24 dev net1
        - ip link add name loopback type dummy
        - ip addr add 10.255.0.1/24 dev loopback
        - ip link set loopback up
        - >-
          vtysh -c 'conf t'
          -c 'frr defaults datacenter'
          -c 'router bgp 65000'
          -c '  bgp router-id 10.0.0.1'
          -c '  no bgp ebgp-requires-policy'
          -c '  neighbor TORS peer-group'
          -c '  neighbor TORS remote-as external'
          -c '  neighbor net0 interface peer-group TORS'
          -c '  neighbor RANGE peer-group'
          -c '  neighbor RANGE remote-as external'
          -c '  bgp listen range 10.0.1.0/24 peer-group RANGE'
          -c '  address-family ipv4 unicast'
          -c '    redistribute connected'
          -c '  exit-address-family'
          -c '!'
    tor0:
      group: routers
      exec:
        - ip addr add 10.0.1.2/24 dev net1
        - >-
          vtysh -c 'conf t' -c 'frr defaults datacenter' -c 'router bgp 65010' -c '  bgp router-id 10.0.0.2'
          -c '  no bgp ebgp-requires-policy' -c '  neighbor net0 interface remote-as external'
          -c '  neighbor 10.0.1.1 remote-as 65000'
    sw: {kind: bridge}
    client:
      image: nicolaka/netshoot
      exec:
        - ip addr add 10.9.0.2/24 dev eth1
        - ip route replace default via 10.9.0.1
        - no-such-program x
        - ip link del eth0
    beside: {network-mode: "container:client"}
    silent: {network-mode: none}
  links:
    - endpoints: ["router0:net0", "tor0:net0"]
    - endpoints: ["router0:net1", "tor0:net1"]
    - endpoints: ["client:eth1", "sw:c1"]
    - endpoints: ["router0:net2", "sw:r1"]
`;

describe.skipIf(missing !== undefined)('herald lab', { timeout: 300_000 }, () => {
  const folder = mkdtempSync('/tmp/herald-up-');
  const file = join(folder, 'lab.clab.yml');
  const links = hostLinks();
  let up: Awaited<ReturnType<typeof herald>>;
  const exec = (...words: readonly string[]) => herald('lab', 'exec', '--lab', routers, ...words);

  beforeAll(async () => {
    writeFileSync(file, topology);
    up = await herald('lab', 'up', file);
  }, 300_000);

  afterAll(async () => {
    await removeLab(routers);
    await removeLab(small);
    rmSync(folder, { recursive: true, force: true });
  }, 120_000);

  it('up names the exec line that failed, by file and line, and ends with 1; the lines after it were run', async () => {
    expect(up.err).toMatch(/lab\.clab\.yml:50: client: no-such-program x: it is not on this host/);
    expect(up.err.trim().split('\n')).toHaveLength(1);
    expect(up.status).toBe(1);
    expect((await exec('client', 'ip', '-br', 'link')).out).not.toContain('eth0');
  });

  it('routers establish sessions: unnumbered, and by a listen range', async () => {
    await eventually(
      'two sessions',
      async () => {
        const { out } = await exec('router0', 'vtysh', '-c', 'show bgp ipv4 unicast summary json');
        const peers = Json.parse(out).get('peers').entries;
        return peers.filter(([, peer]) => peer.get('state').text === 'Established').length === 2;
      },
      { limitMs: 60_000, everyMs: 500 },
    );
    await eventually(
      'a route of the stand-in for a dummy link',
      async () => (await exec('tor0', 'ip', 'route')).out.includes('10.255.0.0/24'),
      { limitMs: 60_000, everyMs: 500 },
    );
  });

  it('exec prints what the command prints, and has its status', async () => {
    expect(await exec(`clab-${routers}-tor0`, 'sh', '-c', 'echo -h --help; echo e >&2; exit 7')).toEqual({
      status: 7,
      signal: null,
      out: '-h --help\n',
      err: 'e\n',
    });
    expect((await exec('nobody', 'true')).err).toContain(`there is no node nobody; there are beside, client, router0`);
  });

  it.each([
    [
      '§1 eth0 on the management network, with a default route',
      'tor0',
      'ip route show default',
      /^default via 172\.20\.20\.1 dev eth0/,
    ],
    ['§1 the other by its name', 'tor0', 'getent hosts router0', /router0/],
    ['§1 the default route that exec gave', 'client', 'ip route show default', /^default via 10\.9\.0\.1 dev eth1/],
    ['§1 network-mode: container', 'beside', 'ip -br addr show eth1', /10\.9\.0\.2\/24/],
    ['§1 network-mode: none', 'silent', 'ls /sys/class/net', /^lo\n$/],
    ['§1 a bridge with the ports that the links name', 'sw', 'ls /sys/class/net/sw/brif', /^c1\nr1\n$/],
  ])('%s', async (_, node, line, wanted) => expect((await exec(node, ...line.split(' '))).out).toMatch(wanted));

  it('a command ends when exec is told to', async () => {
    const running = startHerald(['lab', 'exec', '--lab', routers, 'client', 'sh', '-c', 'echo on; exec sleep 7321']);
    await eventually('it runs', () => running.out() === 'on\n');
    running.child.kill('SIGTERM');
    expect((await running.finished).signal).toBe('SIGTERM');
    await eventually('it is gone', async () => !(await exec('client', 'ps', 'ax')).out.includes('sleep 7321'));
  });

  it('ls lists nodes with their addresses', async () => {
    const { out } = await herald('lab', 'ls', routers);
    expect(out).toMatch(/ {2}tor0 +frr +.*net1 10\.0\.1\.2\/24/);
  });

  it('does not stand twice', async () => {
    const { status, err } = await herald('lab', 'up', file);
    expect([status, err]).toEqual([1, expect.stringContaining(`the lab ${routers} stands already`)]);
  });

  it('down leaves no namespace, process or file', async () => {
    expect((await herald('lab', 'down', file)).status).toBe(0);
    expect(leftovers(routers, links)).toEqual([]);
  });

  it('ten runs in a row leave nothing, wherever up was killed', async () => {
    const path = join(folder, 'small.clab.yml');
    const nodes = '    a: {kind: linux, exec: [sleep 0.1]}\n    b: {kind: linux}\n';
    const all = `    - endpoints: ["a:e", "b:e"]\n    - endpoints: ["a:h", "host:h${process.pid % 1e6}"]\n`;
    writeFileSync(path, `name: ${small}\ntopology:\n  nodes:\n${nodes}  links:\n${all}`);
    for (let round = 0; round < 10; round++) {
      const running = startHerald(['lab', 'up', path]);
      // In the odd rounds: after none, one or two of its lines.
      if (round % 2 === 1) {
        await eventually('it is on its way', () => running.out().split('\n').length > (round + 1) / 4, { everyMs: 5 });
        running.child.kill(round === 9 ? 'SIGTERM' : 'SIGKILL');
      }
      const { status, err } = await running.finished;
      if (round % 2 === 0) expect([status, err]).toEqual([0, '']);
      // What a killed one left goes with the next one, or with down.
      if (round % 4 !== 1) await herald('lab', 'down', small);
      if (round % 4 !== 1) expect(leftovers(small, links)).toEqual([]);
    }
  });
});

describe('what is refused before anything is made', () => {
  it('is named by file and line, with status 1', async () => {
    const folder = mkdtempSync('/tmp/herald-up-');
    const file = join(folder, 'x.clab.yml');
    writeFileSync(
      file,
      'name: refused\ntopology:\n  nodes:\n    a: {kind: ceos}\n    b: {kind: linux, binds: ["none:/x"]}\n',
    );
    const { status, out, err } = await herald('lab', 'up', file);
    expect([status, out]).toEqual([1, '']);
    expect(err).toContain(`${file}:4: unknown-kind: `);
    writeFileSync(file, 'name: refused\ntopology:\n  nodes:\n    b:\n      kind: linux\n      binds: ["none:/x"]\n');
    expect((await herald('lab', 'up', file)).err).toBe(`${file}:6: bad-value: b: there is no ${folder}/none to bind\n`);
    rmSync(folder, { recursive: true, force: true });
  });
});
