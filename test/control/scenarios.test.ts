/**
 * Objects in, announcements and conditions out: the rules of selection and announcement, one folder each
 * (test/scenarios/).
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SnapshotBuilder } from '../../src/api/snapshot.ts';
import { ClusterControl, NodeControl } from '../../src/control/desired.ts';
import { apply, expected, outcomeOf, put, render, type Scenario, scenarios } from './scenario.ts';

const all = scenarios();

describe('scenarios', () => {
  it.each(all.map(scenario => [scenario.name, scenario.about, scenario] as const))('%s: %s', (_, __, scenario) => {
    const builder = new SnapshotBuilder();
    for (const step of scenario.steps) {
      const snapshot = apply(builder, step);
      const rendered = render(snapshot, outcomeOf(snapshot, scenario), scenario);
      expect(rendered).toEqual(expected(step.expectedFile, rendered));
    }
  });
});

describe('properties, over every scenario', () => {
  it('the order of objects does not matter', () => {
    const anyScenario = fc.constantFrom(...all);
    const shuffled = anyScenario.chain(scenario =>
      fc.tuple(
        fc.constant(scenario),
        fc.shuffledSubarray([...objectsOf(scenario)], { minLength: objectsOf(scenario).length }),
      ),
    );
    fc.assert(
      fc.property(shuffled, ([scenario, objects]) => {
        expect(resultOf(scenario, objects)).toEqual(resultOf(scenario, objectsOf(scenario)));
      }),
      { numRuns: 300 },
    );
  });

  it.each(all.map(scenario => [scenario.name, scenario] as const))('%s: remembering changes nothing', (_, scenario) => {
    const builder = new SnapshotBuilder();
    const nodes = scenario.nodes.map(node => new NodeControl(node, scenario.settings));
    const cluster = new ClusterControl(scenario.settings);
    for (const step of scenario.steps) {
      for (const raw of step.objects) {
        put(builder, raw);
        for (const node of nodes) node.desired(builder.snapshot(), scenario.host);
        cluster.desired(builder.snapshot());
      }
      const snapshot = apply(builder, step);
      const remembered = {
        nodes: nodes.map(node => node.desired(snapshot, scenario.host)),
        cluster: cluster.desired(snapshot),
      };
      expect(remembered).toEqual(outcomeOf(snapshot, scenario));
      for (const [i, node] of nodes.entries()) {
        const again = node.desired(snapshot, scenario.host);
        for (const [j, instance] of again.bgp.instances.entries())
          expect(instance.announcements).toBe(remembered.nodes[i]?.bgp.instances[j]?.announcements);
      }
    }
  });
});

function objectsOf(scenario: Scenario): readonly unknown[] {
  return scenario.steps[0]?.objects ?? [];
}

function resultOf(scenario: Scenario, objects: readonly unknown[]) {
  const builder = new SnapshotBuilder();
  for (const raw of objects) put(builder, raw);
  const snapshot = builder.snapshot();
  return render(snapshot, outcomeOf(snapshot, scenario), {
    ...scenario,
    show: ['announced', 'notAnnounced', 'instances', 'peers', 'l2', 'conditions', 'nodeConfigs'],
  });
}
