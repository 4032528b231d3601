/** Gauges of the BGP sessions, under Cilium's names and labels (reference §4.5). */
import type { PeerStatus } from '../bgp/speaker-status.ts';
import type { BgpInstance } from './bgp-instance.ts';
import { familyWords } from './bgp-status.ts';
import type { Sample } from './metrics.ts';
import { formatEndpoint } from './speaker-log.ts';

export function bgpSamples(instances: ReadonlyMap<string, BgpInstance>, nowMs: number): readonly Sample[] {
  return [...instances.values()].flatMap(({ config, speaker }) => {
    if (config === undefined) return [];
    return speaker.peers(nowMs).flatMap(peer => {
      const labels = { vrouter: String(config.asn), neighbor: neighborOf(peer), neighbor_asn: asnOf(peer) };
      const counts = peer.config.families.flatMap(({ family }): Sample[] => {
        const of = { ...labels, ...familyWords(family) };
        const { advertised = 0, received = 0 } = speaker.rib?.peerCounts(peer.slot, family) ?? {};
        return [
          { name: 'cilium_bgp_control_plane_advertised_routes', labels: of, value: advertised },
          { name: 'cilium_bgp_control_plane_received_routes', labels: of, value: received },
        ];
      });
      const up = peer.state === 'established' ? 1 : 0;
      return [{ name: 'cilium_bgp_control_plane_session_state' as const, labels, value: up }, ...counts];
    });
  });
}

/** Address and configured port; the link of a neighbour that has not been found. */
function neighborOf({ config, remote }: PeerStatus): string {
  const { port } = config.transport;
  if (remote !== undefined) return formatEndpoint({ ...remote, port });
  return config.remote.kind === 'interface' ? config.remote.interface : config.key;
}

function asnOf({ remoteAsn, config }: PeerStatus): string {
  return String(remoteAsn ?? (typeof config.asn === 'number' ? config.asn : 0));
}
