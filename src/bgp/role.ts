/** Roles and route leaks (RFC 9234): which pairs of roles fit, and what OTC does to a route on its way in and out. */
import type { Role } from './config.ts';

/** Capability values (RFC 9234 §4.1). */
export const roleNumbers = { provider: 0, rs: 1, 'rs-client': 2, customer: 3, peer: 4 } as const satisfies Record<
  Role,
  number
>;

/** What the other end has to be (RFC 9234 §4.2, table 2). */
export const roleOpposite: Readonly<Record<Role, Role>> = {
  provider: 'customer',
  customer: 'provider',
  rs: 'rs-client',
  'rs-client': 'rs',
  peer: 'peer',
};

/** Undefined for a number that is no role. */
export function roleOf(number: number): Role | undefined {
  return (Object.keys(roleNumbers) as Role[]).find(role => roleNumbers[role] === number);
}

/**
 * A route that came in, `local` being what we are to the sender (RFC 9234 §5): `leak` makes it ineligible; a number
 * is the OTC to attach; undefined leaves it alone.
 */
export function otcOnImport(
  local: Role | undefined,
  otc: number | undefined,
  remoteAsn: number,
): 'leak' | number | undefined {
  if (local === undefined) return undefined;
  if (otc !== undefined) {
    if (local === 'provider' || local === 'rs') return 'leak';
    return local === 'peer' && otc !== remoteAsn ? 'leak' : undefined;
  }
  return local === 'customer' || local === 'peer' || local === 'rs-client' ? remoteAsn : undefined;
}

/**
 * A route about to go out, `local` being what we are to the receiver: `leak` must not be sent; a number is the OTC to
 * attach.
 */
export function otcOnExport(
  local: Role | undefined,
  otc: number | undefined,
  localAsn: number,
): 'leak' | number | undefined {
  if (local === undefined) return undefined;
  if (otc !== undefined) return local === 'customer' || local === 'peer' || local === 'rs-client' ? 'leak' : undefined;
  return local === 'provider' || local === 'peer' || local === 'rs' ? localAsn : undefined;
}
