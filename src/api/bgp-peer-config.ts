/** CiliumBGPPeerConfig (cilium.io/v2, v2alpha1): how to talk to a peer. Reference §1.4. */
import type { BgpTimers, FamilyWithAdvertisements, GracefulRestart } from './bgp-attributes.ts';
import type { Condition, ObjectMeta } from './object.ts';

export interface BfdSettings {
  readonly enabled: boolean;
  readonly transmitIntervalMilliseconds: number;
  readonly receiveIntervalMilliseconds: number;
  readonly detectionMultiplier: number;
}

export interface CiliumBGPPeerConfigSpec {
  readonly transport: {
    readonly peerPort: number;
    /** The session's source is the one usable address of this interface. */
    readonly sourceInterface: string | undefined;
  };
  readonly timers: BgpTimers;
  readonly authSecretRef: string | undefined;
  readonly gracefulRestart: GracefulRestart;
  readonly ebgpMultihop: number;
  readonly families: readonly FamilyWithAdvertisements[];
  readonly bfd: BfdSettings;
}

export interface CiliumBGPPeerConfig {
  readonly kind: 'CiliumBGPPeerConfig';
  readonly metadata: ObjectMeta;
  readonly spec: CiliumBGPPeerConfigSpec;
  readonly status: { readonly conditions: readonly Condition[] };
}
