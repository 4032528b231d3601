/** What passes from another cluster and what does not. Reference §1.2-1.4, §2.3. */
import { describe, expect, it } from 'vitest';
import { nodesMax, RemoteCluster } from '../../src/mesh/remote-cluster.ts';
import { bytes, fixtureNode } from './world.ts';

const config = (id: number, more = {}) =>
  bytes(JSON.stringify({ id, capabilities: { syncedCanaries: true, maxConnectedClusters: 255, ...more } }));
const nobody = () => undefined;
const changed = (change: Record<string, unknown>) => bytes(JSON.stringify({ ...JSON.parse(fixtureNode), ...change }));

function made(): RemoteCluster {
  const made = new RemoteCluster('cluster3', { own: { name: 'west', id: 1 }, clustersMax: 255 });
  expect(made.configure(config(3), nobody)).toMatchObject({ kind: 'begin', config: { id: 3 } });
  return made;
}

describe('nodes', () => {
  it('are taken when everything agrees, and are the same list until one changes', () => {
    const remote = made();
    expect(remote.put('test-node-2', bytes(fixtureNode))).toBe(true);
    const { nodes } = remote;
    expect(nodes.map(each => each.name)).toEqual(['test-node-2']);
    expect(remote.put('test-node-2', changed({ Labels: { other: 'label' } }))).toBe(false);
    expect(remote.nodes).toBe(nodes);
    expect(remote.put('test-node-2', changed({ IPv4AllocCIDR: '10.244.9.0/24' }))).toBe(true);
    expect(remote.nodes).not.toBe(nodes);
    expect(remote.delete('test-node-2')).toBe(true);
    expect(remote.nodes).toEqual([]);
  });

  it.each([
    ['of another cluster', 'test-node-2', { Cluster: 'cluster4' }, 'wrong-cluster'],
    ['under the key of another one', 'test-node-3', {}, 'wrong-key'],
    ['with the ID of another cluster', 'test-node-2', { ClusterID: 4 }, 'wrong-id'],
    ['with ID 0', 'test-node-2', { ClusterID: 0 }, 'id-out-of-range'],
    ['with an ID the mesh cannot have', 'test-node-2', { ClusterID: 256 }, 'id-out-of-range'],
    ['without a name', 'test-node-2', { Name: '' }, 'no-name'],
    ['without a cluster', 'test-node-2', { Cluster: '' }, 'no-name'],
    ['with a network that is none', 'test-node-2', { IPv4AllocCIDR: '10.0.0.0' }, 'bad-value'],
  ])('%s are refused, and what was known stays', (_, key, change, reason) => {
    const remote = made();
    remote.put('test-node-2', bytes(fixtureNode));
    const { nodes } = remote;
    expect(remote.put(key, changed(change))).toBe(false);
    expect(remote.rejected).toMatchObject({ count: 1, last: { reason } });
    expect(remote.nodes).toBe(nodes);
  });

  it('are no more than a cluster can have', () => {
    const remote = made();
    for (let i = 0; i < nodesMax + 5; i++)
      remote.put(`n${i}`, bytes(`{"Name":"n${i}","Cluster":"cluster3","ClusterID":3}`));
    expect(remote.nodes).toHaveLength(nodesMax);
    expect(remote.rejected).toMatchObject({ count: 5, last: { reason: 'too-many-keys' } });
  });
});

describe('the configuration', () => {
  it('that has another ID drains the nodes, even if the new one is refused (§2.3)', () => {
    const remote = made();
    remote.put('test-node-2', bytes(fixtureNode));
    expect(remote.configure(config(3, { maxConnectedClusters: 255 }), nobody)).toMatchObject({ kind: 'same' });
    expect(remote.nodes).toHaveLength(1);
    const outcome = remote.configure(config(1), nobody);
    expect(outcome).toMatchObject({ kind: 'refused', refusal: { reason: 'id-is-ours' } });
    expect([remote.nodes, remote.config]).toEqual([[], undefined]);
    expect(remote.configure(config(3), nobody)).toMatchObject({ kind: 'begin' });
  });

  it('that names the ID of another peer is refused (§2.3)', () => {
    const remote = new RemoteCluster('cluster3', { own: { name: 'west', id: 1 }, clustersMax: 255 });
    expect(remote.configure(config(30), id => (id === 30 ? 'cluster4' : undefined))).toMatchObject({
      refusal: { reason: 'id-in-use', detail: '30, by cluster4' },
    });
  });

  it('that cannot be read, or is refused with the same ID, leaves the nodes', () => {
    const remote = made();
    remote.put('test-node-2', bytes(fixtureNode));
    expect(remote.configure(bytes('x'), nobody)).toMatchObject({ refusal: { reason: 'bad-cluster-config' } });
    expect(remote.configure(config(3, { maxConnectedClusters: 511 }), nobody)).toMatchObject({ kind: 'refused' });
    expect(remote.nodes).toHaveLength(1);
  });

  it('that says the state is elsewhere begins anew', () => {
    expect(made().configure(config(3, { cached: true }), nobody)).toMatchObject({ kind: 'begin' });
  });
});
