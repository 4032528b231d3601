/** What is originated, as whole sets one after the other: always the same as if the last one had been the first. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Announcement } from '../../src/bgp/announcement.ts';
import { Family } from '../../src/bgp/family.ts';
import { Policy } from '../../src/bgp/policy.ts';
import { Rib } from '../../src/bgp/rib.ts';
import type { PeerView } from '../../src/bgp/rib-view.ts';
import { IpAddress } from '../../src/net/ip.ts';
import { Prefix } from '../../src/net/prefix.ts';
import { Net } from './rib-net.ts';

const peers = ['a', 'b'] as const;
const address = (host: number) => IpAddress.of('ipv4', BigInt(0x0a000000 + host));

function peerView(slot: number): PeerView {
  return {
    key: peers[slot] ?? '',
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
  };
}

function ribWithPeers(): Rib {
  const rib = new Rib({ asn: 65001, routerId: 1 });
  for (const slot of peers.keys()) rib.peerUp(slot, peerView(slot));
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
  it('what was there before a peer, and has been pulled, is no longer pending', () => {
    const rib = ribWithPeers();
    rib.originate(pool.slice(0, 4));
    const pending = () => [...rib.adjOut(0, 'ipv4-unicast')].map(route => route.pending);
    expect(pending()).toContain(true);
    while (rib.pull(0, new Uint8Array(70_000), 0) > 0);
    expect(pending()).not.toContain(true);
    const later = new Rib({ asn: 65001, routerId: 1 });
    later.originate(pool.slice(0, 4));
    later.peerUp(0, peerView(0));
    while (later.pull(0, new Uint8Array(70_000), 0) > 0);
    expect([...later.adjOut(0, 'ipv4-unicast')].map(route => route.pending)).not.toContain(true);
  });

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

describe('a peer that is told only what we originate', () => {
  const others = ['192.0.2.0/24', '198.51.100.0/24'];

  it('has nothing to look at when others speak', () => {
    const net = new Net();
    net.up(0);
    net.up(1, { export: Policy.originated });
    net.settle();
    net.say(0, { prefixes: others });
    expect(net.rib.hasOutput(1)).toBe(false);
  });

  it('is told that ours is gone, whatever else there is, and nothing stays behind', () => {
    const net = new Net();
    net.up(0);
    net.up(1, { export: Policy.originated });
    net.rib.originate([{ prefix: Prefix.parse('192.0.2.0/24') as Prefix }]);
    expect(net.heard(1)).toHaveLength(1);
    net.say(0, { prefixes: others });
    net.rib.originate([]);
    expect(net.heard(1)).toEqual([]);
    net.rib.peerDown(0, []);
    net.rib.peerDown(1, []);
    expect(net.rib.held).toBe(0);
  });

  it('is told the rest when it may have it, and no longer when it may not', () => {
    const net = new Net();
    net.up(0);
    net.up(1, { export: Policy.originated });
    net.say(0, { prefixes: others });
    net.rib.originate([{ prefix: Prefix.parse('203.0.113.0/24') as Prefix }]);
    net.settle();
    // Taken back, but not yet told so, when the policy changes.
    net.rib.originate([]);
    net.rib.setPeer(1, { ...net.view(1), export: Policy.all });
    expect(net.heard(1).map(route => route.split(' ')[0])).toEqual(others);
    net.rib.setPeer(1, { ...net.view(1), export: Policy.originated });
    expect(net.heard(1)).toEqual([]);
    net.say(0, { prefixes: ['100.64.0.0/10'] });
    expect(net.heard(1)).toEqual([]);
  });
});
