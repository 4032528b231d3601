/**
 * The plan of one BGP instance as its speaker's configuration. Whatever cannot be configured as planned stays as it
 * runs: a session is never ended, nor made without its password, because something it needs went missing. Reference
 * §2.1, §2.3.
 */
import type { PeerConfig, SpeakerConfig } from '../bgp/config.ts';
import { formatZoned } from './bgp-node-config.ts';
import type { InstancePlan, PeerPlan } from './bgp-plan.ts';

/** `running` is what the speaker has now. Undefined: there is nothing it could be told. */
export function speakerConfig(plan: InstancePlan, running: SpeakerConfig | undefined): SpeakerConfig | undefined {
  const { localAsn: asn, routerId, listenPort, refusals } = plan;
  if (refusals.length > 0 || asn === undefined || routerId === undefined) return running;
  const before = new Map(running?.peers.map(peer => [peer.key, peer]));
  const peers = plan.peers.flatMap(peer => configured(peer) ?? kept(peer, before.get(peer.key)) ?? []);
  return { asn, routerId, listen: listenPort === undefined ? [] : [{ port: listenPort }], peers };
}

function configured({ state, config, password }: PeerPlan): PeerConfig | undefined {
  if (state !== 'run' || config === undefined) return undefined;
  if (password === undefined) return config;
  const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(password.reveal());
  return { ...config, transport: { ...config.transport, password: text } };
}

/** A peer that has become another router is not the one whose session could stay. */
function kept(plan: PeerPlan, running: PeerConfig | undefined): PeerConfig | undefined {
  if (plan.state !== 'keep' || running === undefined) return undefined;
  const asn = plan.asn === 0 ? 'any' : plan.asn;
  return running.asn === asn && remoteText(running) === plan.remoteText ? running : undefined;
}

function remoteText({ remote }: PeerConfig): string {
  if (remote.kind === 'interface') return remote.interface;
  return remote.kind === 'address' ? formatZoned({ address: remote.address, zone: remote.zone }) : '';
}
