/** Other clusters by their files: begun, refused, cut off, replaced, drained. Cluster mesh reference §1.2-1.4, §2.3. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PeerFile } from '../../src/mesh/peer-file.ts';
import { MeshPeers } from '../../src/runtime/mesh-peers.ts';
import { ClusterRecords } from '../../src/runtime/mesh-records.ts';
import { MemoryEtcd } from '../mesh/memory-state.ts';
import { ManualClock, settle } from '../support/manual-clock.ts';
import { recordingLog } from '../support/recording-log.ts';

const config = (id: number, more = {}) =>
  JSON.stringify({ id, capabilities: { syncedCanaries: true, maxConnectedClusters: 255, ...more } });
const node = (cluster: string, id: number, name: string, cidr = '10.2.1.0/24') =>
  JSON.stringify({ Name: name, Cluster: cluster, ClusterID: id, IPv4AllocCIDR: cidr });
const file = (endpoint: string): PeerFile => ({
  endpoints: [endpoint],
  caFile: undefined,
  certFile: undefined,
  keyFile: undefined,
  username: undefined,
  password: undefined,
  hostAliases: new Map(),
});

describe('peers', () => {
  let folder: string;
  let clock: ManualClock;
  let log: ReturnType<typeof recordingLog>;
  let etcds: Map<string, MemoryEtcd>;
  let peers: MeshPeers;
  let changes: number;
  const files: Record<string, PeerFile> = { east: file('http://east'), north: file('http://north') };

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'hrld-mesh-'));
    clock = new ManualClock();
    log = recordingLog();
    etcds = new Map();
    changes = 0;
    peers = made();
  });
  afterEach(() => {
    peers.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const made = () =>
    new MeshPeers({
      rules: { own: { name: 'west', id: 1 }, clustersMax: 255 },
      open: access => etcd(access.endpoints[0] ?? '').open(),
      clock,
      log,
      records: new ClusterRecords(join(folder, 'mesh'), clock, log),
      changed: () => changes++,
    });
  const etcd = (endpoint: string) => {
    const known = etcds.get(endpoint) ?? new MemoryEtcd();
    etcds.set(endpoint, known);
    return known;
  };
  const fill = (name: string, id: number) => {
    const there = etcd(`http://${name}`);
    there.put(`cilium/cluster-config/${name}`, config(id));
    there.put(`cilium/state/nodes/v1/${name}/n1`, node(name, id, 'n1'));
    there.put(`cilium/synced/${name}/cilium/state/nodes/v1`, 'true');
    return there;
  };
  const apply = async (...names: readonly string[]) => {
    peers.apply(new Map(names.map(name => [name, files[name] ?? file(`http://${name}`)])));
    await settle();
  };
  const told = () => peers.status().map(each => [each.name, each.refusal?.reason ?? 'ready']);

  it('are ready once configuration, canary and nodes are there, in this order (§2.3)', async () => {
    const there = etcd('http://east');
    await apply('east');
    expect(told()).toEqual([['east', 'no-cluster-config']]);
    there.put('cilium/state/nodes/v1/east/n1', node('east', 2, 'n1'));
    there.put('cilium/cluster-config/east', config(2));
    await settle();
    expect([told(), peers.clusters.map(each => each.nodes.length)]).toEqual([[['east', 'no-canary']], [0]]);
    there.put('cilium/synced/east/cilium/state/nodes/v1', 'true');
    await there.retry();
    expect([told(), peers.clusters.map(each => each.nodes.length)]).toEqual([[['east', 'ready']], [1]]);
  });

  it('of a mirror are read below cilium/cache (§2.4)', async () => {
    const there = etcd('http://east');
    there.put('cilium/cluster-config/east', config(2, { cached: true }));
    there.put('cilium/cache/nodes/v1/east/n1', node('east', 2, 'n1'));
    there.put('cilium/synced/east/cilium/cache/nodes/v1', 'true');
    await apply('east');
    expect(peers.clusters.map(each => each.nodes.length)).toEqual([1]);
  });

  it('keep their nodes while cut off, and are exact afterwards', async () => {
    const there = fill('east', 2);
    await apply('east');
    const [before] = peers.clusters;
    there.cut();
    expect([told(), peers.clusters[0]]).toEqual([[['east', 'not-connected']], before]);
    there.values.delete('cilium/synced/east/cilium/state/nodes/v1');
    there.values.delete('cilium/state/nodes/v1/east/n1');
    await there.mend();
    // An etcd that begins anew is not read before its canary is there.
    expect([told(), peers.clusters[0]?.nodes.length]).toEqual([[['east', 'no-canary']], 1]);
  });

  it('with an ID that another has are refused, until that one goes (§2.3)', async () => {
    fill('east', 2);
    fill('north', 2);
    await apply('east', 'north');
    expect(told().sort()).toEqual([
      ['east', 'ready'],
      ['north', 'id-in-use'],
    ]);
    await apply('north');
    expect(told()).toEqual([['north', 'ready']]);
  });

  it('are drained when their ID changes, and begun again (§2.3)', async () => {
    const there = fill('east', 2);
    await apply('east');
    there.put('cilium/cluster-config/east', config(3));
    expect(peers.clusters.map(each => [each.id, each.nodes.length])).toEqual([[3, 0]]);
    there.put('cilium/state/nodes/v1/east/n1', node('east', 3, 'n1'));
    await settle();
    expect(peers.clusters.map(each => [each.id, each.nodes.length])).toEqual([[3, 1]]);
  });

  it('keep their nodes when their file says something else, but for those that are gone there', async () => {
    fill('east', 2).put('cilium/state/nodes/v1/east/n2', node('east', 2, 'n2', '10.2.2.0/24'));
    await apply('east');
    const other = etcd('http://other');
    for (const [key, value] of etcd('http://east').values) other.values.set(key, value);
    other.values.delete('cilium/state/nodes/v1/east/n2');
    other.cut();
    peers.apply(new Map([['east', file('http://other')]]));
    await settle();
    expect([told(), peers.clusters[0]?.nodes.length]).toEqual([[['east', 'not-connected']], 2]);
    await other.mend();
    expect([told(), peers.clusters[0]?.nodes.map(each => each.name)]).toEqual([[['east', 'ready']], ['n1']]);
    await apply();
    expect(peers.clusters).toEqual([]);
  });

  it('full of garbage are counted, and disturb nobody', async () => {
    fill('east', 2);
    const there = fill('north', 3);
    for (let i = 0; i < 500; i++)
      there.put(`cilium/state/nodes/v1/north/g${i}`, i % 2 === 0 ? 'x' : node('east', 2, `g${i}`));
    await apply('east', 'north');
    expect(told()).toEqual([
      ['east', 'ready'],
      ['north', 'ready'],
    ]);
    expect(peers.status()[1]).toMatchObject({ nodes: 1, rejected: 500 });
    for (let i = 0; i < 25_000; i++) there.values.set(`cilium/state/nodes/v1/north/k${i}`, new Uint8Array());
    there.cut();
    await there.mend();
    expect([told(), peers.clusters.map(each => each.nodes.length)]).toEqual([
      [
        ['east', 'ready'],
        ['north', 'too-many-keys'],
      ],
      [1, 1],
    ]);
  });

  it('that flap ten times a second say one line a minute at most', async () => {
    const there = fill('east', 2);
    await apply('east');
    const before = log.lines.length;
    for (let i = 0; i < 1_200; i++) {
      if (i % 2 === 0) there.cut();
      else await there.mend();
      await clock.advance(100);
    }
    expect(log.lines.length - before).toBeLessThanOrEqual(3);
  });

  it('are known over a restart: their age, and their nodes while nobody answers', async () => {
    const there = fill('east', 2);
    await apply('east');
    const [before] = peers.clusters;
    await clock.advance(5_000);
    peers.close();
    there.cut();
    peers = made();
    await apply('east');
    expect(peers.clusters).toEqual([before]);
    expect([told(), peers.isAwaiting]).toEqual([[['east', 'not-connected']], false]);
    there.values.delete('cilium/state/nodes/v1/east/n1');
    await there.mend();
    expect([told(), peers.clusters[0]?.nodes, peers.clusters[0]?.sinceMs]).toEqual([
      [['east', 'ready']],
      [],
      before?.sinceMs,
    ]);
    await apply();
    peers.close();
    peers = made();
    there.cut();
    await apply('east');
    expect(peers.clusters).toEqual([]);
  });

  it('with a file or a name that cannot be used say so', async () => {
    peers.apply(
      new Map<string, PeerFile | string>([
        ['east', 'endpoints is wrong'],
        ['Not-A-Name', file('http://x')],
      ]),
    );
    expect(peers.status().map(each => each.refusal?.reason)).toEqual(['bad-peer-file', 'bad-peer-file']);
    expect(changes).toBeGreaterThan(0);
  });
});
