/** Desired sessions made true, against another speaker in memory: what is kept, what leaves how, what is said of it. */
import { beforeEach, describe, expect, it } from 'vitest';
import { ConflictError } from '../../src/runtime/ports.ts';
import {
  advertisement,
  instance,
  node,
  nodeConfig,
  peerConfig,
  routerAddress,
  secret,
  service,
  World,
} from '../support/bgp-world.ts';
import { turns } from '../support/memory-transport.ts';

const all = [node(), nodeConfig(), peerConfig(), advertisement, service('web', '192.0.2.1')];
const everything = ['10.244.1.0/24', '192.0.2.1/32'];

describe('sessions as desired', () => {
  let world: World;
  beforeEach(async () => {
    world = new World();
    await world.pass(all);
  });

  it('tells everything when a session comes up, and what changes afterwards', async () => {
    expect(world.told()).toEqual(everything);
    await world.pass([service('more', '192.0.2.2')], [['Service', 'web']]);
    expect(world.told()).toEqual(['10.244.1.0/24', '192.0.2.2/32']);
    expect(world.sessions()).toEqual([1, 0]);
  });

  it('applying the same again sends nothing', async () => {
    const before = world.target.instances.get('main');
    const sent = () => before?.speaker.peers(0)[0]?.sent;
    const was = sent();
    await world.pass([]);
    await world.pass([{ ...node(), metadata: { name: 'n1', annotations: { heartbeat: 'now' } } }]);
    expect(sent()).toEqual(was);
    expect(world.target.instances.get('main')).toBe(before);
  });

  it('an instance that cannot be configured any more runs on, and its routes still follow (§2.1)', async () => {
    await world.pass([nodeConfig([instance({ localASN: undefined })]), service('more', '192.0.2.2')]);
    expect(world.told()).toEqual([...everything, '192.0.2.2/32']);
    expect(world.sessions()).toEqual([1, 0]);
  });

  it('nothing that can be understood: everything stays; nothing that is for this node: everything goes', async () => {
    const refused = { ...nodeConfig(), spec: { bgpInstances: 'none' } };
    world.notes.builder.delete('CiliumBGPNodeConfig', '', 'n1');
    await world.pass([refused]);
    expect(world.told()).toEqual(everything);
    world.notes.builder.fault({
      ref: { kind: 'CiliumBGPNodeConfig', namespace: '', name: 'n1' },
      generation: 0,
      faults: [],
    });
    await world.pass([]);
    expect(world.told()).toEqual([]);
    expect(world.lastWords()).toBe('received cease: administrative shutdown "no longer configured"');
    expect(world.target.instances.size).toBe(0);
  });

  it('another router ID is another speaker; another listening port is not', async () => {
    await world.pass([nodeConfig([instance({ localPort: 1179 })])]);
    expect(world.sessions()).toEqual([1, 0]);
    await world.pass([nodeConfig([instance({ localPort: 1179, routerID: '10.9.9.9' })])]);
    expect(world.sessions()[1]).toBe(1);
    await world.wait(5000);
    expect(world.told()).toEqual(everything);
  });

  it('a peer that is somebody else now does not keep the session of the one before', async () => {
    const other = { name: 'tor', peerASN: 65003, peerAddress: routerAddress, peerConfigRef: { name: 'tor' } };
    await world.pass([peerConfig({ authSecretRef: 'tor' }), nodeConfig([instance({ peers: [other] })])]);
    expect(world.sessions()).toEqual([1, 1]);
    expect(world.lastWords()).toContain('peer de-configured');
  });
});

describe('passwords (§2.3)', () => {
  it('a Secret that goes leaves the session; without one none is started, never one without a password', async () => {
    const world = new World('s3cr3t');
    await world.pass([...all, peerConfig({ authSecretRef: 'tor' })]);
    expect(world.target.instances.get('main')?.speaker.peers(0)).toEqual([]);
    await world.pass([secret('s3cr3t')]);
    expect(world.told()).toEqual(everything);
    await world.pass([service('more', '192.0.2.2')], [['Secret', 'tor']]);
    expect(world.told()).toEqual([...everything, '192.0.2.2/32']);
    await world.pass([secret('')]);
    expect(world.sessions()).toEqual([1, 0]);
    const said = [world.log.lines, world.notes, world.target.samples(), await world.metrics.text()];
    expect(JSON.stringify(said)).not.toContain('s3cr3t');
  });
});

describe('a node that leaves (RFC 8326)', () => {
  const cases = [
    ['cordoned', node({ unschedulable: true })],
    ['excluded by its label', node({}, { 'node.kubernetes.io/exclude-from-external-load-balancers': '' })],
  ] as const;
  it.each(cases)('%s: addresses of Services become the last choice, then go; PodCIDRs stay', async (_, leaving) => {
    const world = new World();
    await world.pass(all);
    await world.pass([leaving]);
    expect(world.told()).toEqual(['10.244.1.0/24', '192.0.2.1/32 graceful-shutdown']);
    await world.wait(4999);
    expect(world.told()).toHaveLength(2);
    await world.wait(1);
    expect(world.told()).toEqual(['10.244.1.0/24']);
    await world.pass([node()]);
    expect(world.told()).toEqual(everything);
    expect(world.sessions()).toEqual([1, 0]);
  });

  it('one that comes back in time has withdrawn nothing; one that starts so announces nothing', async () => {
    const world = new World();
    await world.pass([...all, cases[0][1]]);
    expect(world.told()).toEqual(['10.244.1.0/24']);
    await world.pass([node()]);
    await world.pass([cases[0][1]]);
    await world.pass([node()]);
    await world.wait(60_000);
    expect(world.told()).toEqual(everything);
  });
});

