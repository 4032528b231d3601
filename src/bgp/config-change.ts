/**
 * What a change of a peer's configuration touches, field by field: nothing that runs, routes only (re-evaluated,
 * never reset), the session (hard), or the peer's identity (another peer takes its place).
 */
import { sameValue } from '../net/equal.ts';
import type { FamilyConfig, PeerConfig } from './config.ts';

const changes = ['none', 'soft', 'hard', 'new'] as const;
export type Change = (typeof changes)[number];

/** A field's row: one answer, or one for each field inside. */
type Row = Change | { readonly [field: string]: Change };

const changeRows: Readonly<Record<keyof PeerConfig, Row>> = {
  key: 'new',
  remote: 'new',
  asn: 'new',
  localAsn: 'new',
  description: 'none',
  // Stopping and starting is not a change of what runs but whether it does.
  shutdown: 'none',
  transport: {
    port: 'hard',
    passive: 'none',
    localAddress: 'hard',
    device: 'hard',
    password: 'hard',
    ttlSecurityHops: 'hard',
    ttl: 'hard',
  },
  timers: {
    // Both are in, or follow from, what the OPENs agreed on.
    holdMs: 'hard',
    keepaliveMs: 'hard',
    connectRetryMs: 'none',
    idleHoldMs: 'none',
    idleHoldMaxMs: 'none',
    openHoldMs: 'none',
    sendHoldMs: 'none',
  },
  families: 'hard',
  capabilities: 'hard',
  gracefulRestart: { restartMs: 'hard', staleMs: 'none', notification: 'hard' },
  role: 'hard',
  routeReflectorClient: 'hard',
  routeServerClient: 'hard',
  nextHop: 'soft',
  enforceFirstAs: 'soft',
  allowOwnAs: 'soft',
  import: 'soft',
  export: 'soft',
  gracefulShutdown: 'soft',
};

/** The gravest of what the fields that differ call for. */
export function changeBetween(before: PeerConfig, after: PeerConfig): Change {
  let gravest: Change = 'none';
  const note = (change: Change) => {
    if (changes.indexOf(change) > changes.indexOf(gravest)) gravest = change;
  };
  for (const [field, row] of Object.entries(changeRows) as [keyof PeerConfig, Row][]) {
    const [a, b] = [relevant(before, field), relevant(after, field)];
    if (sameValue(a, b)) continue;
    if (typeof row === 'string') note(row);
    else if (a === undefined || b === undefined) note('hard');
    else for (const [inner, change] of Object.entries(row)) if (!sameValue(at(a, inner), at(b, inner))) note(change);
  }
  return gravest;
}

/** Of families, only which ones: limits can move while the session stands. */
function relevant(config: PeerConfig, field: keyof PeerConfig): unknown {
  const value = config[field];
  return field === 'families' ? (value as readonly FamilyConfig[]).map(each => each.family) : value;
}

function at(value: unknown, field: string): unknown {
  return (value as Readonly<Record<string, unknown>>)[field];
}
