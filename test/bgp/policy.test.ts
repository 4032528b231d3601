/**
 * Policy statements: each thing they match, each thing they set, and what changing one does to an established
 * session.
 */
import { describe, expect, it } from 'vitest';
import type { PathAttributes } from '../../src/bgp/attribute.ts';
import { type Match, Policy, type Statement } from '../../src/bgp/policy.ts';
import { Net } from './rib-net.ts';
import { ip, pfx, type Said } from './rib-wire.ts';

const large = (global: number, local1: number, local2: number) => ({ global, local1, local2 });

const more: PathAttributes = {
  communities: [100, 200],
  extendedCommunities: [0x0002fde800000001n],
  largeCommunities: [large(1, 2, 3)],
};
const said: Said = {
  prefixes: ['10.1.0.0/16', '10.1.2.0/24', '10.1.2.128/25', '192.0.2.0/24'],
  path: [65001, 65002, 65003],
  more,
};

const acceptOnly = (match: Match): Policy => ({ statements: [{ match, action: 'accept' }], otherwise: 'reject' });

/** Which of the prefixes above a match lets in. */
const matches: [title: string, match: Match, prefixes: readonly string[]][] = [
  ['nothing given', {}, said.prefixes],
  ['exactly a prefix', { prefixes: [{ prefix: pfx('10.1.0.0/16') }] }, ['10.1.0.0/16']],
  ['ge', { prefixes: [{ prefix: pfx('10.1.0.0/16'), ge: 24 }] }, ['10.1.2.0/24', '10.1.2.128/25']],
  ['le', { prefixes: [{ prefix: pfx('10.1.0.0/16'), le: 24 }] }, ['10.1.0.0/16', '10.1.2.0/24']],
  ['ge and le', { prefixes: [{ prefix: pfx('10.0.0.0/8'), ge: 17, le: 24 }] }, ['10.1.2.0/24']],
  ['everything', { prefixes: [{ prefix: pfx('0.0.0.0/0'), ge: 0 }] }, said.prefixes],
  ['another family’s prefixes', { prefixes: [{ prefix: pfx('::/0'), ge: 0 }] }, []],
  ['no prefixes', { prefixes: [] }, []],
  [
    'any of two',
    { prefixes: [{ prefix: pfx('192.0.2.0/24') }, { prefix: pfx('10.1.2.0/24') }] },
    ['10.1.2.0/24', '192.0.2.0/24'],
  ],
  ['family', { family: 'ipv4-unicast' }, said.prefixes],
  ['other family', { family: 'ipv6-unicast' }, []],
  ['source', { source: 'external' }, said.prefixes],
  ['other source', { source: 'internal' }, []],
  ['peer', { peers: ['peer9', 'peer1'] }, said.prefixes],
  ['other peer', { peers: ['peer9'] }, []],
  ['any community', { communities: { any: [5, 200] } }, said.prefixes],
  ['all communities', { communities: { all: [100, 300] } }, []],
  ['no community', { communities: { none: [100] } }, []],
  ['extended', { extendedCommunities: { any: [0x0002fde800000001n] } }, said.prefixes],
  ['extended, none', { extendedCommunities: { any: [0x0002fde800000002n] } }, []],
  ['large', { largeCommunities: { all: [large(1, 2, 3)] } }, said.prefixes],
  ['large, other', { largeCommunities: { any: [large(1, 2, 4)] } }, []],
  ['path contains', { asPath: { contains: [9, 65002] } }, said.prefixes],
  ['path starts', { asPath: { startsWith: [65001, 65002] } }, said.prefixes],
  ['path starts otherwise', { asPath: { startsWith: [65002] } }, []],
  ['path ends', { asPath: { originatedBy: [65003] } }, said.prefixes],
  ['path ends otherwise', { asPath: { originatedBy: [65002] } }, []],
  ['path length', { asPath: { lengthMin: 3, lengthMax: 3 } }, said.prefixes],
  ['path too long', { asPath: { lengthMax: 2 } }, []],
  ['path too short', { asPath: { lengthMin: 4 } }, []],
  ['all fields must hold', { family: 'ipv4-unicast', peers: ['peer9'] }, []],
];

