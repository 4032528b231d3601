/**
 * How long a node's session lasts and how often it is renewed, from the three numbers that Cilium has for its leases,
 * clamped as Cilium does. Reference §2.15 items 5-6, L30.
 */

export interface LeaseTimes {
  /** `--l2-lease-duration`: how long the others wait for a renewal before they take what the node owned. */
  readonly durationMs: number;
  /** `--l2-lease-renew-deadline`: how often the session is renewed; requests per second are nodes divided by this. */
  readonly renewMs: number;
  /** `--l2-lease-retry-period`: how soon a renewal that failed is tried again. */
  readonly retryMs: number;
}

/** Cilium's own are 15 s, 5 s and 2 s, for a Lease each Service; these are for a Lease each node. */
export const leaseTimesDefault: LeaseTimes = { durationMs: 3000, renewMs: 1000, retryMs: 200 };

const durationMinMs = 1000;
/** The least that Kubernetes can say of a duration: one nanosecond. */
const leastMs = 1e-6;
/** Retries that a renewal must leave room for (client-go's jitter factor). */
const retryFactor = 1.2;

export function clampLeaseTimes({ durationMs, renewMs, retryMs }: LeaseTimes): LeaseTimes {
  const duration = Math.max(durationMs, durationMinMs);
  const asked = renewMs < leastMs ? 1000 : renewMs;
  const retryAsked = retryMs < leastMs ? 200 : retryMs;
  const renew = duration <= asked ? duration / 2 : asked;
  const retry = renew <= retryFactor * retryAsked ? renew / 2 : retryAsked;
  return { durationMs: duration, renewMs: renew, retryMs: retry };
}
