/**
 * A peer, or a group of peers, as the speaker's file writes it. Every field may stand in a group and be overridden by
 * the peer.
 */
import { z } from 'zod';
import {
  capabilityDefaults,
  gracefulRestartDefaults,
  type PeerConfig,
  type RemoteAs,
  type Timers,
  timerDefaults,
} from '../bgp/config.ts';
import type { Family } from '../bgp/family.ts';
import type { Policy } from '../bgp/policy.ts';
import {
  address,
  asNumber,
  either,
  flag,
  isText,
  linkName,
  port,
  prefix,
  whole,
  words,
  zonedAddress,
} from './speaker-fields.ts';
import { statements } from './speaker-policy.ts';

const seconds = (min: number, max: number) => whole(min, max);
/** RFC 4271 §4.2: 0, or at least three. */
const holdSeconds = seconds(0, 65_535).refine(value => value === 0 || value >= 3, {
  error: 'must be 0 or at least 3 (RFC 4271 §4.2)',
});

const timers = z.strictObject({
  holdSeconds: holdSeconds.optional(),
  keepaliveSeconds: seconds(0, 21_845).optional(),
  connectRetrySeconds: seconds(1, 65_535).optional(),
  idleHoldSeconds: seconds(0, 65_535).optional(),
  idleHoldMaxSeconds: seconds(0, 65_535).optional(),
  openHoldSeconds: seconds(3, 65_535).optional(),
  sendHoldSeconds: seconds(0, 65_535).optional(),
});

const remoteAs = either(
  isText,
  z.enum(['internal', 'external', 'any']),
  either(value => value === 0, z.literal(0), asNumber),
).transform((value): RemoteAs => (value === 0 ? 'any' : value));

const maxPrefixes = either(
  value => typeof value === 'number',
  whole(1, 2 ** 31).transform(limit => ({ limit, restartSeconds: undefined })),
  z.strictObject({ limit: whole(1, 2 ** 31), restartSeconds: seconds(1, 86_400).optional() }),
);

const gracefulRestart = either(
  value => typeof value === 'boolean',
  z.boolean(),
  z.strictObject({
    restartSeconds: seconds(1, 4095).optional(),
    staleSeconds: seconds(1, 86_400).optional(),
    notification: flag.optional(),
  }),
);

/** `all`, `none`, `originated`, the name of a policy, or statements in place. */
const policy = either(isText, words, statements);

/** What a group may hold as well. */
const options = {
  asn: remoteAs.optional(),
  localAsn: asNumber.optional(),
  description: words.optional(),
  port: port.optional(),
  passive: flag.optional(),
  source: address.optional(),
  device: linkName.optional(),
  password: words.min(1, { error: 'must not be empty' }).max(80, { error: 'must be at most 80 octets' }).optional(),
  ttlSecurityHops: whole(1, 254).optional(),
  ttl: whole(1, 255).optional(),
  timers: timers.optional(),
  families: z
    .array(z.enum(['ipv4', 'ipv6']))
    .min(1, { error: 'must name a family' })
    .optional(),
  maxPrefixes: z.strictObject({ ipv4: maxPrefixes.optional(), ipv6: maxPrefixes.optional() }).optional(),
  gracefulRestart: gracefulRestart.optional(),
  role: z.enum(['provider', 'rs', 'rs-client', 'customer', 'peer']).optional(),
  roleStrict: flag.optional(),
  routeReflectorClient: flag.optional(),
  routeServerClient: flag.optional(),
  nextHop: z.enum(['default', 'self', 'unchanged']).optional(),
  enforceFirstAs: flag.optional(),
  allowOwnAs: whole(0, 10).optional(),
  import: policy.optional(),
  export: policy.optional(),
  gracefulShutdown: flag.optional(),
  shutdown: either(value => typeof value === 'boolean', flag, words).optional(),
  routeRefresh: flag.optional(),
  enhancedRefresh: flag.optional(),
  fourOctetAs: flag.optional(),
  extendedMessages: flag.optional(),
  extendedNextHop: flag.optional(),
  hostname: words.max(64).optional(),
};

export const groupSchema = z.strictObject(options);
export type GroupFields = z.infer<typeof groupSchema>;

export const peerSchema = z.strictObject({
  ...options,
  name: words.min(1).optional(),
  group: words.optional(),
  address: zonedAddress.optional(),
  interface: linkName.optional(),
  range: prefix.optional(),
  limit: whole(1, 100_000).optional(),
});
export type PeerFields = z.infer<typeof peerSchema>;

