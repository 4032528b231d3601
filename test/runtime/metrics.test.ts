/** Metrics as a scraper sees them. */
import { describe, expect, it } from 'vitest';
import { Metrics } from '../../src/runtime/metrics.ts';

describe('metrics', () => {
  it('state() is the whole set: a series that is not stated again is gone', async () => {
    const metrics = new Metrics();
    metrics.state([
      { name: 'cilium_operator_lbipam_ips_used_total', labels: { pool: 'a' }, value: 3 },
      { name: 'cilium_operator_lbipam_ips_used_total', labels: { pool: 'b"\n' }, value: 4 },
    ]);
    expect(await metrics.text()).toContain('cilium_operator_lbipam_ips_used_total{pool="a"} 3\n');
    expect(await metrics.text()).toContain('cilium_operator_lbipam_ips_used_total{pool="b\\"\\n"} 4\n');
    metrics.state([{ name: 'cilium_operator_lbipam_ips_used_total', labels: { pool: 'b' }, value: 5 }]);
    expect(await metrics.text()).not.toContain('pool="a"');
  });

  it('every metric has a help text and a type', async () => {
    const text = await new Metrics().text();
    const helps = text.match(/^# HELP \S+ \S+/gm) ?? [];
    expect(helps.length).toBeGreaterThan(5);
    expect(text.match(/^# TYPE \S+ (gauge|counter|histogram)$/gm)).toHaveLength(helps.length);
  });

  it('a histogram counts what it observes', async () => {
    const metrics = new Metrics();
    metrics.observe('herald_reconcile_duration_seconds', 0.003);
    expect(await metrics.text()).toContain('herald_reconcile_duration_seconds_bucket{le="0.005"} 1\n');
    expect(await metrics.text()).toContain('herald_reconcile_duration_seconds_bucket{le="0.0025"} 0\n');
  });
});
