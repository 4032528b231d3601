/** Who may share an address: P78-P86 of the reference's §3.1, and that many sharers answer as each of them would. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Sharers, type SharingTerms, sharingConflict } from '../../src/ipam/sharing.ts';
import { terms } from './world.ts';

const local = { trafficPolicy: 'Local', podSelector: 'app=a' } as const;
const differentPods =
  'ExternalTrafficPolicy local but selecting different set of pods without ' +
  'lbipam.cilium.io/sharing-permit-different-pods on both services';

describe('two services and one address', () => {
  it.each<[string, string, Partial<SharingTerms>, Partial<SharingTerms>, string | undefined]>([
    ['P78', 'nothing in the way', {}, {}, undefined],
    ['P79', 'keys differ', {}, { key: 'key-b' }, 'different sharing key'],
    ['P80', 'namespaces differ', {}, { namespace: 'other' }, 'different and not permitted namespace'],
    [
      'P80',
      'only one permits',
      { permits: ['other'] },
      { namespace: 'other', permits: ['third'] },
      'different and not permitted namespace',
    ],
    ['P80', 'both permit', { permits: ['*'] }, { namespace: 'other', permits: ['default'] }, undefined],
    ['P81', 'one port', { ports: ['TCP/80', 'TCP/443'] }, { ports: ['TCP/443'] }, 'same port and protocol'],
    ['P82', 'one port, two protocols', { ports: ['TCP/80'] }, { ports: ['UDP/80'] }, undefined],
    ['P83', 'Local and Cluster', {}, local, 'different ExternalTrafficPolicy'],
    [
      'P84',
      'Local without a selector',
      local,
      { ...local, podSelector: '' },
      'ExternalTrafficPolicy local but a service has no selector',
    ],
    ['P85', 'Local with other pods', local, { ...local, podSelector: 'app=b' }, differentPods],
    [
      'P85',
      'only one opts in',
      { ...local, permitDifferentPods: true },
      { ...local, podSelector: 'app=b' },
      differentPods,
    ],
    [
      'P86',
      'both opt in',
      { ...local, permitDifferentPods: true },
      { ...local, podSelector: 'app=b', permitDifferentPods: true },
      undefined,
    ],
    ['§2.13', 'Cluster does not ask which pods', { podSelector: 'app=a' }, { podSelector: 'app=b' }, undefined],
  ])('%s: %s', (_, __, a, b, reason) => {
    const [one, two] = [
      { ...terms(), ports: ['TCP/1'], ...a },
      { ...terms(), ports: ['TCP/2'], ...b },
    ];
    expect(sharingConflict(one, two)).toBe(reason);
    expect(sharingConflict(two, one)).toBe(reason);
    const sharers = new Sharers();
    sharers.add(one);
    expect(sharers.conflict(two)).toBe(reason);
  });
});

const anyTerms: fc.Arbitrary<SharingTerms> = fc.record({
  key: fc.constantFrom('key-a', 'key-a', 'key-b'),
  namespace: fc.constantFrom('one', 'two', 'three'),
  permits: fc.subarray(['one', 'two', '*']),
  ports: fc.subarray(['TCP/80', 'UDP/80', 'TCP/443']),
  trafficPolicy: fc.constantFrom<'Cluster' | 'Local'>('Cluster', 'Cluster', 'Local'),
  podSelector: fc.constantFrom('', 'app=a', 'app=b'),
  permitDifferentPods: fc.boolean(),
});

describe('many sharers', () => {
  it('refuse exactly whom at least one of them refuses, whoever came and went before', () => {
    fc.assert(
      fc.property(fc.array(anyTerms, { maxLength: 8 }), anyTerms, (candidates, newcomer) => {
        const sharers = new Sharers();
        const present: SharingTerms[] = [];
        for (const [i, each] of candidates.entries()) {
          if (sharers.conflict(each) === undefined) {
            sharers.add(each);
            present.push(each);
          } else if (present[0] !== undefined && i % 2 === 0) sharers.remove(present.shift() ?? each);
        }
        const reasons = present.map(each => sharingConflict(each, newcomer)).filter(reason => reason !== undefined);
        const found = sharers.conflict(newcomer);
        if (found === undefined) expect(reasons).toEqual([]);
        else expect(reasons).toContain(found);
      }),
      { numRuns: 2000 },
    );
  });
});
