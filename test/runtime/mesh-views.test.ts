/** The mesh in numbers. */
import { expect, it } from 'vitest';
import { PodRouteTable } from '../../src/mesh/route-table.ts';
import { meshSamples } from '../../src/runtime/mesh-views.ts';
import { cluster, inputs, node } from '../mesh/world.ts';

it('clusters that overlap are a metric that names both, for as long as they do', () => {
  const table = new PodRouteTable();
  const north = cluster('north', 3, 2, node('n1', '192.168.1.8', '10.2.1.0/25'), node('n2', '192.168.1.9'));
  const east = cluster('east', 2, 1, node('e1', '192.168.1.2', '10.2.1.0/24'));
  const overlapping = (...clusters: (typeof east)[]) =>
    meshSamples({ plane: { routes: table.update(inputs({ clusters })) }, peers: undefined }).filter(
      each => each.name === 'herald_mesh_overlapping_prefixes',
    );
  expect(overlapping(east, north)).toEqual([
    {
      name: 'herald_mesh_overlapping_prefixes',
      labels: { target_cluster: 'north', older_cluster: 'east' },
      value: 1,
    },
  ]);
  expect(overlapping(east)).toEqual([]);
});
