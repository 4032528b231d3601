/** The promise as a property: over random edits nothing that is still valid moves (reference §2.8-2.14). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Claim } from '../../src/ipam/claim.ts';
import { Pool } from '../../src/ipam/pool.ts';
import { sharingConflict } from '../../src/ipam/sharing.ts';
import { type Family, IpAddress } from '../../src/net/ip.ts';
import {
  addressesOf,
  conflicts,
  covered,
  type Held,
  type HeldByAll,
  heldBack,
  holders,
  holds,
  pass,
} from './oracle.ts';
import { type ClaimOptions, claim, pool, World } from './world.ts';

/** A small world in which everything collides: two colours, two keys, 24 addresses of each family. */
class Edits {
  #state: number;
  constructor(seed: number) {
    this.#state = seed;
  }

  /** 0 ≤ n < below (mulberry32). */
  below(below: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  }

  pick<T>(values: readonly [T, ...T[]]): T {
    return values[this.below(values.length)] ?? values[0];
  }

  address(): string {
    return this.below(4) === 0 ? `fd00::${this.below(24).toString(16)}` : `10.0.0.${this.below(24)}`;
  }

  block(): string {
    if (this.below(3) === 0) {
      const first = this.below(20);
      return `10.0.0.${first}-10.0.0.${first + this.below(5)}`;
    }
    const v4 = `10.0.0.${this.below(6) * 4}/${28 + this.below(5)}`;
    return this.below(4) === 0 ? `fd00::${(this.below(6) * 4).toString(16)}/${124 + this.below(5)}` : v4;
  }

  pool(name: string): Pool {
    const select = this.pick([undefined, undefined, 'color=red', 'color=blue', 'color']);
    return pool(
      name,
      Array.from({ length: this.below(3) }, () => this.block()),
      {
        createdMs: this.below(3),
        disabled: this.below(6) === 0,
        allowFirstLast: this.below(3) > 0,
        ...(select === undefined ? {} : { select }),
      },
    );
  }

  claim(name: string): Claim {
    const families = this.pick<readonly Family[]>([['ipv4'], ['ipv4'], ['ipv6'], ['ipv4', 'ipv6'], []]);
    const labels = this.pick<Record<string, string>>([{}, { color: 'red' }, { color: 'blue' }]);
    const createdMs = this.below(3);
    const options: ClaimOptions = {
      uid: `${name}-${createdMs}`,
      createdMs,
      families,
      labels,
      requested: this.below(3) === 0 ? [...new Set([this.address(), this.address()])] : [],
      held: this.below(3) === 0 ? [this.address(), this.address()] : [],
    };
    if (this.below(2) === 0) return claim(name, options);
    const sharing = {
      key: this.pick(['key-a', 'key-a', 'key-b']),
      permits: this.pick<readonly string[]>([[], ['*']]),
      ports: [`TCP/${this.below(3)}`],
      trafficPolicy: this.pick<'Cluster' | 'Local'>(['Cluster', 'Cluster', 'Local']),
      podSelector: this.pick(['', 'app=a', 'app=b']),
      permitDifferentPods: this.below(2) === 0,
    };
    return claim(name, { ...options, sharing });
  }

  /** One edit, seldom more at once. */
  apply(world: World): void {
    do {
      const name = `pool-${this.pick(['a', 'b', 'c'])}`;
      const path = `${this.pick(['one', 'two'])}/${this.pick(['p', 'q', 'r', 's'])}`;
      const old = world.claims.get(path);
      const edit = this.below(10);
      if (edit < 2) world.with(this.pool(name));
      else if (edit === 2) world.without(name);
      else if (edit === 3) world.without(path);
      else if (edit === 4) world.keepUncovered = this.below(2) === 0;
      else if (edit === 5 && old !== undefined) world.with({ ...old, held: [] });
      else if (edit === 6 && old !== undefined)
        world.with({ ...this.claim(path), uid: old.uid, createdMs: old.createdMs });
      else world.with(this.claim(path));
    } while (this.below(4) === 0);
  }
}

/** Why `held` may lose an address that it had: the three ways there are, all of them its own or its pools' doing. */
function mayLose(world: World, before: HeldByAll, was: Held, now: Claim, address: IpAddress): boolean {
  if (Claim.wants(now, address) !== undefined) return true;
  if (!covered([...world.pools.values()], now, address, world.keepUncovered)) return true;
  if (Claim.sameRequest(was.claim, now)) return false;
  return holders(before, address).some(({ claim: other }) => {
    const present = world.claims.get(Claim.key(other));
    return present !== undefined && other !== was.claim && sharesBadly(now, present);
  });
}

