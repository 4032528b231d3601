/** What the BGP kinds share: address families, timers and path attributes. Reference §1.1.3, §1.1.4, §1.4. */
import type { z } from 'zod';
import { LargeCommunity } from '../bgp/community.ts';
import { flag, list, maxInt32, maxUint32, object, oneOf, type Rule, text, whole } from './fields.ts';
import type { LabelSelector } from './selector.ts';

export type ServiceAddressType = 'LoadBalancerIP' | 'ClusterIP' | 'ExternalIP';

/** Only unicast does something; the other names are accepted because manifests carry them. */
export interface AddressFamily {
  readonly afi: 'ipv4' | 'ipv6' | 'l2vpn' | 'ls' | 'opaque';
  readonly safi: string;
}

/** `advertisements` selects CiliumBGPAdvertisements; absent means none. */
export interface FamilyWithAdvertisements extends AddressFamily {
  readonly advertisements: LabelSelector;
}

export interface BgpTimers {
  readonly connectRetryTimeSeconds: number;
  readonly holdTimeSeconds: number;
  /** Never above `holdTimeSeconds`. */
  readonly keepAliveTimeSeconds: number;
}

export interface GracefulRestart {
  readonly enabled: boolean;
  readonly restartTimeSeconds: number;
}

export interface PathAttributes {
  /** RFC 1997 values below 2^32, the well-known names among them; ascending, none twice. */
  readonly communities: readonly number[];
  /** Ascending, none twice. */
  readonly largeCommunities: readonly LargeCommunity[];
  /** Told to iBGP peers only. */
  readonly localPreference: number | undefined;
}

export const serviceAddressTypes = ['LoadBalancerIP', 'ClusterIP', 'ExternalIP'] as const;
const afis = ['ipv4', 'ipv6', 'l2vpn', 'ls', 'opaque'] as const;
const safis = [
  'unicast',
  'multicast',
  'mpls_label',
  'encapsulation',
  'vpls',
  'evpn',
  'ls',
  'sr_policy',
  'mup',
  'mpls_vpn',
  'mpls_vpn_multicast',
  'route_target_constraints',
  'flowspec_unicast',
  'flowspec_vpn',
  'key_value',
] as const;

/** Spread into the object that names a family. */
export const familyFields = {
  afi: oneOf('The kind of addresses. Only ipv4 and ipv6 do something.', afis),
  safi: oneOf('The kind of routes. Only unicast does something.', safis),
};

/** The names manifests use (RFC 1997 §2 and IANA's registry), with their values. */
const wellKnownCommunities = {
  internet: 0,
  'planned-shut': 0xffff_0000,
  'accept-own': 0xffff_0001,
  'route-filter-translated-v4': 0xffff_0002,
  'route-filter-v4': 0xffff_0003,
  'route-filter-translated-v6': 0xffff_0004,
  'route-filter-v6': 0xffff_0005,
  'llgr-stale': 0xffff_0006,
  'no-llgr': 0xffff_0007,
  blackhole: 0xffff_029a,
  'no-export': 0xffff_ff01,
  'no-advertise': 0xffff_ff02,
  'no-export-subconfed': 0xffff_ff03,
  'no-peer': 0xffff_ff04,
} as const satisfies Record<string, number>;
type WellKnown = keyof typeof wellKnownCommunities;
const wellKnownNames = Object.keys(wellKnownCommunities) as [WellKnown, ...WellKnown[]];

const u16 = '([0-9]|[1-9][0-9]{1,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])';
const u32 =
  '([0-9]|[1-9][0-9]{1,8}|[1-3][0-9]{9}|4[01][0-9]{8}|42[0-8][0-9]{7}|429[0-3][0-9]{6}|4294[0-8][0-9]{5}|' +
  '42949[0-5][0-9]{4}|429496[0-6][0-9]{3}|4294967[01][0-9]{2}|42949672[0-8][0-9]|429496729[0-5])';
const standardRight = 'two numbers up to 65535 such as 64512:100, or one up to 4294967295';
const largeRight = 'three numbers up to 4294967295 such as 64512:100:1';
const standard = text('64512:100, or one decimal number.', standardRight).regex(
  new RegExp(`^(${u32}|${u16}:${u16})$`),
  standardRight,
);
const large = text('64512:100:1.', largeRight).regex(new RegExp(`^${u32}:${u32}:${u32}$`), largeRight);

/** Spread into the object that carries path attributes. */
export const attributeFields = {
  communities: object('Communities the routes carry.', {
    standard: list('Standard communities (RFC 1997).', standard).default([]),
    wellKnown: list('Standard communities by name.', oneOf('A well-known community.', wellKnownNames)).default([]),
    large: list('Large communities (RFC 8092).', large).default([]),
  }).optional(),
  localPreference: whole('LOCAL_PREF, told to iBGP peers only.', 0, maxUint32).optional(),
};

type RawAttributes = z.output<z.ZodObject<typeof attributeFields>>;

export function readAttributes(raw: RawAttributes): PathAttributes {
  const { standard = [], wellKnown = [], large = [] } = raw.communities ?? {};
  const values = new Set([...standard.map(standardValue), ...wellKnown.map(each => wellKnownCommunities[each])]);
  const largeValues = new Map(
    large.flatMap(each => LargeCommunity.parse(each) ?? []).map(each => [LargeCommunity.format(each), each]),
  );
  return {
    communities: [...values].sort((a, b) => a - b),
    largeCommunities: [...largeValues.values()].sort(LargeCommunity.compare),
    localPreference: raw.localPreference,
  };
}

function standardValue(text: string): number {
  const [high, low] = text.split(':').map(Number);
  return low === undefined ? (high ?? 0) : (high ?? 0) * 65536 + low;
}

/** Defaults per RFC 4271 §10 as Cilium sets them. */
export const timerFields = {
  connectRetryTimeSeconds: whole(
    'How long to wait before connecting again; up to twice as long, at random.',
    1,
    maxInt32,
  ).default(120),
  holdTimeSeconds: whole('Hold time offered to the peer. A change resets the session.', 3, 65535).default(90),
  keepAliveTimeSeconds: whole(
    'Time between keepalives; not above the hold time. A change resets the session.',
    1,
    65535,
  ).default(30),
};

type TimerShape = z.ZodObject<typeof timerFields>;
/** In CEL the fields are there, because defaulting comes before validation. */
export const timerRule: Rule<z.output<TimerShape>> = {
  code: 'keepalive-above-hold',
  cel: 'self.keepAliveTimeSeconds <= self.holdTimeSeconds',
  holds: ({ keepAliveTimeSeconds, holdTimeSeconds }) => keepAliveTimeSeconds <= holdTimeSeconds,
  message: 'keepAliveTimeSeconds is above holdTimeSeconds',
  fix: 'lower it, a third of the hold time is usual (unset means 30 and 90)',
  field: 'keepAliveTimeSeconds',
};

export const gracefulRestart = object('RFC 4724: the peer keeps our routes for a while when the session ends.', {
  enabled: flag('Offer it to the peer.'),
  restartTimeSeconds: whole('How long the peer is asked to keep them.', 1, 4095).default(120),
}).optional();

export function readGracefulRestart(raw: z.output<typeof gracefulRestart>): GracefulRestart {
  return raw ?? { enabled: false, restartTimeSeconds: 120 };
}
