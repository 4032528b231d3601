/**
 * Two connections with one peer: which one stays (RFC 4271 §6.8, RFC 6286 §2.3). Decided when the OPEN of `newer` has
 * arrived and is acceptable; both ends come to the same answer.
 */
import type { Session } from './session.ts';
import type { LocalIdentity, Negotiated } from './session-negotiate.ts';

/** What becomes of the other connection: nothing yet, given up, closed as the loser, kept, or taken for dead. */
export type Collision = 'none' | 'overtaken' | 'newer stays' | 'older stays' | 'peer restarted';

/** Who opened each connection; `negotiated` came over the newer one. */
export function collide(
  older: Session,
  opened: { readonly older: 'us' | 'them'; readonly newer: 'us' | 'them' },
  negotiated: Negotiated,
  self: LocalIdentity,
): Collision {
  switch (older.state) {
    case 'idle':
    case 'active':
      return 'none';
    case 'connect':
      // Nothing has been said on it: dropping it now spares both ends a collision.
      return 'overtaken';
    case 'openSent':
    case 'openConfirm':
      // The same end has tried twice: it will have given up the first.
      if (opened.older === opened.newer) return 'newer stays';
      return ourWins(negotiated, self) === (opened.newer === 'us') ? 'newer stays' : 'older stays';
    case 'established':
      // RFC 4724 §5: the peer may have restarted without our noticing that the old connection is dead.
      return older.negotiated.gracefulRestart === undefined ? 'older stays' : 'peer restarted';
  }
}

/** The connection opened by the higher identifier stays; between equal ones, that of the higher AS. */
function ourWins(negotiated: Negotiated, self: LocalIdentity): boolean {
  if (self.routerId !== negotiated.remoteRouterId) return self.routerId > negotiated.remoteRouterId;
  return self.asn > negotiated.remoteAsn;
}
