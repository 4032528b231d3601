/**
 * Two clusters of two nodes, each node on a link of its own to one router: pods reach each other over the overlay, or
 * by what the fabric teaches (FRR); and a gateway says to the fabric what it knows of the other cluster, marked with
 * where it comes from.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Router } from '../support/daemons/daemon.ts';
import { startDaemon } from '../support/daemons/start.ts';
import type { Manifest } from '../support/herald-run.ts';
import { eventually } from '../support/wait.ts';
import { MeshLab, type MeshNode, meshLabMissing } from './mesh-lab.ts';
import { PingRun } from './mesh-ping.ts';

const missing = meshLabMissing();
const torAsn = 65100;
const asnOf = (node: MeshNode) => 65000 + (node.cluster === 'west' ? 10 : 20) + node.number;
const gatewayOf = (node: MeshNode) => node.address.replace(/2$/, '1');

/** The node's own PodCIDR to the router on its link. */
const policy = (node: MeshNode): Manifest => ({
  apiVersion: 'cilium.io/v2alpha1',
  kind: 'CiliumBGPPeeringPolicy',
  metadata: { name: 'tor' },
  spec: {
    virtualRouters: [
      {
        localASN: asnOf(node),
        exportPodCIDR: true,
        neighbors: [
          {
            peerAddress: `${gatewayOf(node)}/32`,
            peerASN: torAsn,
            connectRetryTimeSeconds: 1,
            holdTimeSeconds: 9,
            keepAliveTimeSeconds: 3,
          },
        ],
      },
    ],
  },
});

function startTor(lab: MeshLab): Promise<Router> {
  return startDaemon('frr', lab.router, {
    asn: torAsn,
    routerId: '192.0.2.100',
    addresses: lab.nodes.map(gatewayOf),
    peers: lab.nodes.map(node => ({ address: node.address, asn: asnOf(node), passive: true })),
  });
}

describe.skipIf(missing !== undefined)(
  `clusters behind a router${missing === undefined ? '' : `: skipped, ${missing}`}`,
  () => {
    describe('over the overlay', () => {
      let lab: MeshLab;
      let tor: Router | undefined;
      beforeAll(async () => {
        lab = new MeshLab({
          topology: 'routed',
          pods: ['ipv4', 'ipv6'],
          manifests: node => [policy(node)],
          words: ['--mesh-routing', 'vxlan', '--mesh-advertise-remote', '--mesh-import', '10.0.0.0/8'],
        });
        tor = await startTor(lab);
        await lab.start();
      }, 180_000);
      afterAll(async () => {
        await tor?.stop();
        await lab?.close();
      }, 60_000);

      it('reach each other, whatever BGP knows, with packets as large as the overlay takes', async () => {
        await lab.allReach();
        const [from, to] = [lab.node('west', 2), lab.node('east', 2)];
        expect((await from.status()).routes.byWay).toEqual({ vxlan: 6 });
        expect(from.node.ip('-d', 'link', 'show', 'herald.vx')).toMatch(/mtu 1450 .*vxlan id 26732/s);
        // 1450 less 28 octets of IP and ICMP.
        expect(from.pod.run('ping', '-c', '1', '-W', '2', '-s', '1422', '-M', 'dont', to.podAddress)).toContain(
          '1 received',
        );
        const pings = new PingRun(from.pod, to.podAddress);
        await from.herald?.stop('SIGKILL');
        lab.begin(from);
        await lab.serves(from);
        const { sent, lost } = await pings.end();
        console.error(`agent killed, overlay: ${lost} of ${sent} pings lost`);
        expect(lost).toBe(0);
      }, 120_000);

      it('tell the fabric of the other cluster, marked; what comes back home is refused', async () => {
        await eventually('the router knows east’s pods from west', () => {
          const route = tor?.route('10.2.1.0/24');
          return route !== undefined && tor?.asPaths('ipv4').get('10.2.1.0/24') !== undefined;
        });
        const west = lab.node('west', 1);
        const told = JSON.parse(west.cli('bgp', 'routes', 'out', 'ipv4', '-o', 'json', '--socket', west.socket)) as {
          prefix: string;
          largeCommunities?: string[];
        }[];
        expect(told.find(each => each.prefix === '10.2.1.0/24')?.largeCommunities).toEqual([
          `${asnOf(west)}:1835365224:2`,
        ]);
        expect(told.find(each => each.prefix === '10.1.1.0/24')?.largeCommunities ?? []).toEqual([]);
        // East's own prefix, as west says it, reaches east by its other node's session only as one that came back.
        const east = lab.node('east', 1);
        const verdicts = await eventually('east hears of 10.2.2.0/24', async () => {
          const all = await east.routes('10.2.2.1');
          return all.length > 1 && all;
        });
        expect(verdicts[0]).toMatchObject({ from: ['east/east-2'] });
        expect(['came-back', 'less-preferred']).toContain(verdicts[1]?.reason);
      }, 60_000);
    });

    describe('by what the fabric teaches', () => {
      let lab: MeshLab;
      let tor: Router | undefined;
      beforeAll(async () => {
        lab = new MeshLab({
          topology: 'routed',
          manifests: node => [policy(node)],
          words: ['--mesh-routing', 'bgp', '--mesh-import', '10.0.0.0/8'],
        });
        tor = await startTor(lab);
        await lab.start();
      }, 180_000);
      afterAll(async () => {
        await tor?.stop();
        await lab?.close();
      }, 60_000);

      it('reach each other through the router, and follow what it says', async () => {
        await lab.allReach();
        const from = lab.node('west', 2);
        expect((await from.status()).routes.byWay).toEqual({ bgp: 3 });
        expect(from.node.ip('route', 'show', '10.2.1.0/24')).toContain('proto 174');
        tor?.change(['10.77.0.0/24', '172.16.0.0/24', '0.0.0.0/0'], []);
        await eventually('a prefix of the ranges is taken', () =>
          from.node.ip('route', 'show', '10.77.0.0/24').includes('proto 174'),
        );
        expect(from.node.ip('route')).not.toMatch(/172\.16\.0\.0|default/);
        tor?.change([], ['10.77.0.0/24']);
        await eventually('and goes with it', () => from.node.ip('route', 'show', '10.77.0.0/24') === '');
        expect((await from.routes('10.2.1.5')).map(each => [each.from[0]?.split(' ')[0], each.reason])).toEqual([
          ['east/east-1', undefined],
          ['bgp', 'less-preferred'],
        ]);
      }, 120_000);
    });
  },
);