const locPrefixes = (net: Net) =>
  net
    .loc()
    .map(each => each.split(' ')[0])
    .sort();

describe('import statements', () => {
  for (const [title, match, prefixes] of matches)
    it(`match ${title}: ${prefixes.length} of ${said.prefixes.length}`, () => {
      const net = new Net();
      net.up(1, { import: acceptOnly(match) });
      net.say(1, said);
      expect(locPrefixes(net)).toEqual([...prefixes].sort());
      expect(net.rib.peerCounts(1, 'ipv4-unicast')).toMatchObject({ received: 4, accepted: prefixes.length });
    });

  it('the first that accepts or rejects decides; next goes on with what has been changed', () => {
    const statements: Statement[] = [
      { match: { communities: { any: [100] } }, set: { communities: { replace: [1] } }, action: 'next' },
      { match: { communities: { any: [100] } }, action: 'reject' },
      { match: { communities: { any: [1] } }, set: { localPref: 7 }, action: 'accept' },
      { action: 'reject' },
    ];
    const net = new Net();
    net.up(1, { import: { statements, otherwise: 'reject' } });
    net.say(1, said);
    expect([...net.rib.loc('ipv4-unicast')][0]?.attributes).toMatchObject({ localPref: 7, communities: [1] });
    expect([...net.rib.adjIn(1, 'ipv4-unicast')][0]?.attributes.communities).toEqual([100, 200]);
  });

  it('prefixes of one UPDATE may fare differently', () => {
    const statements: Statement[] = [
      { match: { prefixes: [{ prefix: pfx('10.1.2.0/24'), ge: 24 }] }, set: { localPref: 5 }, action: 'accept' },
      { match: { prefixes: [{ prefix: pfx('192.0.2.0/24') }] }, action: 'reject' },
    ];
    const net = new Net();
    net.up(1, { import: { statements, otherwise: 'accept' } });
    net.say(1, said);
    const seen = [...net.rib.adjIn(1, 'ipv4-unicast')].map(route => route.ineligible);
    expect(seen).toEqual([undefined, undefined, undefined, 'import policy']);
    expect([...net.rib.loc('ipv4-unicast')].map(route => route.attributes.localPref)).toEqual([
      undefined,
      5,
      5,
      undefined,
    ]);
  });

  it('more prefix lists than a number has bits', () => {
    const lists = Array.from({ length: 40 }, (_, i) => pfx(`10.${i}.0.0/16`));
    const statements: Statement[] = lists.map((prefix, i) => ({
      match: { prefixes: [{ prefix }] },
      set: { localPref: i },
      action: 'accept',
    }));
    const net = new Net();
    net.up(1, { import: { statements, otherwise: 'reject' } });
    net.say(1, { prefixes: ['10.0.0.0/16', '10.39.0.0/16', '10.40.0.0/16'] });
    expect([...net.rib.loc('ipv4-unicast')].map(route => route.attributes.localPref)).toEqual([0, 39, undefined]);
  });
});

/** What a change makes of the route above, told to an external peer. */
const changes: [title: string, set: NonNullable<Statement['set']>, expected: Record<string, unknown>][] = [
  ['MED', { med: 5 }, { med: 5 }],
  ['communities added', { communities: { add: [200, 300] } }, { communities: [100, 200, 300] }],
  ['communities removed', { communities: { remove: [100] } }, { communities: [200] }],
  ['all communities removed', { communities: { replace: [] } }, { communities: undefined }],
  [
    'communities replaced, removed, added',
    { communities: { replace: [1, 2], remove: [2], add: [3] } },
    { communities: [1, 3] },
  ],
  [
    'extended',
    { extendedCommunities: { add: [0x0002fde800000009n] } },
    { extendedCommunities: [0x0002fde800000001n, 0x0002fde800000009n] },
  ],
  ['large', { largeCommunities: { remove: [large(1, 2, 3)] } }, { largeCommunities: undefined }],
  [
    'prepend',
    { prepend: [65000, 65000] },
    { asPath: [{ type: 'sequence', asns: [65000, 65000, 65000, 65001, 65002, 65003] }] },
  ],
  ['local preference stays inside', { localPref: 9 }, { localPref: undefined }],
];