describe('the end of the process', () => {
  it('drain: last choice, withdrawal, then the reason (B21)', async () => {
    const world = new World(undefined, true);
    await world.pass([...all, peerConfig({ gracefulRestart: { enabled: true } })]);
    const stopped = world.target.stop({ kind: 'drain', leaveMs: 1000 });
    await turns();
    expect(world.told()).toEqual(everything.map(prefix => `${prefix} graceful-shutdown`));
    await world.wait(1000);
    expect(world.told()).toEqual([]);
    await world.wait(1000);
    await stopped;
    await turns();
    expect(world.lastWords()).toContain('node drains');
    expect(world.told()).toEqual([]);
  });

  it('restart: peers that agreed keep the routes, the others lose them at once (RFC 4724)', async () => {
    for (const agreed of [true, false]) {
      const world = new World(undefined, agreed);
      await world.pass([...all, peerConfig({ gracefulRestart: { enabled: true } })]);
      await world.target.stop({ kind: 'restart' });
      await turns();
      expect(world.sessions()).toEqual([1, 1]);
      expect(world.told()).toEqual(agreed ? everything : []);
    }
  });
});

describe('what is said about sessions', () => {
  it('writes the status of the CiliumBGPNodeConfig when it differs, at most once a second', async () => {
    const world = new World();
    await world.pass(all);
    await world.wait(3000);
    const { statuses } = world.notes;
    expect(statuses.at(-1)?.status).toMatchObject({
      bgpInstances: [
        {
          name: 'main',
          localASN: 65001,
          peers: [
            {
              ...{ name: 'tor', peerAddress: routerAddress, peerASN: 65002, peeringState: 'established' },
              timers: { appliedHoldTimeSeconds: 90, appliedKeepaliveSeconds: 30 },
              establishedTime: '2026-01-01T00:00:00Z',
              routeCount: [{ afi: 'ipv4', safi: 'unicast', received: 0, advertised: 2 }],
            },
          ],
        },
      ],
    });
    const written = statuses.length;
    await world.wait(120_000);
    expect(statuses).toHaveLength(written);
    for (let i = 0; i < 20; i++) {
      await world.pass([service(`s${i}`, `192.0.2.${100 + i}`)]);
      await world.wait(100);
    }
    await world.wait(2000);
    const times = statuses.map(each => each.atMs);
    expect(times.slice(1).every((at, i) => at - (times[i] ?? 0) >= 1000)).toBe(true);
    expect(statuses.length - written).toBeLessThanOrEqual(4);
    expect(JSON.stringify(statuses.at(-1)?.status)).toContain('"advertised":22');
  });

  it('takes the status back when a policy decides, and does not mind an object that is gone', async () => {
    const world = new World();
    await world.pass(all);
    await world.wait(2000);
    world.notes.failWith = new ConflictError('gone');
    await world.pass([service('more', '192.0.2.2')]);
    await world.wait(2000);
    world.notes.failWith = undefined;
    await world.wait(20_000);
    expect(JSON.stringify(world.notes.statuses.at(-1)?.status)).toContain('"advertised":3');
    await world.pass([], [['CiliumBGPNodeConfig', 'n1']]);
    await world.wait(2000);
    expect(world.notes.statuses.at(-1)?.status).toEqual({});
  });

  it('records sessions that come and go, in words, and counts under known names', async () => {
    const world = new World();
    await world.pass(all);
    const labels = { vrouter: '65001', neighbor: '10.0.0.2:179', neighbor_asn: '65002' };
    expect(world.target.samples()).toEqual([
      { name: 'cilium_bgp_control_plane_session_state', labels, value: 1 },
      {
        name: 'cilium_bgp_control_plane_advertised_routes',
        labels: { ...labels, afi: 'ipv4', safi: 'unicast' },
        value: 2,
      },
      {
        name: 'cilium_bgp_control_plane_received_routes',
        labels: { ...labels, afi: 'ipv4', safi: 'unicast' },
        value: 0,
      },
    ]);
    await world.pass([service('more', '192.0.2.2')]);
    expect(await world.metrics.text()).toContain('herald_bgp_change_to_update_seconds_count 1\n');
    await world.pass([nodeConfig([instance({ peers: [] })])]);
    expect(world.notes.events.map(({ type, reason, message }) => `${type} ${reason}: ${message}`)).toEqual([
      'Normal BGPSessionUp: node n1, instance main, peer tor 10.0.0.2 (AS 65002): session up (ipv4-unicast)',
      'Warning BGPSessionDown: node n1, instance main, peer tor: session down: sent cease: peer de-configured',
    ]);
  });
});
