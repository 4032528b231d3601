/**
 * A lab with a cluster's nodes, as it is typed: pods answer through the service rules with either traffic policy, the
 * cluster follows its manifests, and `verify` sees what is well and what is not.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readLab, removeLab } from '../../src/lab/lab-state.ts';
import { placesOf } from '../../src/lab/place.ts';
import { type Report, verifyLab } from '../../src/lab/verify.ts';
import { daemonMissing } from '../support/daemons/daemon.ts';
import { hostLinks, leftovers } from '../support/lab-leftovers.ts';
import { namespacesMissing } from '../support/netns.ts';
import { herald } from '../support/run-herald.ts';
import { eventually } from '../support/wait.ts';

const missing =
  namespacesMissing() ??
  (daemonMissing('frr') === undefined ? undefined : 'FRR is not installed') ??
  ['nft', 'curl'].map(programMissing).find(each => each !== undefined);
if (missing !== undefined) console.error(`a lab's cluster is not tested: ${missing}`);

function programMissing(program: string): string | undefined {
  try {
    execFileSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' });
    return undefined;
  } catch {
    return `${program} is not installed`;
  }
}

const lab = `verify-${process.pid}`;

const topology = `name: ${lab}
topology:
  kinds: {linux: {image: "herald:test"}}
  nodes:
    tor:
      kind: linux
      image: frrouting/frr:v8.4.0
      sysctls: {net.ipv6.conf.all.forwarding: 1}
      exec:
        - ip link add rack type bridge
        - ip link set eth1 master rack
        - ip link set eth2 master rack
        - ip link set rack up
        - ip addr add 10.0.0.1/24 dev rack
        - ip addr add fd00:a::1/64 dev rack
        - ip addr add 10.9.0.1/24 dev eth3
        - ip addr add fd00:9::1/64 dev eth3
        - sed -i -e 's/bgpd=no/bgpd=yes/g' /etc/frr/daemons
        - /usr/lib/frr/frrinit.sh start
        - >-
          vtysh -c 'conf t' -c 'router bgp 65000' -c 'bgp router-id 10.0.0.1' -c 'no bgp ebgp-requires-policy'
          -c 'neighbor NODES peer-group' -c 'neighbor NODES remote-as 65001' -c 'neighbor 10.0.0.11 peer-group NODES'
          -c 'neighbor 10.0.0.12 peer-group NODES' -c 'address-family ipv6 unicast' -c 'neighbor NODES activate'
    node1:
      kind: linux
      exec:
        - ip addr add 10.0.0.11/24 dev eth1
        - ip addr add fd00:a::11/64 dev eth1
        - ip route replace default via 10.0.0.1
        - ip -6 route replace default via fd00:a::1
    node2:
      kind: linux
      exec:
        - ip addr add 10.0.0.12/24 dev eth1
        - ip addr add fd00:a::12/64 dev eth1
        - ip route replace default via 10.0.0.1
        - ip -6 route replace default via fd00:a::1
    client:
      kind: linux
      image: alpine
      exec:
        - ip addr add 10.9.0.2/24 dev eth1
        - ip addr add fd00:9::2/64 dev eth1
        - ip route replace default via 10.9.0.1
        - ip -6 route replace default via fd00:9::1
  links:
    - endpoints: ["tor:eth1", "node1:eth1"]
    - endpoints: ["tor:eth2", "node2:eth1"]
    - endpoints: ["tor:eth3", "client:eth1"]
`;

const service = (name: string, address: string, more = '') => `---
apiVersion: v1
kind: Service
metadata: {name: ${name}, annotations: {"lbipam.cilium.io/ips": "${address}"}}
spec: {type: LoadBalancer, selector: {app: web}, ports: [{port: 80, targetPort: http}]${more}}
`;

const manifests = (replicas: number) => `
apiVersion: cilium.io/v2
kind: CiliumLoadBalancerIPPool
metadata: {name: pool}
spec: {blocks: [{cidr: 192.0.2.0/24}, {cidr: "2001:db8:1::/112"}]}
---
apiVersion: cilium.io/v2alpha1
kind: CiliumBGPPeeringPolicy
metadata: {name: all}
spec:
  virtualRouters:
    - localASN: 65001
      exportPodCIDR: true
      serviceSelector: {matchExpressions: [{key: none, operator: DoesNotExist}]}
      neighbors:
        - peerAddress: 10.0.0.1/32
          peerASN: 65000
          families: [{afi: ipv4, safi: unicast}, {afi: ipv6, safi: unicast}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: ${replicas}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: nginx, ports: [{name: http, containerPort: 8080}]}]}
${service('cluster', '192.0.2.1,2001:db8:1::1', ', ipFamilyPolicy: RequireDualStack')}
${service('local', '192.0.2.2', ', externalTrafficPolicy: Local')}
${service('sticky', '192.0.2.3', ', sessionAffinity: ClientIP')}
${service('nobody', '192.0.2.4').replace('app: web', 'app: nobody')}
`;

describe.skipIf(missing !== undefined)('a lab with nodes of a cluster', { timeout: 300_000 }, () => {
  const folder = mkdtempSync('/tmp/herald-verify-');
  const links = hostLinks();
  const write = (replicas: number) => writeFileSync(join(folder, 'all.yaml'), manifests(replicas));
  const place = (name: string) => placesOf(lab).find(each => each.name === name) ?? expect.unreachable(name);
  const curl = async (from: string, address: string) => {
    const { status, stdout } = await place(from).run(['curl', '-sS', '--max-time', '5', `http://${address}/`]);
    return status === 0 ? stdout.trim() : `status ${status}`;
  };
  const verify = (waitMs: number) => verifyLab(readLab(lab) ?? expect.unreachable(), waitMs);
  const failed = (report: Report) => report.checks.filter(({ ok }) => !ok);

  beforeAll(async () => {
    writeFileSync(join(folder, 't.clab.yml'), topology);
    write(2);
    const up = await herald('lab', 'up', join(folder, 't.clab.yml'), '--manifests', join(folder, 'all.yaml'));
    expect(`${up.err} ${up.status}`).toBe(' 0');
  }, 300_000);

  afterAll(async () => {
    await removeLab(lab);
    rmSync(folder, { recursive: true, force: true });
    expect(leftovers(lab, links)).toEqual([]);
  }, 120_000);

  it('is well: sessions from both ends, routes where they were sent, addresses from everywhere', async () => {
    const report = await verify(60_000);
    expect(failed(report)).toEqual([]);
    const rows = report.checks.map(({ what, from, to }) => `${what} ${from} ${to}`);
    for (const each of ['session node1 10.0.0.1 (tor)', 'session tor 10.0.0.12 (node2)', 'route node2 tor'])
      expect(rows).toContain(each);
    for (const from of ['tor', 'client', 'node1', 'node2']) {
      expect(rows).toContain(`address ${from} http://192.0.2.2:80/ (default/local)`);
      expect(rows).toContain(`address ${from} http://[2001:db8:1::1]:80/ (default/cluster)`);
    }
    expect(report.checks.find(({ to }) => to.includes('nobody'))).toMatchObject({ ok: true });
  });

  it('externalTrafficPolicy Cluster: pods of either node answer, to the address of a node', async () => {
    const answers = await Promise.all(Array.from({ length: 24 }, () => curl('client', '192.0.2.1')));
    expect(new Set(answers.map(each => each.split(' to ')[0]))).toEqual(
      new Set(['default/web-1 on node1', 'default/web-2 on node2']),
    );
    for (const each of answers) expect(each).not.toMatch(/ to 10\.9\.0\.2$/);
  });

  it('externalTrafficPolicy Local: the pod sees the client', async () => {
    expect(await curl('client', '192.0.2.2')).toMatch(/^default\/web-[12] on node[12] to 10\.9\.0\.2$/);
  });

  it('sessionAffinity ClientIP: one client, one pod', async () => {
    const answers = await Promise.all(Array.from({ length: 12 }, () => curl('node1', '192.0.2.3')));
    expect(new Set(answers.map(each => each.split(' on ')[0])).size).toBe(1);
  });

  it('a Service without endpoints refuses', async () => {
    expect(await curl('client', '192.0.2.4')).toBe('status 7');
  });

  it('pods reach Services, themselves by way of one, and pods of other nodes', async () => {
    const answers = await Promise.all(Array.from({ length: 12 }, () => curl('web-1.default', '192.0.2.1')));
    expect(new Set(answers.map(each => each.split(' ')[0]))).toEqual(new Set(['default/web-1', 'default/web-2']));
    const { stdout } = await place('web-2.default').run(['ip', '-j', '-4', 'addr', 'show', 'eth0']);
    const address = /"local":"([0-9.]+)"/.exec(stdout)?.[1] ?? expect.unreachable(stdout);
    expect(await curl('web-1.default', `${address}:8080`)).toMatch(/^default\/web-2 on node2 to 10\./);
  });

  it('ClusterIPs are reached from the nodes', async () => {
    const applied = readFileSync(`/run/herald-lab/${lab}/manifests/applied.yaml`, 'utf8');
    const address = /"clusterIP": "(10\.96\.[0-9.]+)"/.exec(applied)?.[1] ?? expect.unreachable(applied);
    expect(await curl('node2', address)).toMatch(/^default\/web-[12] on node[12] to /);
  });

  it('follows its manifests: one replica less, and Local announces from one node alone', async () => {
    write(1);
    await eventually('web-2 is gone', () => placesOf(lab).every(({ name }) => name !== 'web-2.default'));
    await eventually('only node1 answers', async () => {
      const answers = await Promise.all(Array.from({ length: 6 }, () => curl('client', '192.0.2.2')));
      return answers.every(each => each === 'default/web-1 on node1 to 10.9.0.2');
    });
    expect(failed(await verify(60_000))).toEqual([]);
    write(3);
    await eventually('web-3 answers', async () => (await curl('client', '192.0.2.1')).startsWith('default/web-3'));
  });

  it('verify names what is not well, and ends with 1', async () => {
    await place('tor').run(['vtysh', '-c', 'conf t', '-c', 'router bgp 65000', '-c', 'neighbor 10.0.0.11 shutdown']);
    await eventually('the session is down', async () => {
      const rows = failed(await verify(0)).map(({ what, from, to }) => `${what} ${from} ${to}`);
      return rows.includes('session node1 10.0.0.1 (tor)') && rows.includes('session tor 10.0.0.11 (node1)');
    });
    // Last: without rules each look waits for what does not answer.
    await place('node2').run(['nft', 'delete', 'table', 'inet', 'herald-lab-proxy']);
    const { status, out } = await herald('lab', 'verify', lab, '--wait', '0s');
    expect(status).toBe(1);
    expect(out).toMatch(/FAILED {2}address {2}node2 +http:\/\/192\.0\.2\.1:80\//);
    expect(out).toMatch(/[0-9]+ of [0-9]+ failed\n$/);
  });
});
