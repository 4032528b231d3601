/** Interface names against RE2 expressions: what matches, what is no expression, and that nothing takes long. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InterfacePattern } from '../../src/control/interface-pattern.ts';

const names = ['lo', 'eth0', 'eth1', 'eth10', 'veth3', 'bond0', 'bond0.100', 'enp1s0f0np0', 'ETH0'];

function matching(text: string): readonly string[] | undefined {
  const pattern = InterfacePattern.parse(text);
  return pattern && names.filter(name => pattern.matches(name));
}

describe('L31: expressions are unanchored', () => {
  it.each([
    ['eth0', ['eth0']],
    ['eth', ['eth0', 'eth1', 'eth10', 'veth3']],
    ['^eth[0-9]+', ['eth0', 'eth1', 'eth10']],
    ['^eth[0-9]+$', ['eth0', 'eth1', 'eth10']],
    ['^eth[0-9]$', ['eth0', 'eth1']],
    ['', names],
    ['.*', names],
    ['^(eth0|bond0)$', ['eth0', 'bond0']],
    ['^eth1|bond0$', ['eth1', 'eth10', 'bond0']],
    ['bond0\\.100', ['bond0.100']],
    ['\\Q.1\\E', ['bond0.100']],
    ['^eth1{1,2}0?$', ['eth1', 'eth10']],
    ['^eth\\d{2,}$', ['eth10']],
    ['^eth\\d{2}?$', ['eth10']],
    ['^e\\w*?0$', ['eth0', 'eth10', 'enp1s0f0np0']],
    ['^[^elb]', ['veth3', 'ETH0']],
    ['^[[:lower:]]{3}[[:digit:]]$', ['eth0', 'eth1']],
    ['[[:^alnum:]]', ['bond0.100']],
    ['(?i)^eth0$', ['eth0', 'ETH0']],
    ['^(?i:E)th0$', ['eth0']],
    ['^(?P<kind>eth|bond)(?:0)$', ['eth0', 'bond0']],
    ['\\Aeth0\\z', ['eth0']],
    ['\\b100\\b', ['bond0.100']],
    ['h\\B', ['eth0', 'eth1', 'eth10', 'veth3']],
    ['\\p{Lu}', ['ETH0']],
    ['\\x65th0', ['eth0']],
    ['[\\d.]$', ['eth0', 'eth1', 'eth10', 'veth3', 'bond0', 'bond0.100', 'enp1s0f0np0', 'ETH0']],
    ['[]a]', []],
    ['^(|eth)1', ['eth1', 'eth10']],
    ['(eth)*$', names],
  ])('%s', (text, expected) => {
    expect(matching(text)).toEqual(expected);
  });
});

it.each(['(', 'eth(', ')', '[a', '*', '+a', 'a|*', '\\', '(?P<n>a', '(?=a)'])('%s is no expression', text => {
  expect(InterfacePattern.parse(text)).toBeUndefined();
});

it.each([
  '(a*)*b',
  '(a+)+b',
  '(a|a|a|a)*b',
  '((a*)*)*b',
  '(((a?){1000}){1000}){1000}b',
  '(a{0,1000}){0,1000}b',
  `${'(a|'.repeat(90)}b${')'.repeat(90)}*c`,
])('%s, which blows up where alternatives are tried one by one, is answered at once', text => {
  const pattern = InterfacePattern.parse(text);
  let steps = 0;
  for (; steps < 200; steps++) expect(pattern?.matches('aaaaaaaaaaaaaaa')).toBe(false);
  expect(steps).toBe(200);
});

it('agrees with the platform’s expressions where both have the syntax', () => {
  const atom = fc.constantFrom('a', 'b', '0', '.', '[ab]', '[^a]', '\\d', '\\w', '^', '$', '\\b');
  const { expression } = fc.letrec<{ expression: string }>(tie => ({
    expression: fc.oneof(
      { maxDepth: 4, depthSize: 'small' },
      atom,
      fc.tuple(tie('expression'), tie('expression')).map(parts => parts.join('')),
      fc.tuple(tie('expression'), tie('expression')).map(([a, b]) => `(${a}|${b})`),
      fc.tuple(tie('expression'), fc.constantFrom('*', '+', '?', '{2}', '{1,3}', '{2,}')).map(([a, r]) => `(${a})${r}`),
    ),
  }));
  fc.assert(
    fc.property(expression, fc.string({ unit: fc.constantFrom('a', 'b', '0', '.'), maxLength: 8 }), (text, name) => {
      expect(InterfacePattern.parse(text)?.matches(name)).toBe(new RegExp(text).test(name));
    }),
    { numRuns: 3000 },
  );
});
