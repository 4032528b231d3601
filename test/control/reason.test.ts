/** The table of reasons: every one is worded for people, and every one has a scenario that leads to it. */
import { describe, expect, it } from 'vitest';
import { SnapshotBuilder } from '../../src/api/snapshot.ts';
import { announcedView } from '../../src/control/announced.ts';
import { liveReasons, reasons } from '../../src/control/reason.ts';
import { apply, outcomeOf, scenarios } from './scenario.ts';

describe('reasons', () => {
  it.each(Object.entries({ ...reasons, ...liveReasons }))('%s', (code, { sentence, fix }) => {
    expect(code).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/);
    for (const text of [sentence, fix]) {
      expect(text).toMatch(/^[A-Za-z]/);
      expect(text).not.toMatch(/[.;:]$/);
    }
  });

  it('no two read alike', () => {
    const all = [...Object.entries(reasons), ...Object.entries(liveReasons)];
    expect(new Set(all.map(([code]) => code)).size).toBe(all.length);
    expect(new Set(all.map(([, { sentence }]) => sentence)).size).toBe(all.length);
  });

  it('each is met in a scenario', () => {
    const met = new Set<string>();
    for (const scenario of scenarios()) {
      const builder = new SnapshotBuilder();
      for (const step of scenario.steps) {
        const snapshot = apply(builder, step);
        const { nodes, cluster } = outcomeOf(snapshot, scenario);
        for (const node of nodes) for (const row of announcedView(snapshot, node).notAnnounced) met.add(row.reason);
        for (const { conditions } of cluster.conditions) for (const { reason } of conditions) met.add(reason);
      }
    }
    expect(Object.keys(reasons).filter(code => !met.has(code))).toEqual([]);
  });
});
