/** Who answers for an address: being filled in; the types are in ownership-event.ts. */
import type { OwnershipConfig, OwnershipEffect, OwnershipEvent, OwnershipStatus } from './ownership-event.ts';

/** See OwnershipEvent and OwnershipEffect. All times are CLOCK_BOOTTIME in ms of this node. */
export interface AddressOwnership {
  /** Takes an event; what is to be done, in order. */
  step(event: OwnershipEvent, nowMs: number): readonly OwnershipEffect[];
  /** When to call `step` with a tick at the latest. */
  readonly nextMs: number;
  status(nowMs: number): {
    readonly session: string;
    readonly holding: boolean;
    readonly groups: readonly OwnershipStatus[];
  };
}

/** How one is made. */
export type MakeOwnership = (config: OwnershipConfig, nowMs: number) => AddressOwnership;
