/** Which role holds what of the API, and what it must be allowed to do for that. */
import { describe, expect, it } from 'vitest';
import { accessRules, interestsOf } from '../../src/kube/access.ts';

const place = { node: 'n', namespace: 'herald', secretsNamespace: 'secrets' };

describe('an agent', () => {
  const interests = new Map(interestsOf(new Set(['agent']), place).map(each => [each.kind, each]));

  it('holds its own node configuration only, and none of what only the operator reads', () => {
    expect(interests.get('CiliumBGPNodeConfig')).toMatchObject({ fieldSelector: 'metadata.name=n' });
    expect(interests.has('CiliumBGPClusterConfig')).toBe(false);
    expect(interests.has('CiliumBGPNodeConfigOverride')).toBe(false);
  });

  it('holds leases of its own namespace, and Secrets of the namespace that is for them, without the large ones', () => {
    expect(interests.get('Lease')?.namespace).toBe('herald');
    expect(interests.get('Secret')?.namespace).toBe('secrets');
    expect(interests.get('Secret')?.fieldSelector).toContain('type!=helm.sh/release.v1');
  });

  it('writes leases in its namespace, what it says on Services and its own configuration, and events', () => {
    const writes = accessRules('agent', place).filter(
      ({ verbs }) => !verbs.every(each => each === 'list' || each === 'watch'),
    );
    expect(writes.map(({ resource, namespace }) => `${resource} ${namespace ?? ''}`.trim())).toEqual([
      'services/status',
      'ciliumbgpnodeconfigs/status',
      'leases herald',
      'events',
    ]);
    const verbs = writes.find(({ resource }) => resource === 'leases')?.verbs;
    expect(verbs).toEqual(['create', 'delete', 'list', 'update', 'watch']);
  });
});

describe('both roles in one process', () => {
  it('hold what either needs, as wide as the wider needs it', () => {
    const interests = new Map(interestsOf(new Set(['agent', 'operator']), place).map(each => [each.kind, each]));
    expect(interests.get('CiliumBGPNodeConfig')).toEqual({ kind: 'CiliumBGPNodeConfig' });
    expect(interests.has('EndpointSlice')).toBe(true);
    expect(interests.has('CiliumBGPClusterConfig')).toBe(true);
  });
});
