/** What the cache makes of edits that cannot be read. */
import { describe, expect, it } from 'vitest';
import { Cache } from '../../src/kube/cache.ts';
import { leaseOf } from '../contracts/store-world.ts';

const ref = { kind: 'Lease', namespace: 'kube-system', name: 'herald-l2-session-n1' };

function lease(version: string, spec: object) {
  const made = leaseOf('n1', ref);
  const metadata = { ...ref, uid: 'u', resourceVersion: version };
  return { ...made, metadata, spec: { holderIdentity: 'n1', leaseDurationSeconds: 3, ...spec } };
}

describe('a Lease that cannot be read', () => {
  const cache = new Cache(new Set(), () => {});
  const leases = () => cache.snapshot().list('Lease');

  it('is no sign of life of its holder: observers go on counting from what they last understood (L27)', () => {
    cache.put('Lease', 'coordination.k8s.io/v1', lease('1', {}));
    const before = leases();
    for (const version of ['2', '3']) {
      cache.put('Lease', 'coordination.k8s.io/v1', lease(version, { leaseDurationSeconds: 'for ever' }));
      expect(leases()).toEqual(before);
      expect(leases()[0]).toBe(before[0]);
    }
    expect(cache.snapshot().faulty.map(({ ref: faulty }) => faulty.name)).toEqual([ref.name]);
  });

  it('can be taken over: what was understood last stands for the version that is there', () => {
    expect(cache.newestVersion(ref, '1')).toBe('3');
  });

  it('counts again once it can be read', () => {
    cache.put('Lease', 'coordination.k8s.io/v1', lease('4', {}));
    expect(leases().map(({ metadata }) => metadata.resourceVersion)).toEqual(['1']);
    cache.put('Lease', 'coordination.k8s.io/v1', lease('5', { renewTime: '2026-01-01T00:00:00.000000Z' }));
    expect(leases().map(({ metadata }) => metadata.resourceVersion)).toEqual(['5']);
  });
});
