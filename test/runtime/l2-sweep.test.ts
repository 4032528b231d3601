/** Sessions of nodes that are gone for good: removed by one agent, late, and never one that may come back. */
import { beforeEach, expect, it } from 'vitest';
import { L2Sweep } from '../../src/runtime/l2-sweep.ts';
import { L2World, leaseNamespace } from './l2-world.ts';

let world: L2World;
let sweeps: readonly L2Sweep[];

const session = (node: string, beat = 1) =>
  world.objects.put({
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: {
      name: `herald-l2-session-${node}`,
      namespace: leaseNamespace,
      annotations: { 'herald.io/l2-session': `${node}.1`, 'herald.io/l2-beat': String(beat) },
    },
    spec: { holderIdentity: node, leaseDurationSeconds: 3 },
  });

beforeEach(() => {
  world = new L2World();
  for (const name of ['a', 'b', 'c']) world.node(name);
  sweeps = world.nodes.map(({ name, store, log }) => {
    return new L2Sweep({ settings: { node: name, namespace: leaseNamespace }, store, clock: world.clock, log });
  });
});

/** Every agent looks every minute. */
async function minutes(count: number, all = sweeps): Promise<void> {
  for (let i = 0; i < count; i++) {
    for (const sweep of all) await sweep.look();
    await world.clock.advance(60_000);
  }
}

it('a session without a Node that nobody wrote for ten minutes is removed, within three more', async () => {
  session('gone');
  await minutes(10);
  expect(world.lease('herald-l2-session-gone')).toBeDefined();
  await minutes(3);
  expect(world.lease('herald-l2-session-gone')).toBeUndefined();
});

it('by any agent that is left, should the one whose turn it is not be there', async () => {
  for (const sweep of sweeps) {
    session('gone');
    await minutes(14, [sweep]);
    expect(world.lease('herald-l2-session-gone')).toBeUndefined();
  }
});

it('one that is renewed stays, Node or no Node', async () => {
  for (let i = 0; i < 20; i++) {
    session('gone', i);
    await minutes(1);
  }
  expect(world.lease('herald-l2-session-gone')).toBeDefined();
});

it('one whose Node is there stays, however long it has been down', async () => {
  world.objects.put({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'down' }, status: { addresses: [] } });
  session('down');
  await minutes(30);
  expect(world.lease('herald-l2-session-down')).toBeDefined();
});
