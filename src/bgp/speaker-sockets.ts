/**
 * What a configuration needs of the edge besides connections: listeners with their TCP MD5 keys (RFC 2385), and links
 * on which routers are looked for.
 */
import { Prefix } from '../net/prefix.ts';
import type { ListenConfig, PeerConfig, SpeakerConfig } from './config.ts';
import type { ListenKey } from './speaker-effect.ts';

export interface Sockets {
  readonly listeners: readonly ListenConfig[];
  readonly keys: readonly ListenKey[];
  readonly interfaces: readonly string[];
}

export function socketsFor(config: SpeakerConfig): Sockets {
  const { listen: listeners, peers } = config;
  const interfaces = peers.flatMap(({ remote }) => (remote.kind === 'interface' ? [remote.interface] : []));
  return { listeners, keys: peers.flatMap(keysOf), interfaces: interfaces.sort() };
}

/** A peer given by its interface may have any link-local address. */
function keysOf({ remote, transport: { password, device } }: PeerConfig): ListenKey[] {
  if (password === undefined) return [];
  if (remote.kind === 'range') return [{ remote: remote.prefix, device, password }];
  if (remote.kind === 'interface') return [{ remote: linkLocal, device: remote.interface, password }];
  return [{ remote: Prefix.host(remote.address), device: remote.zone ?? device, password }];
}

const linkLocal = Prefix.of({ family: 'ipv6', value: 0xfe80n << 112n }, 10);
