/** What the BGP kinds share: address families, timers and path attributes. Reference §1.1.3, §1.1.4, §1.4. */
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

/** RFC 8092: three numbers below 2^32. */
export type LargeCommunity = readonly [globalAdministrator: number, data1: number, data2: number];

export interface PathAttributes {
  /** RFC 1997 values below 2^32, the well-known names among them; ascending, none twice. */
  readonly communities: readonly number[];
  /** Ascending, none twice. */
  readonly largeCommunities: readonly LargeCommunity[];
  /** Told to iBGP peers only. */
  readonly localPreference: number | undefined;
}
