/** Who asks for addresses, in the allocator's own words (reference §2.9-2.11). */
import { type Family, IpAddress } from '../net/ip.ts';
import { type SharingTerms, sameTerms } from './sharing.ts';

export interface Claim {
  readonly namespace: string;
  readonly name: string;
  /** Another uid under the same name is another Service: it inherits nothing. */
  readonly uid: string;
  readonly createdMs: number;
  /** What pool selectors see: labels, and namespace and name under the magic keys, which no label can spoof. */
  readonly labels: Readonly<Record<string, string>>;
  /** One address of each, when no particular ones are asked for. */
  readonly families: readonly Family[];
  /** Exactly these, in this order, without duplicates; whatever their family. Empty when any will do. */
  readonly requested: readonly IpAddress[];
  readonly sharing: SharingTerms | undefined;
  /** What its status says it holds. Believed only of a claim that the allocator has not seen before. */
  readonly held: readonly IpAddress[];
}

export const Claim = {
  /** Whether the two ask for the same: `held` and the age of the object are no part of that. */
  sameRequest(a: Claim, b: Claim): boolean {
    return (
      a === b ||
      (a.families.length === b.families.length &&
        a.families.every((family, i) => family === b.families[i]) &&
        a.requested.length === b.requested.length &&
        a.requested.every((address, i) => IpAddress.equals(address, b.requested[i] ?? address)) &&
        sameTerms(a.sharing, b.sharing) &&
        sameLabels(a.labels, b.labels))
    );
  },

  /** By namespace and name, by code unit. */
  compareNames(a: Claim, b: Claim): number {
    return compareText(a.namespace, b.namespace) || compareText(a.name, b.name);
  },

  /** The older first, and by name where they are of one age: whoever came first is served first. */
  compareAge(a: Claim, b: Claim): number {
    return a.createdMs - b.createdMs || Claim.compareNames(a, b);
  },

  key(claim: { readonly namespace: string; readonly name: string }): string {
    return `${claim.namespace}/${claim.name}`;
  },

  /** Whether the address is one the claim asks for, as far as the claim alone can say. */
  wants(claim: Claim, address: IpAddress): 'not_requested' | 'family_not_wanted' | undefined {
    if (claim.requested.length > 0)
      return claim.requested.some(each => IpAddress.equals(each, address)) ? undefined : 'not_requested';
    return claim.families.includes(address.family) ? undefined : 'family_not_wanted';
  },
};

function sameLabels(a: Claim['labels'], b: Claim['labels']): boolean {
  if (a === b) return true;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every(key => Object.hasOwn(b, key) && a[key] === b[key]);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
