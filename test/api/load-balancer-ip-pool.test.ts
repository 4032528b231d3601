/** CiliumLoadBalancerIPPool: reference §1.3, and what CIDRs mean (§0.4, P13). */
import { describe, expect, it } from 'vitest';
import { Range } from '../../src/net/range.ts';
import { accepted, allFaults, altered, faults, good } from '../support/parsed.ts';

const pool = (spec: object, version = 'v2') => ({
  apiVersion: `cilium.io/${version}`,
  kind: 'CiliumLoadBalancerIPPool',
  metadata: { name: 'pool' },
  spec,
});
const ranges = (raw: object) =>
  accepted('CiliumLoadBalancerIPPool', raw).spec.blocks.map(each => Range.format(each.range));

describe('CiliumLoadBalancerIPPool', () => {
  it('§1.3: defaults', () => {
    const { spec, status } = good('CiliumLoadBalancerIPPool', pool({}));
    expect(spec).toMatchObject({ blocks: [], allowFirstLastIPs: true, disabled: false });
    expect(spec.serviceSelector.matches({})).toBe(true);
    expect(status.conditions).toEqual([]);
  });

  it.each([
    ['P13', { cidr: '10.0.0.0/24' }, '10.0.0.0 - 10.0.0.255'],
    ['P13', { cidr: '10.0.0.0/25' }, '10.0.0.0 - 10.0.0.127'],
    ['P13', { cidr: '::/112' }, ':: - ::ffff'],
    ['§1.3', { cidr: '10.0.0.7/32' }, '10.0.0.7 - 10.0.0.7'],
    ['§1.3', { start: '10.0.0.3', stop: '10.0.0.9' }, '10.0.0.3 - 10.0.0.9'],
    ['§1.3', { start: '10.0.0.3' }, '10.0.0.3 - 10.0.0.3'],
    ['§1.3', { start: 'FD00::1', stop: 'fd00::ff' }, 'fd00::1 - fd00::ff'],
    ['§1.3', { cidr: '10.0.0.0/24', start: '', stop: '' }, '10.0.0.0 - 10.0.0.255'],
  ])('%s: block %j is %s', (_, block, text) => {
    const read = good('CiliumLoadBalancerIPPool', pool({ blocks: [block] })).spec.blocks[0];
    expect(read && Range.format(read.range)).toBe(text);
    expect(read?.prefix !== undefined).toBe('cidr' in block);
  });

  it.each([
    ['192.168.1.200/28', '192.168.1.192 - 192.168.1.207'],
    ['10.0.0.12/24', '10.0.0.0 - 10.0.0.255'],
    ['2001:db8::5/112', '2001:db8:: - 2001:db8::ffff'],
  ])('§0.4: %s has host bits and is %s, with a warning that says so', (cidr, text) => {
    const raw = pool({ blocks: [{ cidr }] });
    expect(ranges(raw)).toEqual([text]);
    expect(faults(raw)).toEqual(['warning host-bits spec.blocks[0].cidr']);
    for (const end of text.split(' - ')) expect(allFaults(raw)[0]?.message).toContain(end);
  });

  it.each([
    [{}, 'error block-empty spec.blocks[0]'],
    [{ stop: '10.0.0.1' }, 'error block-empty spec.blocks[0]'],
    [{ cidr: '10.0.0.1' }, 'error bad-cidr spec.blocks[0].cidr'],
    [{ cidr: '10.0.0.0/33' }, 'error bad-cidr spec.blocks[0].cidr'],
    [{ cidr: '10.0.0.0/024' }, 'error bad-cidr spec.blocks[0].cidr'],
    [{ cidr: '010.0.0.0/24' }, 'error bad-cidr spec.blocks[0].cidr'],
    [{ cidr: ' 10.0.0.0/24' }, 'error bad-cidr spec.blocks[0].cidr'],
    [{ cidr: 10 }, 'error wrong-type spec.blocks[0].cidr'],
    [{ start: '10.0.0.256' }, 'error bad-address spec.blocks[0].start'],
    [{ start: '10.0.0.1', stop: 'x' }, 'error bad-address spec.blocks[0].stop'],
    [{ start: 'fe80::1%eth0' }, 'error bad-address spec.blocks[0].start'],
    [{ start: '10.0.0.9', stop: '10.0.0.1' }, 'error range-reversed spec.blocks[0]'],
    [{ start: '10.0.0.9', stop: 'fd00::1' }, 'error range-families spec.blocks[0]'],
    [{ cidr: '10.0.0.0/24', start: '10.9.9.9' }, 'warning block-both spec.blocks[0]'],
  ])('§1.3: block %j: %s', (block, fault) => {
    expect(faults(pool({ blocks: [block] }))).toEqual([fault]);
  });

  it('a bare address is answered with the prefix that was meant', () => {
    expect(allFaults(pool({ blocks: [{ cidr: '10.0.0.1' }] }))[0]?.fix).toContain('10.0.0.1/32');
  });

  it('§1.3: spec.cidrs of old is spec.blocks of today, in both versions', () => {
    const cidrs = [{ cidr: '10.0.0.0/24' }, { cidr: 'fd00::/112' }];
    const today = good('CiliumLoadBalancerIPPool', pool({ blocks: cidrs }));
    for (const version of ['v2', 'v2alpha1'])
      expect(good('CiliumLoadBalancerIPPool', pool({ cidrs }, version))).toEqual(today);
    expect(faults(pool({ cidrs: [{ cidr: 'x' }] }))).toEqual(['error bad-cidr spec.cidrs[0].cidr']);
    expect(ranges(pool({ blocks: [{ start: '10.1.0.1' }], cidrs }))).toHaveLength(3);
  });

  it.each([
    ['Yes', true],
    ['No', false],
    [undefined, true],
  ])('§0.3: allowFirstLastIPs %s is %s', (allowFirstLastIPs, value) => {
    expect(good('CiliumLoadBalancerIPPool', pool({ allowFirstLastIPs })).spec.allowFirstLastIPs).toBe(value);
  });

  it.each([
    ['spec.allowFirstLastIPs', 'yes', 'not-allowed-value'],
    ['spec.allowFirstLastIPs', true, 'not-allowed-value'],
    ['spec.disabled', 'yes', 'wrong-type'],
    ['spec.blocks', { cidr: '10.0.0.0/24' }, 'wrong-type'],
    ['spec.serviceSelector', 'app=x', 'wrong-type'],
    ['spec', undefined, 'missing'],
    ['spec', [], 'wrong-type'],
  ])('%s = %j is refused: %s', (path, value, code) => {
    expect(faults(altered(pool({}), path, value))).toEqual([`error ${code} ${path}`]);
  });

  it('collects the faults of all blocks, and keeps none of the object', () => {
    const raw = pool({ blocks: [{ cidr: 'x' }, { cidr: '10.0.0.1/24' }, {}] });
    expect(faults(raw)).toEqual([
      'error bad-cidr spec.blocks[0].cidr',
      'warning host-bits spec.blocks[1].cidr',
      'error block-empty spec.blocks[2]',
    ]);
  });

  it('§1.3: conditions are read, and kept without what is wrong with them', () => {
    const fine = {
      type: 'cilium.io/PoolConflict',
      status: 'True',
      reason: 'cidr_overlap',
      message: 'm',
      observedGeneration: 3,
    };
    const raw = { ...pool({}), status: { conditions: [fine, { type: 'x' }, 5, { type: 'y', status: 'maybe' }] } };
    expect(accepted('CiliumLoadBalancerIPPool', raw).status.conditions).toEqual([fine]);
    expect(faults(raw).every(fault => fault.startsWith('warning'))).toBe(true);
    for (const status of [5, 'x', [], { conditions: 'x' }, null])
      expect(accepted('CiliumLoadBalancerIPPool', { ...raw, status }).status.conditions).toEqual([]);
  });
});
