/** What is originated, as whole sets one after the other: always the same as if the last one had been the first. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Announcement } from '../../src/bgp/announcement.ts';
import { Family } from '../../src/bgp/family.ts';
import { Policy } from '../../src/bgp/policy.ts';
import { Rib } from '../../src/bgp/rib.ts';
import { IpAddress } from '../../src/net/ip.ts';
import { Prefix } from '../../src/net/prefix.ts';

const peers = ['a', 'b'] as const;
const address = (host: number) => IpAddress.of('ipv4', BigInt(0x0a000000 + host));

function ribWithPeers(): Rib {
  const rib = new Rib({ asn: 65001, routerId: 1 });
  for (const [slot, key] of peers.entries())
    rib.peerUp(slot, {
      key,
      kind: 'external',
      asn: 65010 + slot,
      localAsn: 65001,
      routerId: 10 + slot,
      remoteAddress: address(1000 + slot),
      localAddress: address(999),
      families: ['ipv4-unicast', 'ipv6-unicast'],
      fourOctetAs: true,
      extendedMessages: false,
      extendedNextHop: [],
      enhancedRefresh: false,
      endOfRib: [],
      nextHop: 'default',
      enforceFirstAs: true,
      allowOwnAs: 0,
      gracefulShutdown: false,
      import: Policy.none,
      export: Policy.originated,
    });
  return rib;
}

function told(rib: Rib): unknown {
  const views = Family.all.flatMap(family => peers.map((_, slot) => [...rib.adjOut(slot, family)]));
  return views.map(rows => rows.map(row => `${Prefix.format(row.prefix)} med ${row.attributes.med}`).sort());
}

/** Few values, so that the same announcement (by identity) is in one set after the other, and now and then twice. */
const pool: readonly Announcement[] = [0, 1, 2, 3].flatMap(host =>
  [undefined, ['a'], ['b']].flatMap(audience =>
    [1, 2].map(med => ({ prefix: Prefix.host(address(host)), med, ...(audience && { peers: audience }) })),
  ),
);
const oneOfThem = fc.integer({ min: 0, max: pool.length - 1 }).map(i => pool[i] as Announcement);
const set = fc.array(oneOfThem, { maxLength: 12 });
/** What really happens: one is added here, one removed there. */
const steps = fc.array(fc.record({ at: fc.nat(), add: fc.option(oneOfThem) }), { maxLength: 8 });

describe('originating whole sets', () => {
  it('the same set twice, or after any others, is told the same', () => {
    fc.assert(
      fc.property(set, steps, set, (first, changes, last) => {
        const rib = ribWithPeers();
        rib.originate(first);
        let now = first;
        for (const { at, add } of changes) {
          const i = at % (now.length + 1);
          now = add === null ? now.toSpliced(i, 1) : now.toSpliced(i, 0, add);
          rib.originate(now);
          const fresh = ribWithPeers();
          fresh.originate(now);
          expect(told(rib)).toEqual(told(fresh));
        }
        rib.originate(last);
        const fresh = ribWithPeers();
        fresh.originate(last);
        expect(told(rib)).toEqual(told(fresh));
        rib.originate([]);
        expect(told(rib)).toEqual(told(ribWithPeers()));
      }),
      { numRuns: 200 },
    );
  });
});
