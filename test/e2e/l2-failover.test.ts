/**
 * Fail-overs of addresses between three nodes on a bridge, by every fault of the rig: somebody answers
 * again, and never do two (E17-E20, L32). Bounded: `npm run failover:l2` does more rounds and prints how long it took.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Fault, faults } from '../../scripts/failover-l2-faults.ts';
import type { Lab } from '../../scripts/failover-l2-lab.ts';
import { startLab, tryFault } from '../../scripts/failover-l2-rounds.ts';
import { namespacesMissing } from '../support/netns.ts';

const missing = namespacesMissing();
/** Generous: the machine may have a lot else to do. What must not be is tested exactly. */
const gapMaxMs = 30_000;
const longMs = 5000;

/** Each fault on the path where it matters more, and a crash on both. */
const inKernel = ['kill-restart', 'upgrade', 'freeze', 'power', 'clock', 'store-all', 'store-owner', 'endpoint'];
const paths = {
  socket: faults.filter(fault => !inKernel.includes(fault.name)),
  ebpf: faults.filter(fault => inKernel.includes(fault.name) || fault.name === 'kill'),
};

for (const datapath of ['socket', 'ebpf'] as const) {
  const groups = [...Map.groupBy(paths[datapath], fault => (fault.words ?? []).join(' '))];
  describe.skipIf(missing !== undefined).each(groups)(`${datapath}, herald run %s`, (words, group) => {
    let lab: Lab;
    beforeAll(async () => {
      lab = await startLab({ datapath, words: words === '' ? [] : words.split(' ') });
    }, 120_000);
    afterAll(async () => await lab?.close(), 60_000);

    it.each(group.map((fault): [string, Fault] => [`${fault.name}: ${fault.about}`, fault]))(
      '%s',
      { timeout: 240_000 },
      async (_, fault) => {
        const { during, after } = await tryFault(lab, fault, longMs, 1000);
        expect(during.dual).toBe(0);
        expect(after.dual).toBe(0);
        expect(during.gapMs).toBeLessThan(gapMaxMs);
        expect(after.gapMs).toBeLessThan(gapMaxMs);
      },
    );
  });
}
