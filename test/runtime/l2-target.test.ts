/**
 * Policies, Services and links in, answered addresses and Leases out: the announcer's cases (reference
 * cilium-announcements §3.2, peers §3.4) with every node, its ownership and its store in one process.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { readArp } from '../../src/l2/arp.ts';
import { IpAddress } from '../../src/net/ip.ts';
import { hostFacts, L2World, policy, service } from './l2-world.ts';

const a = '192.0.2.1';
const b = '192.0.2.2';
const leaseOf = (name: string) => `cilium-l2announce-default-${name}`;

let world: L2World;
beforeEach(() => {
  world = new L2World();
});

describe('one node', () => {
  it('L1, L26, L27: one row for each address; the Lease is named after the Service and held by the node', async () => {
    const n1 = world.node('n1');
    world.objects.put(policy());
    world.objects.put(service('web', [a], { externalIPs: [b] }));
    await world.run(2000);
    expect(n1.answers()).toEqual([`${a} 2`, `${b} 2`]);
    expect(world.lease(leaseOf('web'))?.spec.holderIdentity).toBe('n1');
    expect(world.lease('herald-l2-session-n1')?.metadata.annotations['herald.io/l2-links']).toBe(
      'eth0 192.0.2.250/24 2001:db8::ff/64',
    );
  });

  const policyFirst = () => world.objects.put(policy());
  const serviceFirst = () => world.objects.put(service('web', [a]));
  const linkFirst = () => {
    for (const node of world.nodes) {
      node.host = hostFacts({ eth0: ['192.0.2.250/24'] });
      node.wake();
    }
  };
  const orders = [
    [policyFirst, serviceFirst, linkFirst],
    [policyFirst, linkFirst, serviceFirst],
    [serviceFirst, policyFirst, linkFirst],
    [serviceFirst, linkFirst, policyFirst],
    [linkFirst, policyFirst, serviceFirst],
    [linkFirst, serviceFirst, policyFirst],
  ] as const;
  it.each(
    orders.map((order, i) => [i + 1, order] as const),
  )('L2: order %i of arrival leads to the same', async (_, order) => {
    const n1 = world.node('n1');
    n1.host = hostFacts({});
    for (const step of order) {
      step();
      await world.run(300);
    }
    await world.run(2000);
    expect(n1.answers()).toEqual([`${a} 2`]);
  });

  it('L3: two policies; rows stay until the second is gone, then the Lease is let go', async () => {
    const n1 = world.node('n1');
    world.objects.put(policy({}, 'one'));
    world.objects.put(policy({}, 'two'));
    world.objects.put(service('web', [a]));
    await world.run(2000);
    world.objects.delete({ kind: 'CiliumL2AnnouncementPolicy', namespace: '', name: 'one' });
    await world.run(500);
    expect(n1.answers()).toEqual([`${a} 2`]);
    world.objects.delete({ kind: 'CiliumL2AnnouncementPolicy', namespace: '', name: 'two' });
    await world.run(500);
    expect(n1.answers()).toEqual([]);
    expect(world.lease(leaseOf('web'))?.spec.holderIdentity ?? '').toBe('');
  });

  it.each<[string, () => unknown, readonly string[]]>([
    [
      'L8: only external addresses',
      () => world.objects.put(policy({ loadBalancerIPs: false, interfaces: ['^eth0$'] })),
      [`${b} 2`],
    ],
    ['L9: another interface', () => world.objects.put(policy({ interfaces: ['^eth1$'] })), [`${a} 3`, `${b} 3`]],
    ['L15: an address less', () => world.objects.put(service('web', [a])), [`${a} 2`]],
    [
      'L16: an address more',
      () => world.objects.put(service('web', [a, '192.0.2.3'], { externalIPs: [b] })),
      [`${a} 2`, `${b} 2`, '192.0.2.3 2'],
    ],
    [
      'L17, L6: no policy selects the Service',
      () => world.objects.put(policy({ serviceSelector: { matchLabels: { app: 'x' } } })),
      [],
    ],
    [
      'L20: the Service is gone',
      () => world.objects.delete({ kind: 'Service', namespace: 'default', name: 'web' }),
      [],
    ],
  ])('%s', async (_, change, expected) => {
    const n1 = world.node('n1');
    n1.host = hostFacts({ eth0: ['192.0.2.250/24'], eth1: ['192.0.2.251/24'] });
    world.objects.put(policy({ interfaces: ['^eth0$'] }));
    world.objects.put(service('web', [a], { externalIPs: [b] }));
    await world.run(2000);
    expect(n1.answers()).toEqual([`${a} 2`, `${b} 2`]);
    change();
    await world.run(1000);
    expect(n1.answers()).toEqual(expected);
  });

  it('L21: started and stopped it leaves nothing running', async () => {
    const n1 = world.node('n1');
    world.objects.put(policy());
    world.objects.put(service('web', [a]));
    await world.run(2000);
    const left = n1.target.leave('leave');
    await world.run(200);
    await left;
    await n1.target.close({ keep: false });
    expect(n1.responder.closed).toEqual({ keep: false });
    expect(world.clock.pending).toBe(0);
  });

  it('L25: two Services on one address are one row, and stay one when one of them goes', async () => {
    const n1 = world.node('n1');
    world.objects.put(policy());
    world.objects.put(service('web', [a]));
    world.objects.put(service('later', [a]));
    await world.run(2000);
    expect(n1.answers()).toEqual([`${a} 2`]);
    world.objects.delete({ kind: 'Service', namespace: 'default', name: 'later' });
    await world.run(1000);
    expect(n1.answers()).toEqual([`${a} 2`]);
  });

  it('L28: what was let go is cleared away within a minute; what is held or somebody else’s is not', async () => {
    world.node('n1');
    const lease = (name: string, holderIdentity: string) =>
      world.objects.put({
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata: { name, namespace: 'kube-system' },
        spec: { holderIdentity, leaseDurationSeconds: 15 },
      });
    lease(leaseOf('gone'), '');
    lease('kube-controller-manager', '');
    world.objects.put(policy());
    world.objects.put(service('web', [a]));
    await world.run(60_000);
    expect(world.lease(leaseOf('gone'))).toBeUndefined();
    expect(world.lease('kube-controller-manager')).toBeDefined();
    expect(world.lease(leaseOf('web'))?.spec.holderIdentity).toBe('n1');
  });

  it('L29: without any policy what was left is swept once, Leases and kernel', async () => {
    const n1 = world.node('n1');
    world.objects.put(policy());
    world.objects.put(service('web', [a]));
    await world.run(2000);
    world.objects.delete({ kind: 'CiliumL2AnnouncementPolicy', namespace: '', name: 'lan' });
    await world.run(1000);
    expect(world.lease(leaseOf('web'))).toBeUndefined();
    expect(n1.cleanedUp).toBeGreaterThan(0);
    expect(n1.responder.closed).toEqual({ keep: false });
  });

  it('E16: an address of a subnet that the node is not in is announced nowhere', async () => {
    const n1 = world.node('n1');
    world.objects.put(policy());
    world.objects.put(service('web', ['198.51.100.1']));
    await world.run(2000);
    expect(n1.answers()).toEqual([]);
  });
});

describe('two nodes', () => {
  beforeEach(async () => {
    world.node('n1');
    world.node('n2');
    world.objects.put(policy());
    await world.run(2000);
    world.objects.put(service('web', [a]));
    await world.run(2000);
    expect(world.who(a)).toHaveLength(1);
  });

  const parts = () => {
    const owner = world.nodes.find(node => node.answers().length > 0) ?? expect.fail('nobody answers');
    const other = world.nodes.find(node => node !== owner) ?? expect.fail('one node');
    return { owner, other };
  };

  it('L32, E18: a graceful stop falls silent first, and another node answers in a moment', async () => {
    const { owner, other } = parts();
    const left = owner.target.leave('leave');
    expect(owner.answers()).toEqual([]);
    await world.run(300);
    await left;
    expect(other.answers()).toEqual([`${a} 2`]);
  });

  it('L4, E9: a cordoned node hands over', async () => {
    const { owner, other } = parts();
    const metadata = { name: owner.name, labels: { name: owner.name } };
    world.objects.put({
      apiVersion: 'v1',
      kind: 'Node',
      metadata,
      spec: { unschedulable: true },
      status: { addresses: [] },
    });
    await world.run(300);
    expect(world.who(a)).toEqual([other.name]);
  });

  it('#35507: a link that goes down hands over at once, and does not take back when it comes up', async () => {
    const { owner, other } = parts();
    const up = owner.host;
    owner.host = hostFacts({ eth0: ['192.0.2.250/24'] }, false);
    owner.wake();
    await world.run(300);
    expect(world.who(a)).toEqual([other.name]);
    owner.host = up;
    owner.wake();
    await world.run(5000);
    expect(world.who(a)).toEqual([other.name]);
  });

  it('#27800: with externalTrafficPolicy Local the address follows the last ready endpoint', async () => {
    const slice = (node: string) =>
      world.objects.put({
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: { name: 'web-1', namespace: 'default', labels: { 'kubernetes.io/service-name': 'web' } },
        addressType: 'IPv4',
        endpoints: [{ addresses: ['10.0.0.1'], nodeName: node, conditions: { ready: true } }],
        ports: [],
      });
    slice('n1');
    world.objects.put(service('web', [a], { externalTrafficPolicy: 'Local' }));
    await world.run(1000);
    expect(world.who(a)).toEqual(['n1']);
    slice('n2');
    await world.run(1000);
    expect(world.who(a)).toEqual(['n2']);
  });

  it('E19: an owner that does not reach the store is silent before another answers, unless it holds', async () => {
    const { owner, other } = parts();
    owner.store.reachable = false;
    for (let ms = 0; ms < 6000 && other.answers().length === 0; ms += 10) {
      await world.run(10);
      // A claim reaches everybody on the wire.
      if (
        other.responders.length > 0 &&
        other.responder.rows.some(row => row.mode !== 'session') &&
        owner.answers().length > 0
      )
        for (const row of owner.responder.rows)
          owner.responder.events.heard({
            address: row.address,
            link: row.link,
            mac: { value: 7 },
            kind: 'claim',
            yielded: row.mode === 'hold',
          });
      expect(world.who(a).length).toBeLessThan(2);
    }
    expect(world.who(a)).toEqual([other.name]);
  });

  it('E19: a renewal that the store took and nobody heard of: the owner asks, and need not be shown it', async () => {
    const { owner, other } = parts();
    owner.store.watching = false;
    owner.store.mute = true;
    await world.run(1500);
    owner.store.mute = false;
    await world.run(8000);
    expect([owner.answers(), other.answers()]).toEqual([[`${a} 2`], []]);
    expect(owner.target.shown?.ownership.holding).toBe(false);
    expect(world.lease(leaseOf('web'))?.spec.holderIdentity).toBe(owner.name);
  });

  it('a node whose session was ended is asked for where it was, by a process that never saw it, too', async () => {
    const { owner, other } = parts();
    owner.host = hostFacts({ eth0: ['192.0.2.251/24'] });
    owner.wake();
    await world.run(1500);
    owner.store.reachable = false;
    await world.run(6000);
    const session = world.lease(`herald-l2-session-${owner.name}`);
    expect(session?.spec.holderIdentity).toBe('');
    expect(session?.metadata.annotations['herald.io/l2-links']).toBe('eth0 192.0.2.251/24');
    other.store.reachable = false;
    const next = world.node(other.name);
    await world.run(2000);
    expect(next.target.shown?.groups.map(each => each.candidates)).toEqual([[other.name]]);
    next.responder.carried = [{ link: 2, heardMs: 0, speaker: undefined }];
    next.store.reachable = false;
    for (let ms = 0; ms < 5000 && next.target.shown?.ownership.holding !== true; ms += 10) await world.run(10);
    next.responder.frames.splice(0);
    await world.run(200);
    const asked = next.responder.frames.map(frame => IpAddress.format(readArp(frame).targetIp));
    expect(asked).toContain('192.0.2.251');
  });

  it('E21, #48626: owned and not programmed is noticed within one renewal, let go, and said', async () => {
    const { owner, other } = parts();
    owner.responder.lost.add(a);
    await world.run(1300);
    expect(world.who(a)).toEqual([other.name]);
    expect(world.lease(leaseOf('web'))?.spec.holderIdentity).toBe(other.name);
    expect(world.objects.events.map(event => event.reason)).toContain('L2NotProgrammed');
    expect(await owner.metrics.text()).toContain('herald_l2_unprogrammed_total 1');
    expect(owner.target.notes.troubles()).toEqual([
      { address: a, reason: 'responder-not-programmed', detail: owner.name },
    ]);
  });

  it('another station that answers is an event, a count and a trouble, until it was quiet for a minute', async () => {
    const { owner } = parts();
    const [row] = owner.responder.rows;
    const heard = { address: row?.address ?? expect.fail('no row'), link: 2, mac: { value: 0xaa } };
    for (let i = 0; i < 3; i++) owner.responder.events.heard({ ...heard, kind: 'answer', yielded: false });
    expect(world.objects.events.filter(event => event.reason === 'L2Conflict')).toHaveLength(1);
    expect(await owner.metrics.text()).toContain('herald_l2_conflicts_total{kind="answer"} 3');
    expect(owner.target.notes.troubles()).toMatchObject([{ address: a, reason: 'address-contested' }]);
    await world.run(61_000);
    expect(owner.target.notes.troubles()).toEqual([]);
    expect(world.who(a)).toEqual([owner.name]);
  });

  it('held addresses that fell silent, and why, are an event of the node and a count', async () => {
    const { owner } = parts();
    owner.target.notes.take({ what: 'stood-still', addresses: 2, lateMs: 512.3 });
    owner.target.notes.take({ what: 'link-silent', link: 7 });
    const told = world.objects.events.filter(event => event.reason === 'L2HoldSilenced');
    expect(told.map(({ about, message }) => [about.kind, message.replace(/.*: /, '')])).toEqual([
      ['Node', 'it stood still for too long'],
      ['Node', 'nothing comes over link 7 any more'],
    ]);
    const text = await owner.metrics.text();
    for (const why of ['stood-still', 'link-silent'])
      expect(text).toContain(`herald_l2_hold_silenced_total{why="${why}"} 1`);
  });

  it('E17: clean stops and restarts over and over: never two, never long nobody', async () => {
    for (let round = 0; round < 10; round++) {
      const { owner, other } = parts();
      const left = owner.target.leave('leave');
      for (let ms = 0; ms < 300; ms += 10) {
        await world.run(10);
        expect(world.who(a).length).toBeLessThan(2);
      }
      await left;
      expect(world.who(a)).toEqual([other.name]);
      await owner.target.close({ keep: false });
      world.nodes.splice(world.nodes.indexOf(owner), 1);
      world.node(owner.name);
      await world.run(2000);
      expect(world.who(a)).toEqual([other.name]);
    }
  });
});
