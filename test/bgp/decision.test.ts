/** Every step of the decision process, both orders of arrival (RFC 4271 §9.1.2.2, RFC 4456 §9). */
import { describe, expect, it } from 'vitest';
import type { PathAttributes } from '../../src/bgp/attribute.ts';
import type { DecisionStep } from '../../src/bgp/decision.ts';
import type { PeerView } from '../../src/bgp/rib-view.ts';
import { Net } from './rib-net.ts';
import { ip } from './rib-wire.ts';

interface Side {
  readonly view?: Partial<PeerView>;
  readonly path?: readonly number[];
  readonly more?: PathAttributes;
}

const internal = { kind: 'internal', asn: 65000 } as const;
const reflected = (originatorId: number, ...clusterList: number[]) => ({ localPref: 100, originatorId, clusterList });

/** The first side wins, by this step. */
const cases: [step: DecisionStep, better: Side, worse: Side][] = [
  [
    'local preference',
    { view: internal, more: { localPref: 101 }, path: [1, 2, 3] },
    { view: internal, more: { localPref: 100 }, path: [1] },
  ],
  ['local preference', { view: internal, more: { localPref: 101 }, path: [1, 2, 3] }, { path: [1] }],
  ['AS path length', { path: [65001, 2] }, { path: [65002, 2, 3], more: { origin: 'igp' } }],
  [
    'AS path length',
    { path: [65001, 2], more: { origin: 'incomplete' } },
    { path: [65002, 2, 3], more: { origin: 'igp' } },
  ],
  [
    'AS path length',
    {
      more: {
        asPath: [
          { type: 'sequence', asns: [65001] },
          { type: 'set', asns: [1, 2, 3, 4] },
        ],
      },
    },
    { path: [65002, 2, 3] },
  ],
  ['origin', { more: { origin: 'igp' } }, { more: { origin: 'egp' } }],
  ['origin', { more: { origin: 'egp' } }, { more: { origin: 'incomplete' } }],
  ['MED', { path: [65009, 1], more: { med: 5 } }, { path: [65009, 2], more: { med: 6 } }],
  ['MED', { path: [65009, 1] }, { path: [65009, 2], more: { med: 1 } }],
  ['external over internal', { path: [65001] }, { view: internal, path: [65001], more: { localPref: 100 } }],
  ['router ID', { path: [65001], more: { med: 9 } }, { path: [65002], more: { med: 1 } }],
  ['router ID', { view: { routerId: 5 } }, { view: { routerId: 4_000_000_000 } }],
  [
    'router ID',
    { view: { ...internal, routerId: 9 }, more: reflected(3, 1) },
    { view: { ...internal, routerId: 4 }, more: {} },
  ],
  ['cluster list length', { view: internal, more: reflected(3, 1) }, { view: internal, more: reflected(3, 1, 2) }],
  [
    'peer address',
    { view: { routerId: 5, remoteAddress: ip('10.0.0.9') } },
    { view: { routerId: 5, remoteAddress: ip('10.0.0.10') } },
  ],
];

describe('the decision process (RFC 4271 §9.1.2.2, RFC 4456 §9)', () => {
  for (const [step, better, worse] of cases)
    for (const order of ['first', 'last'] as const)
      it(`${step}: ${JSON.stringify(better.more ?? better.path ?? '')} said ${order}`, () => {
        const net = new Net();
        const say = (slot: number, side: Side) => {
          net.up(slot, side.view);
          const { asPath, ...more } = side.more ?? {};
          net.say(slot, {
            prefixes: ['192.0.2.0/24'],
            path: side.path ?? [65009],
            more: asPath ? { ...more, asPath } : more,
          });
        };
        if (order === 'first') say(1, better);
        say(2, worse);
        if (order === 'last') say(1, better);
        expect(net.loc()).toEqual(['192.0.2.0/24 1']);
        expect([...net.rib.loc('ipv4-unicast')].map(route => [route.peer, route.best, route.step])).toEqual([
          [1, true, step],
          [2, false, step],
        ]);
      });

  it('a single path is the only one', () => {
    const net = new Net();
    net.up(1);
    net.say(1, { prefixes: ['192.0.2.0/24'] });
    expect([...net.rib.loc('ipv4-unicast')][0]?.step).toBe('only path');
  });

  it('MED does not depend on the order of arrival (RFC 4271 §9.1.2.2 c)', () => {
    const sides = [
      { path: [10, 1], med: 10, routerId: 3 },
      { path: [20, 1], med: 0, routerId: 2 },
      { path: [10, 1], med: 5, routerId: 4 },
    ];
    const winners = [
      [0, 1, 2],
      [0, 2, 1],
      [1, 0, 2],
      [1, 2, 0],
      [2, 0, 1],
      [2, 1, 0],
    ].map(order => {
      const net = new Net();
      for (const index of order) {
        const { path, med, routerId } = sides[index] ?? { path: [], med: 0, routerId: 0 };
        net.up(index, { routerId });
        net.say(index, { prefixes: ['192.0.2.0/24'], path, more: { med } });
      }
      return net.loc();
    });
    expect(new Set(winners.map(String))).toEqual(new Set(['192.0.2.0/24 1']));
  });

  it('the next best takes over when the best goes, and losing a loser changes nothing', () => {
    const net = new Net();
    for (const slot of [1, 2, 3]) {
      net.up(slot);
      net.say(slot, { prefixes: ['192.0.2.0/24'], path: Array.from({ length: slot }, () => 65000 + slot) });
    }
    const sink = net.up(4);
    net.settle();
    net.lose(3, ['192.0.2.0/24']);
    expect(net.rib.hasOutput(4)).toBe(false);
    net.lose(1, ['192.0.2.0/24']);
    expect(net.heard(4)).toEqual(['192.0.2.0/24 [65000 65002 65002] 10.0.0.254']);
    expect(sink.messages.length).toBe(2);
  });
});
