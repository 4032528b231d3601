/**
 * Router IDs from a pool: the operator's `ip-pool` mode (reference §1.4). Who holds one keeps it; the rest take the
 * lowest that is free, the pool's first address included; what nobody holds any more is free again.
 */
import { IpAddress } from '../net/ip.ts';
import { Prefix } from '../net/prefix.ts';

/** Who wants one (node and instance), and the one held so far. */
export interface RouterIdClaim {
  readonly key: string;
  readonly held: IpAddress | undefined;
}

/** Router IDs by key, for as many as the pool has. `taken`: set by hand elsewhere. Earlier claims go first. */
export function allotRouterIds(
  pool: Prefix,
  claims: readonly RouterIdClaim[],
  taken: readonly IpAddress[],
): ReadonlyMap<string, IpAddress> {
  const used = new Set(taken.map(address => address.value));
  const allotted = new Map<string, IpAddress>();
  for (const { key, held } of claims) {
    if (held === undefined || !Prefix.contains(pool, held) || used.has(held.value)) continue;
    used.add(held.value);
    allotted.set(key, held);
  }
  const end = Prefix.last(pool).value;
  // 0.0.0.0 is no identifier (RFC 6286 §2.1).
  let next = pool.address.value === 0n ? 1n : pool.address.value;
  for (const { key } of claims) {
    if (allotted.has(key)) continue;
    while (used.has(next)) next++;
    if (next > end) break;
    used.add(next);
    allotted.set(key, IpAddress.of(pool.address.family, next));
  }
  return allotted;
}