/**
 * The timers with their defaults (V2): hold alone gives keepalive a third of it, keepalive alone gives hold three
 * times.
 */
export function timersOf(given: GroupFields['timers']): Timers {
  const { holdSeconds: hold, keepaliveSeconds: keepalive } = given ?? {};
  const holdMs = hold !== undefined ? hold * 1000 : keepalive !== undefined ? keepalive * 3000 : timerDefaults.holdMs;
  const orMs = (value: number | undefined, otherwiseMs: number) => (value === undefined ? otherwiseMs : value * 1000);
  const idleHoldMs = orMs(given?.idleHoldSeconds, timerDefaults.idleHoldMs);
  return {
    holdMs,
    keepaliveMs: orMs(keepalive, Math.floor(holdMs / 3)),
    connectRetryMs: orMs(given?.connectRetrySeconds, timerDefaults.connectRetryMs),
    idleHoldMs,
    idleHoldMaxMs: Math.max(idleHoldMs, orMs(given?.idleHoldMaxSeconds, timerDefaults.idleHoldMaxMs)),
    openHoldMs: orMs(given?.openHoldSeconds, timerDefaults.openHoldMs),
    sendHoldMs: given?.sendHoldSeconds === undefined ? undefined : given.sendHoldSeconds * 1000,
  };
}

/** All that does not depend on who the peer is. Policies have been looked up by the caller. */
export function optionsOf(
  fields: GroupFields,
  policies: { readonly import: Policy; readonly export: Policy },
  unnumbered: boolean,
) {
  const restart = fields.gracefulRestart === true ? {} : fields.gracefulRestart;
  const orMs = (value: number | undefined, otherwiseMs: number) => (value === undefined ? otherwiseMs : value * 1000);
  return {
    description: fields.description,
    asn: fields.asn ?? 'any',
    localAsn: fields.localAsn,
    transport: {
      port: fields.port ?? 179,
      passive: fields.passive ?? false,
      localAddress: fields.source,
      device: fields.device,
      password: fields.password,
      ttlSecurityHops: fields.ttlSecurityHops,
      ttl: fields.ttl,
    },
    timers: timersOf(fields.timers),
    families: (fields.families ?? ['ipv4', 'ipv6']).map(family => ({
      family: `${family}-unicast` as Family,
      maxPrefixes: limitOf(fields.maxPrefixes?.[family]),
    })),
    capabilities: {
      routeRefresh: fields.routeRefresh ?? capabilityDefaults.routeRefresh,
      enhancedRefresh: fields.enhancedRefresh ?? capabilityDefaults.enhancedRefresh,
      fourOctetAs: fields.fourOctetAs ?? capabilityDefaults.fourOctetAs,
      extendedMessages: fields.extendedMessages ?? capabilityDefaults.extendedMessages,
      // A link without addresses has no IPv4 next hop to offer.
      extendedNextHop: fields.extendedNextHop ?? (unnumbered || capabilityDefaults.extendedNextHop),
      fqdn: fields.hostname === undefined ? undefined : { host: fields.hostname, domain: '' },
    },
    gracefulRestart:
      restart === undefined || restart === false
        ? undefined
        : {
            restartMs: orMs(restart.restartSeconds, gracefulRestartDefaults.restartMs),
            staleMs: orMs(restart.staleSeconds, gracefulRestartDefaults.staleMs),
            notification: restart.notification ?? gracefulRestartDefaults.notification,
          },
    role: fields.role === undefined ? undefined : { local: fields.role, strict: fields.roleStrict ?? false },
    routeReflectorClient: fields.routeReflectorClient ?? false,
    routeServerClient: fields.routeServerClient ?? false,
    nextHop: fields.nextHop ?? 'default',
    enforceFirstAs: fields.enforceFirstAs ?? fields.routeServerClient !== true,
    allowOwnAs: fields.allowOwnAs ?? 0,
    import: policies.import,
    export: policies.export,
    gracefulShutdown: fields.gracefulShutdown ?? false,
    shutdown:
      fields.shutdown === undefined || fields.shutdown === false
        ? undefined
        : { reason: fields.shutdown === true ? '' : fields.shutdown },
  } as const satisfies Omit<PeerConfig, 'key' | 'remote'>;
}

function limitOf(given: { limit: number; restartSeconds?: number | undefined } | undefined) {
  if (given === undefined) return undefined;
  return {
    limit: given.limit,
    restartMs: given.restartSeconds === undefined ? undefined : given.restartSeconds * 1000,
  };
}