describe('export statements', () => {
  for (const [title, set, expected] of changes)
    it(`set ${title}`, () => {
      const net = new Net();
      net.up(1);
      const sink = net.up(2, { export: { statements: [{ set, action: 'accept' }], otherwise: 'reject' } });
      net.say(1, said);
      net.settle();
      const { attributes } = sink.routes.get('10.1.0.0/16') ?? { attributes: {} };
      expect({
        ...Object.fromEntries(Object.keys(expected).map(key => [key, undefined])),
        ...attributes,
      }).toMatchObject(expected);
    });

  it('set next hop to an address, or to ourselves', () => {
    const net = new Net();
    net.up(1);
    net.up(2, {
      export: { statements: [{ set: { nextHop: ip('10.0.0.77') }, action: 'accept' }], otherwise: 'reject' },
    });
    net.up(3, {
      kind: 'internal',
      asn: 65000,
      export: { statements: [{ set: { nextHop: 'self' }, action: 'accept' }], otherwise: 'reject' },
    });
    net.say(1, { prefixes: ['192.0.2.0/24'] });
    expect(net.heard(2)).toEqual(['192.0.2.0/24 [65000 65001] 10.0.0.77']);
    expect(net.heard(3)).toEqual(['192.0.2.0/24 [65001] 10.0.0.254']);
  });

  it('names the peer it is for', () => {
    const policy: Policy = { statements: [{ match: { peers: ['peer2'] }, action: 'accept' }], otherwise: 'reject' };
    const net = new Net();
    net.up(1);
    net.up(2, { export: policy });
    net.up(3, { export: policy });
    net.say(1, { prefixes: ['192.0.2.0/24'] });
    expect([net.heard(2).length, net.heard(3).length]).toEqual([1, 0]);
  });
});

describe('a policy that changes', () => {
  it('on import lets in what was kept out, and the other way round, without the peer saying it again', () => {
    const net = new Net();
    const view = { import: Policy.none };
    net.up(1, view);
    net.up(2);
    net.say(1, { prefixes: ['192.0.2.0/24'] });
    expect(net.heard(2)).toEqual([]);
    net.rib.setPeer(1, { ...net.view(1), import: Policy.all });
    expect(net.heard(2)).toEqual(['192.0.2.0/24 [65000 65001] 10.0.0.254']);
    net.rib.setPeer(1, { ...net.view(1), import: Policy.none });
    expect(net.heard(2)).toEqual([]);
  });

  it('on export withdraws what is no longer for the peer', () => {
    const net = new Net();
    net.up(1);
    const sink = net.up(2);
    net.say(1, { prefixes: ['192.0.2.0/24'] });
    net.rib.originate([{ prefix: pfx('198.51.100.0/24') }]);
    expect(net.heard(2).length).toBe(2);
    net.rib.setPeer(2, {
      ...net.view(2),
      export: Policy.originated,
    });
    expect(net.heard(2)).toEqual(['198.51.100.0/24 [65000] 10.0.0.254']);
    expect(sink.superfluous).toBe(0);
  });

  it('the same policy again is nothing to tell', () => {
    const net = new Net();
    net.up(1);
    net.up(2);
    net.say(1, { prefixes: ['192.0.2.0/24'] });
    net.settle();
    for (const slot of [1, 2]) net.rib.setPeer(slot, { ...net.view(slot) });
    expect([net.rib.hasOutput(1), net.rib.hasOutput(2)]).toEqual([false, false]);
  });
});
