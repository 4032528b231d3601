/** What running speakers say about a few prefixes and their peers, for `explain`. */
import { Family } from '../bgp/family.ts';
import type { Told } from '../control/explain.ts';
import { Prefix } from '../net/prefix.ts';
import type { Clock } from './ports.ts';
import { advertisedJson, type RouteJson, type ShownSpeaker } from './speaker-views.ts';

/** Answers for all prefixes from one walk through what each peer was told. */
export function toldReader(
  shown: readonly ShownSpeaker[],
  clock: Clock,
): (instance: string, peer: string, prefix: Prefix) => Told | undefined {
  const readers = new Map(shown.map(each => [each.instance, speakerReader(each, clock)]));
  return (instance, peer, prefix) => readers.get(instance)?.(peer, prefix);
}

function speakerReader({ speaker, originatedMs }: ShownSpeaker, clock: Clock) {
  const nowMs = clock.nowMs();
  const peers = new Map(speaker.peers(nowMs).map(peer => [peer.key, peer]));
  const since = originatedMs();
  const told = new Map<string, ReadonlyMap<string, RouteJson>>();
  const toldTo = (key: string, slot: number, family: Family) => {
    const name = `${key} ${family}`;
    const rows = told.get(name) ?? new Map([...(speaker.rib?.adjOut(slot, family) ?? [])].map(jsonByPrefix));
    told.set(name, rows);
    return rows;
  };
  return (key: string, prefix: Prefix): Told | undefined => {
    const peer = peers.get(key);
    if (peer === undefined) return undefined;
    const text = Prefix.format(prefix);
    const row = toldTo(key, peer.slot, Family.ofIp(prefix.address.family)).get(text);
    const upMs = peer.upMs ?? 0;
    const sinceMs = Math.max(since.get(text) ?? 0, clock.wallMs() - upMs);
    const isSent = row !== undefined && row.pending !== true;
    return {
      state: peer.state,
      up: `${Math.round(upMs / 1000)} s`,
      lastError: peer.lastError,
      families: peer.negotiated?.families ?? [],
      sent: isSent ? { text: words(row), since: new Date(Math.round(sinceMs)).toISOString() } : undefined,
    };
  };
}

function jsonByPrefix(route: Parameters<typeof advertisedJson>[0]): readonly [string, RouteJson] {
  const json = advertisedJson(route);
  return [json.prefix, json];
}

function words({ nextHop, asPath, localPref, communities = [], largeCommunities = [] }: RouteJson): string {
  return [
    `next hop ${nextHop}`,
    ...(asPath === '' ? [] : [`path ${asPath}`]),
    ...(localPref === undefined ? [] : [`local preference ${localPref}`]),
    ...(communities.length === 0 ? [] : [`communities ${communities.join(' ')}`]),
    ...(largeCommunities.length === 0 ? [] : [`large communities ${largeCommunities.join(' ')}`]),
  ].join(', ');
}
