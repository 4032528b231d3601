/** CiliumL2AnnouncementPolicy: reference §1.2; which fault becomes which condition (L22-L24); RE2 syntax (L31). */
import { describe, expect, it } from 'vitest';
import { re2Fault } from '../../src/api/re2-syntax.ts';
import { LabelSelector } from '../../src/api/selector.ts';
import { faults, good } from '../support/parsed.ts';

const policy = (spec?: unknown) => ({
  apiVersion: 'cilium.io/v2alpha1',
  kind: 'CiliumL2AnnouncementPolicy',
  metadata: { name: 'policy' },
  ...(spec === undefined ? {} : { spec }),
});

describe('CiliumL2AnnouncementPolicy', () => {
  it.each([
    [undefined],
    [{}],
    [{ nodeSelector: null, interfaces: null, externalIPs: null }],
  ])('§1.2: defaults of spec %j', spec => {
    expect(good('CiliumL2AnnouncementPolicy', policy(spec)).spec).toEqual({
      nodeSelector: LabelSelector.everything,
      serviceSelector: LabelSelector.everything,
      interfaces: [],
      externalIPs: false,
      loadBalancerIPs: false,
    });
  });

  it.each([
    ['L22', { interfaces: ['eth0', 'eth('] }, 'error bad-interface-regex spec.interfaces[1]'],
    ['L22', { interfaces: [5] }, 'error bad-interface-regex spec.interfaces[0]'],
    ['L22', { interfaces: 'eth0' }, 'error bad-interface-regex spec.interfaces'],
    [
      'L23',
      { nodeSelector: { matchExpressions: [{ key: 'a', operator: 'In' }] } },
      'error bad-node-selector spec.nodeSelector.matchExpressions[0].values',
    ],
    ['L23', { nodeSelector: { matchLabels: { 'a b': 'x' } } }, 'error bad-node-selector spec.nodeSelector.matchLabels'],
    [
      'L24',
      { serviceSelector: { matchExpressions: [{ key: 'a', operator: 'Is', values: ['b'] }] } },
      'error bad-service-selector spec.serviceSelector.matchExpressions[0].operator',
    ],
    [
      'L24',
      { serviceSelector: { matchLabels: { app: 5 } } },
      'error bad-service-selector spec.serviceSelector.matchLabels.app',
    ],
    ['§1.2', { externalIPs: 'yes' }, 'error wrong-type spec.externalIPs'],
  ])('%s: %j: %s', (_, spec, fault) => {
    expect(faults(policy(spec))).toEqual([fault]);
  });

  it('L22-L24: all three at once are three faults', () => {
    const spec = {
      interfaces: ['*'],
      nodeSelector: { matchExpressions: [{ key: 'a', operator: 'Exists', values: ['x'] }] },
      serviceSelector: { matchExpressions: [{ key: '-', operator: 'Exists' }] },
    };
    expect(faults(policy(spec)).map(fault => fault.split(' ')[1])).toEqual([
      'bad-node-selector',
      'bad-service-selector',
      'bad-interface-regex',
    ]);
  });
});

describe('RE2 syntax', () => {
  it.each([
    '',
    'eth0',
    '^eth[0-9]+$',
    '^en[ps]\\d+(s\\d+)?$',
    '(?i)ETH0',
    '(?P<n>a)|(?<m>b)|(?:c)|(?i:d)|(?i-s:e)',
    'a{2,3}b{2,}c{2}?d*?e+?f??',
    'a{,2}',
    'x{',
    '[]a]',
    '[^]a]',
    '[[:alpha:]]+',
    '[\\]]',
    '\\Q(((\\E',
    '\\Q(((',
    '\\.\\+\\(',
    '\\pL\\p{Greek}',
    '\\A\\bx\\z',
    '()|',
    ']}',
  ])('%j is fine', text => {
    expect(re2Fault(text)).toBeUndefined();
  });

  it.each([
    ['eth(', 'not closed'],
    ['eth)', 'nothing opened'],
    ['eth[0-9', 'not closed'],
    ['[', 'not closed'],
    ['[]', 'not closed'],
    ['*', 'repeats nothing'],
    ['a|+', 'repeats nothing'],
    ['(?', 'does not have'],
    ['(*a)', 'repeats nothing'],
    ['a**', 'repeats a repetition'],
    ['a+?+', 'repeats a repetition'],
    ['a{2}{3}', 'repeats a repetition'],
    ['a{3,2}', 'out of range'],
    ['a{1001}', 'out of range'],
    ['a\\', 'lone backslash'],
    ['(a)\\1', 'refers back'],
    ['\\y', 'does not have'],
    ['(?=a)', 'does not have'],
    ['(?!a)', 'does not have'],
    ['(?<=a)', 'does not have'],
    ['(?<!a)', 'does not have'],
    ['x'.repeat(1001), 'longer than'],
  ])('%j has no hope: %s', (text, words) => {
    expect(re2Fault(text)).toContain(words);
  });

  it('what it refuses is never what both this engine and RE2 take', () => {
    for (const text of ['^bond[0-9]$', 'eth0|eth1', '(a|b)+', 'wl.*', '^(ens|eth)\\d$']) {
      expect(() => new RegExp(text)).not.toThrow();
      expect(re2Fault(text)).toBeUndefined();
    }
  });
});
