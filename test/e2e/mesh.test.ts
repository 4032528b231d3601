/**
 * Two clusters of two nodes on one link, each with its state in its own etcd: pods reach each other, by the nodes as
 * next hops; and what becomes of that while nodes come, go and move, etcd dies, is wiped and compacted, agents are
 * killed, and clusters contradict each other. Cluster mesh reference §2.3.
 */
import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/wait.ts';
import { MeshLab, meshLabMissing } from './mesh-lab.ts';
import { PingRun } from './mesh-ping.ts';

const missing = meshLabMissing();

describe.skipIf(missing !== undefined)(
  `clusters on one link${missing === undefined ? '' : `: skipped, ${missing}`}`,
  () => {
    let lab: MeshLab;

    beforeAll(async () => {
      lab = new MeshLab({ topology: 'on-link', pods: ['ipv4', 'ipv6'] });
      await lab.start();
    }, 180_000);
    afterAll(() => lab?.close(), 60_000);

    const routeOf = (from: string, prefix: string) => {
      const node = lab.nodes.find(each => each.name === from);
      return node?.node.ip('route', 'show', prefix) ?? '';
    };

    it('carry ping and HTTP from a pod of one to a pod of the other, directly', async () => {
      await lab.allReach();
      const [from, to] = [lab.node('west', 2), lab.node('east', 2)];
      const server = new (await import('../support/daemons/daemon.ts')).Foreground(to.pod, [
        process.execPath,
        '-e',
        `require('http').createServer((_, r) => r.end('from ' + ${JSON.stringify(to.name)})).listen(8080)`,
      ]);
      await eventually(
        'curl is answered',
        () => from.pod.run('curl', '-s', '-m', '2', `http://${to.podAddress}:8080`) === 'from east-2',
      );
      await server.stop();
      const { routes } = await from.status();
      expect(routes).toMatchObject({ total: 6, byWay: { direct: 6 }, refused: 0, held: false });
    }, 120_000);

    it('are told by `herald mesh status`, `routes` and `troubleshoot`', async () => {
      const node = lab.node('west', 1);
      const status = node.cli('mesh', 'status', '--socket', node.socket);
      expect(status).toContain('cluster west (ID 1), 1/1 other clusters ready');
      expect(status).toMatch(/east +2 +yes +2 /);
      expect(status).toContain('6 in the kernel');
      expect(status).toContain('all written');
      expect(node.cli('mesh', 'routes', '10.2.1.9', '--socket', node.socket)).toMatch(
        /10\.2\.1\.0\/24 +via 192\.168\.50\.21 dev eth0 \(direct\) +east\/east-1/,
      );
      expect(node.cli('mesh', 'routes', '10.9.9.9', '--socket', node.socket)).toBe(
        'nobody knows a route to 10.9.9.9\n',
      );
      const words = ['--clustermesh-config', `${node.folder}/peers`, '--cluster-name', 'west', '--cluster-id', '1'];
      const steps = node.cli('mesh', 'troubleshoot', ...words);
      for (const step of [
        'CA certificate',
        'TCP',
        'TLS',
        'etcd',
        'authentication',
        'cilium/cluster-config/east',
        'cilium/synced/east/cilium/state/nodes/v1',
      ])
        expect(steps).toMatch(new RegExp(`${step} +ok`));
      expect(
        node.refuses('mesh', 'troubleshoot', ...words.slice(0, 2), '--cluster-name', 'other', '--cluster-id', '2'),
      ).toMatch(/assigned to the local cluster/);
    }, 60_000);

    it('have a file written by `herald mesh connect`, once everything is right', async () => {
      const node = lab.node('west', 1);
      const { cert, key } = lab.authority.issue('remote');
      const { endpoint } = lab.etcd('east');
      const words = [
        '--ca',
        lab.authority.ca,
        '--cert',
        cert,
        '--key',
        key,
        '--clustermesh-config',
        `${node.folder}/made`,
        '--cluster-name',
        'west',
      ];
      expect(node.refuses('mesh', 'connect', 'north', endpoint, ...words, '--cluster-id', '1')).toMatch(
        /nothing was written/,
      );
      expect(node.refuses('mesh', 'connect', 'east', endpoint, ...words, '--cluster-id', '2')).toMatch(
        /assigned to the local cluster/,
      );
      expect(node.cli('mesh', 'connect', 'east', endpoint, ...words, '--cluster-id', '1')).toContain(
        `wrote ${node.folder}/made/east`,
      );
      const steps = node.cli('mesh', 'troubleshoot', '--clustermesh-config', `${node.folder}/made`);
      expect(steps).toMatch(/cilium\/cluster-config\/east +ok/);
    }, 60_000);

    it('lose no ping while etcd is killed, wiped and compacted, and are exact afterwards', async () => {
      const [from, to] = [lab.node('west', 2), lab.node('east', 2)];
      const pings = new PingRun(from.pod, to.podAddress);
      const etcd = lab.etcd('east');
      await etcd.kill();
      await eventually('the loss is seen', async () => (await from.status()).peers[0]?.ready === false);
      expect((await from.status()).peers[0]).toMatchObject({ reason: 'not-connected', nodes: 2 });
      await etcd.begin();
      etcd.compact();
      await lab.serves(from);
      await etcd.wipe();
      await etcd.begin();
      etcd.secure('east');
      await lab.serves(from);
      await eventually('both nodes are there', async () => (await from.status()).peers[0]?.nodes === 2);
      const { sent, lost } = await pings.end();
      console.error(`etcd killed, compacted, wiped: ${lost} of ${sent} pings lost`);
      expect(lost).toBe(0);
    }, 180_000);

    it('lose no ping while an agent is killed and comes back', async () => {
      const [from, to] = [lab.node('west', 2), lab.node('east', 2)];
      const pings = new PingRun(from.pod, to.podAddress);
      await from.herald?.stop('SIGKILL');
      expect(routeOf('west-2', '10.2.2.0/24')).toContain('proto 174');
      lab.begin(from);
      await lab.serves(from);
      await eventually('its routes are its own again', async () => (await from.status()).kernel?.routes === 6);
      const { sent, lost } = await pings.end();
      console.error(`agent killed: ${lost} of ${sent} pings lost`);
      expect(lost).toBe(0);
    }, 120_000);

    it('lose no ping while an agent comes back and the other etcd is away', async () => {
      const [from, to] = [lab.node('west', 2), lab.node('east', 2)];
      const pings = new PingRun(from.pod, to.podAddress);
      await lab.etcd('east').kill();
      await from.herald?.stop('SIGKILL');
      lab.begin(from);
      await eventually('its routes are its own again', async () => (await from.status()).kernel?.routes === 6);
      expect((await from.status()).peers[0]).toMatchObject({ ready: false, reason: 'not-connected', nodes: 2 });
      await lab.etcd('east').begin();
      await lab.serves(from);
      const { sent, lost } = await pings.end();
      console.error(`agent killed, etcd away: ${lost} of ${sent} pings lost`);
      expect(lost).toBe(0);
    }, 120_000);

    it('follow a node that gets other PodCIDRs, one that goes and one that comes', async () => {
      const [publisher, from] = [lab.node('east', 1), lab.node('west', 2)];
      lab.manifests(
        publisher,
        lab.nodes.filter(each => each.name !== 'east-2'),
      );
      await eventually('the route is gone', () => routeOf('west-2', '10.2.2.0/24') === '');
      expect(routeOf('west-2', '10.2.1.0/24')).toContain('proto 174');
      const moved = { ...lab.node('east', 2).manifest, spec: { podCIDRs: ['10.2.77.0/24'] } };
      writeFileSync(`${publisher.folder}/manifests/more.yaml`, JSON.stringify(moved));
      await eventually('the other route is there', () => routeOf('west-2', '10.2.77.0/24').includes('proto 174'));
      writeFileSync(`${publisher.folder}/manifests/more.yaml`, '');
      lab.manifests(publisher, lab.nodes);
      await eventually(
        'all is as before',
        () => routeOf('west-2', '10.2.77.0/24') === '' && routeOf('west-2', '10.2.2.0/24') !== '',
      );
      await eventually('pods reach each other', () => from.reaches(lab.node('east', 2)));
    }, 120_000);

    it('refuse what overlaps, naming both, and what is not theirs to say', async () => {
      const from = lab.node('west', 2);
      const etcd = lab.etcd('east');
      const record = (name: string, more: object) =>
        JSON.stringify({
          Name: name,
          Cluster: 'east',
          ClusterID: 2,
          IPAddresses: [{ Type: 'InternalIP', IP: '192.168.50.99' }],
          ...more,
        });
      const publisher = lab.node('east', 1);
      await publisher.herald?.stop();
      etcd.put('cilium/state/nodes/v1/east/bad-1', record('bad-1', { IPv4AllocCIDR: '10.1.1.0/25' }));
      etcd.put('cilium/state/nodes/v1/east/bad-2', record('other', { IPv4AllocCIDR: '10.2.9.0/24' }));
      etcd.put('cilium/state/nodes/v1/east/bad-3', record('bad-3', { ClusterID: 7, IPv4AllocCIDR: '10.2.9.0/24' }));
      etcd.put('cilium/state/nodes/v1/east/bad-4', record('bad-4', { IPv4AllocCIDR: '192.168.0.0/16' }));
      etcd.put('cilium/state/nodes/v1/east/bad-5', 'x'.repeat(100_000));
      const status = await eventually('it is told', async () => {
        const now = await from.status();
        return now.conditions.length === 1 && now.peers[0]?.rejected === 3 && now;
      });
      expect(status.conditions).toEqual([
        {
          type: 'OverlappingPodCIDR',
          message:
            'PodCIDR 10.1.1.0/25 of cluster east overlaps 10.1.1.0/24 of cluster west, ' +
            'which was here before (1 prefix refused)',
        },
      ]);
      expect(
        routeOf('west-2', '10.1.1.0/25') + routeOf('west-2', '192.168.0.0/16') + routeOf('west-2', '10.2.9.0/24'),
      ).toBe('');
      expect((await from.routes('192.168.50.1')).map(each => each.reason)).toEqual(['covers-local-address']);
      expect(from.refuses('mesh', 'status', '--socket', from.socket)).toMatch(/OverlappingPodCIDR/);
      lab.begin(publisher);
      await eventually(
        'its writer puts it right',
        async () => (await from.status()).conditions.length === 0 && etcd.keys('cilium/state/nodes/').length === 2,
      );
    }, 120_000);

    it('are drained when the ID changes to one that is taken, and when the file goes', async () => {
      const from = lab.node('west', 2);
      const etcd = lab.etcd('east');
      const publisher = lab.node('east', 1);
      await publisher.herald?.stop();
      etcd.put(
        'cilium/cluster-config/east',
        '{"id":1,"capabilities":{"syncedCanaries":true,"maxConnectedClusters":255}}',
      );
      await eventually('it is drained', () => routeOf('west-2', '10.2.1.0/24') === '');
      expect((await from.status()).peers[0]).toMatchObject({ ready: false, reason: 'id-is-ours', nodes: 0 });
      lab.begin(publisher);
      await eventually('it is back', () => routeOf('west-2', '10.2.1.0/24') !== '');
      writeFileSync(`${from.folder}/peers/east`, '');
      await eventually('it is drained again', () => routeOf('west-2', '10.2.1.0/24') === '');
      expect((await from.status()).peers).toEqual([]);
      writeFileSync(`${from.folder}/peers/east`, lab.access('east', 'remote'));
      await eventually('it is back again', () => routeOf('west-2', '10.2.1.0/24') !== '');
    }, 120_000);

    it('leave nothing in the kernel after `herald mesh flush`', async () => {
      const from = lab.node('west', 2);
      await from.herald?.stop();
      expect(routeOf('west-2', '10.2.1.0/24')).toContain('proto 174');
      from.cli('mesh', 'flush');
      expect(from.node.ip('route')).not.toContain('proto 174');
      expect(from.node.ip('nexthop')).not.toContain('proto 174');
      expect(() => from.node.ip('link', 'show', 'herald.vx')).toThrow();
    }, 60_000);
  },
);
