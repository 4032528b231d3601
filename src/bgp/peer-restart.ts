/**
 * Graceful restart, the helper's side (RFC 4724 §4.2, RFC 8538 §4): whose routes are kept when a session ends, for
 * how long, and which endings are hard.
 */
import type { GracefulRestart } from './config.ts';
import type { Family } from './family.ts';
import { type ErrorName, Notification } from './notification.ts';
import { hardReset } from './notification-codec.ts';
import type { Negotiated } from './session-negotiate.ts';
import type { DownReason } from './speaker-effect.ts';

/** A peer's routes that outlive its session. */
export interface Kept {
  readonly families: readonly Family[];
  /** The restart time while it is away; the stale time once it is back. */
  readonly untilMs: number;
}

/** Families whose routes stay when the session ends so. */
export function familiesToKeep(negotiated: Negotiated, reason: DownReason): readonly Family[] {
  const restart = negotiated.gracefulRestart;
  if (restart === undefined || restart.restartMs === 0) return [];
  const told = reason.kind === 'sent' || reason.kind === 'received';
  if (told && (!restart.notification || Notification.is(reason.notification, 'hard reset'))) return [];
  return restart.families.map(each => each.family).filter(family => negotiated.families.includes(family));
}

/** The peer is back: what goes on being kept, and what is flushed now because it did not keep forwarding. */
export function afterReturn(
  kept: Kept | undefined,
  negotiated: Negotiated,
  config: GracefulRestart | undefined,
  nowMs: number,
): { readonly kept: Kept | undefined; readonly flush: readonly Family[] } {
  if (kept === undefined) return { kept: undefined, flush: [] };
  const preserved = (negotiated.gracefulRestart?.families ?? [])
    .filter(each => each.forwarding)
    .map(each => each.family);
  const stays = (family: Family) => preserved.includes(family) && negotiated.families.includes(family);
  const families = kept.families.filter(stays);
  const flush = kept.families.filter(family => !stays(family));
  if (families.length === 0 || config === undefined) return { kept: undefined, flush: kept.families };
  return { kept: { families, untilMs: nowMs + config.staleMs }, flush };
}

/** Endings that must not leave routes behind at the other end (RFC 8538 §5). */
const hard: readonly ErrorName[] = [
  'administrative shutdown',
  'peer de-configured',
  'maximum number of prefixes reached',
  'BFD down',
];

/**
 * As the peer has to be told: a hard reset where the reason calls for one and notifications alone would keep routes.
 */
export function asTold(notification: Notification, negotiated: Negotiated | undefined): Notification {
  const keeps = negotiated?.gracefulRestart?.notification === true;
  return keeps && hard.some(name => Notification.is(notification, name)) ? hardReset(notification) : notification;
}
