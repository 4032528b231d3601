/** Configurations for tests: what is not said is as the defaults have it. */
import {
  capabilityDefaults,
  type PeerConfig,
  type Remote,
  type SpeakerConfig,
  timerDefaults,
} from '../../src/bgp/config.ts';
import { Policy } from '../../src/bgp/policy.ts';
import { IpAddress } from '../../src/net/ip.ts';
import { Prefix } from '../../src/net/prefix.ts';

export function ip(text: string): IpAddress {
  const address = IpAddress.parse(text);
  if (address === undefined) throw new Error(`no address: ${text}`);
  return address;
}

export function prefix(text: string): Prefix {
  const parsed = Prefix.parse(text);
  if (parsed === undefined) throw new Error(`no prefix: ${text}`);
  return parsed;
}

/** `remote`: an address, or where else the peer is. */
export function peerConfig(key: string, remote: string | Remote, over: Partial<PeerConfig> = {}): PeerConfig {
  return {
    key,
    remote: typeof remote === 'string' ? { kind: 'address', address: ip(remote) } : remote,
    asn: 'any',
    transport: { port: 179, passive: false },
    timers: timerDefaults,
    families: [{ family: 'ipv4-unicast' }, { family: 'ipv6-unicast' }],
    capabilities: capabilityDefaults,
    routeReflectorClient: false,
    routeServerClient: false,
    nextHop: 'default',
    enforceFirstAs: true,
    allowOwnAs: 0,
    import: Policy.all,
    export: Policy.all,
    gracefulShutdown: false,
    ...over,
  };
}

export function speakerConfig(asn: number, routerId: string, ...peers: readonly PeerConfig[]): SpeakerConfig {
  return { asn, routerId: Number(ip(routerId).value), listen: [], peers };
}