function sharesBadly(a: Claim, b: Claim): boolean {
  return a.sharing === undefined || b.sharing === undefined || sharingConflict(a.sharing, b.sharing) !== undefined;
}

function checkStability(world: World, before: HeldByAll, after: HeldByAll): void {
  for (const [key, was] of before) {
    const is = after.get(key);
    if (is === undefined || is.claim.uid !== was.claim.uid) continue;
    for (const address of was.addresses)
      if (!holds(is, address) && !mayLose(world, before, was, is.claim, address))
        throw new Error(`${key} lost ${IpAddress.format(address)} although it was still valid`);
  }
}

function checkSafety(world: World, before: HeldByAll, after: HeldByAll): void {
  const pools = [...world.pools.values()];
  for (const [key, is] of after) {
    for (const address of is.addresses) {
      for (const other of holders(after, address))
        if (other !== is && sharesBadly(is.claim, other.claim))
          throw new Error(`${IpAddress.format(address)} is held twice`);
      const was = before.get(key);
      const kept = was?.claim.uid === is.claim.uid ? was.addresses : is.claim.held;
      if (kept.some(each => IpAddress.equals(each, address))) continue;
      const giver = pools.find(each => Pool.contains(each, address) && !each.disabled && !conflicts(each, pools));
      if (giver === undefined || !giver.selector.matches(is.claim.labels)) throw new Error(`${key}: from no pool`);
      const joined = holders(after, address).length > 1;
      if (heldBack(giver, address) && !joined) throw new Error(`${key}: a first or last address`);
    }
  }
}

function checkUsage(world: World, after: HeldByAll): void {
  const distinct = new Map(
    [...after.values()].flatMap(held => held.addresses.map(each => [IpAddress.format(each), each])),
  );
  let used = 0n;
  for (const usage of world.allocator.usage()) {
    used += usage.used;
    if (usage.total !== usage.used + usage.available) throw new Error('total is not used + available');
    const all = new Map(addressesOf(usage.pool).map(each => [IpAddress.format(each), each]));
    const total = [...all.values()].filter(each => distinct.has(IpAddress.format(each)) || !heldBack(usage.pool, each));
    // In a pool that conflicts, some addresses are counted elsewhere.
    if (usage.conflict === undefined && usage.total !== BigInt(total.length)) throw new Error('total is wrong');
  }
  const covering = [...distinct.values()].filter(each =>
    [...world.pools.values()].some(one => Pool.contains(one, each)),
  );
  if (used !== BigInt(covering.length)) throw new Error('an address is not counted exactly once');
}

/**
 * The sharing reason too, which the plain rules do not work out, must not depend on how things came to be as they are.
 */
function sharingReasons(held: HeldByAll): unknown {
  return [...held]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, { refusals }]) => refusals.map(({ sharing }) => sharing));
}

function plain(held: HeldByAll): unknown {
  return [...held]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, { addresses, refusals }]) => [
      key,
      addresses.map(IpAddress.format),
      refusals.map(({ reason, address, family }) => [reason, address && IpAddress.format(address), family]),
    ]);
}

function read(world: World): HeldByAll {
  world.pass();
  return new Map(
    [...world.claims].map(([key, each]) => {
      const { addresses, refusals } = world.of(key);
      return [key, { claim: each, addresses: [...addresses], refusals: [...refusals] }];
    }),
  );
}

describe('addresses stay where they are', () => {
  it('over 10,000 random sequences: as the plain rules say, nothing valid moves, nor does a restart', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 1, max: 8 }), (seed, length) => {
        const edits = new Edits(seed);
        const world = new World();
        let before: HeldByAll = new Map();
        for (let i = 0; i < 6; i++) edits.apply(world);
        for (let i = 0; i < length; i++) {
          edits.apply(world);
          const pools = [...world.pools.values()];
          const after = read(world);
          expect(plain(after)).toEqual(plain(pass(before, pools, [...world.claims.values()], world.keepUncovered)));
          checkStability(world, before, after);
          checkSafety(world, before, after);
          checkUsage(world, after);
          before = after;
        }
        const restarted = read(world.restarted());
        expect(plain(restarted)).toEqual(plain(before));
        expect(sharingReasons(restarted)).toEqual(sharingReasons(before));
      }),
      { numRuns: 10_000 },
    );
  }, 120_000);
});
