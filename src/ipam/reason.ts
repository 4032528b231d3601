/**
 * Every reason for not giving an address, or for taking one away: one enumeration for conditions, events, `explain`,
 * the dry run and tests. Condition reasons and messages are an interface people grep for (reference §2.12-2.13).
 */
import { type Family, IpAddress } from '../net/ip.ts';
import type { SharingReason } from './sharing.ts';

/** The reasons a Service's condition knows. */
export type ConditionReason =
  | 'satisfied'
  | 'no_pool'
  | 'pool_selector_mismatch'
  | 'already_allocated'
  | 'already_allocated_incompatible_service'
  | 'out_of_ips';

/** What a reason may speak of. */
interface ReasonDetail {
  readonly address?: IpAddress;
  readonly family?: Family;
  readonly sharing?: SharingReason;
}

interface RefusalRow {
  readonly condition: ConditionReason;
  readonly message: (address: string, sharing: string) => string;
}

/** Why a claim is not given (one of) the addresses it asks for. */
const refusals = {
  no_pool: {
    condition: 'no_pool',
    message: () => 'There are no enabled CiliumLoadBalancerIPPools that match this service',
  },
  no_pool_for_address: {
    condition: 'no_pool',
    message: address => `No pool exists with a CIDR containing '${address}'`,
  },
  pool_selector_mismatch: {
    condition: 'pool_selector_mismatch',
    message: address => `The pool with the CIDR containing '${address}', doesn't select this service`,
  },
  already_allocated: {
    condition: 'already_allocated',
    message: address => `The IP '${address}' is already allocated to another service`,
  },
  incompatible_service: {
    condition: 'already_allocated_incompatible_service',
    message: (address, sharing) =>
      `The IP '${address}' is already allocated to an incompatible service. Reason: ${sharing}`,
  },
  // Cilium keeps such an address from everybody by marking it as allocated, hence its reason; the text says the truth.
  held_back: {
    condition: 'already_allocated',
    message: address => `The IP '${address}' is the first or last of its CIDR, and its pool holds those back`,
  },
  out_of_ips: {
    condition: 'out_of_ips',
    message: () => 'All enabled CiliumLoadBalancerIPPools that match this service ran out of allocatable IPs',
  },
} as const satisfies Record<string, RefusalRow>;

/** Why an address that a claim held, or that its status named, is not (any more) its own. */
const releases = {
  pool_gone: 'no pool contains it any more',
  selector_changed: 'no pool that contains it selects the service any more',
  not_requested: 'the service asks for other addresses',
  family_not_wanted: 'the service does not ask for this family',
  held_by_other: 'another service holds it',
  sharing_incompatible: 'it cannot be shared any more',
} as const satisfies Record<string, string>;

/** What one pool answers to one claim. */
const poolAnswers = {
  gives: 'can give an address',
  holds: 'holds an address of this service',
  is_conflicting: 'gives nothing, because it conflicts',
  is_disabled: 'gives nothing new, because it is disabled',
  does_not_select: 'does not select this service',
  has_no_family: 'has no address of the family that is asked for',
  does_not_contain: 'does not contain the address that is asked for',
  holds_back: 'holds back the address that is asked for, as the first or last of its CIDR',
  is_taken: 'has given the address that is asked for to another service',
  is_full: 'has no free address',
  is_unreadable: 'cannot be read: what it gave before is kept, nothing new is given',
} as const satisfies Record<string, string>;

export type RefusalReason = keyof typeof refusals;
export type ReleaseReason = keyof typeof releases;
export type PoolAnswerReason = keyof typeof poolAnswers;

export interface Refusal extends ReasonDetail {
  readonly reason: RefusalReason;
}

export interface Release extends ReasonDetail {
  readonly reason: ReleaseReason;
  readonly address: IpAddress;
}

export const Refusal = {
  conditionReason(refusal: Refusal): ConditionReason {
    return refusals[refusal.reason].condition;
  },

  /** The condition's message, word for word. */
  message({ reason, address, sharing }: Refusal): string {
    return refusals[reason].message(address === undefined ? '' : IpAddress.format(address), sharing ?? '');
  },

  equals(a: Refusal, b: Refusal): boolean {
    return (
      a.reason === b.reason &&
      a.family === b.family &&
      a.sharing === b.sharing &&
      (a.address === b.address ||
        (a.address !== undefined && b.address !== undefined && IpAddress.equals(a.address, b.address)))
    );
  },
};

export const Release = {
  /** `no pool contains it any more`: follows "198.51.100.7 was taken away: ". */
  text({ reason, sharing }: Release): string {
    return sharing === undefined ? releases[reason] : `${releases[reason]} (${sharing})`;
  },
};

/** Follows the pool's name. */
export function poolAnswerText(reason: PoolAnswerReason): string {
  return poolAnswers[reason];
}
