/** What a speaker answers on the local socket, for `herald bgp`. */
import { Family, familyRows } from '../bgp/family.ts';
import type { PeerStatus } from '../bgp/speaker-status.ts';
import { IpAddress } from '../net/ip.ts';
import { Prefix } from '../net/prefix.ts';
import { jsonAnswer, RequestError, type Routes } from './http.ts';
import type { Clock } from './ports.ts';
import {
  advertisedJson,
  policiesJson,
  type RouteJson,
  routeJson,
  type ShownSpeaker,
  summaryJson,
} from './speaker-views.ts';

/** Rows of one answer, unless asked for fewer: sessions must not wait for a reader of a full table. */
const ROWS_MAX = 100_000;

export interface RoutesJson {
  readonly routes: readonly RouteJson[];
  /** More there were than fit. */
  readonly truncated: boolean;
}

export function speakerRoutes(shown: () => readonly ShownSpeaker[], clock: Clock): Routes {
  return {
    '/bgp/summary': () => jsonAnswer(summaryJson(shown(), clock.nowMs())),
    '/bgp/routes': query => jsonAnswer(routes(shown(), query, clock)),
    '/bgp/policies': () => jsonAnswer(policiesJson(shown(), clock.nowMs())),
  };
}

/**
 * `table` is loc, in or out; `family`, `instance` (its name or AS number), `peer` (its key or address), `own`,
 * `prefix` and `limit` narrow it. An address finds the prefixes that hold it.
 */
function routes(all: readonly ShownSpeaker[], query: URLSearchParams, clock: Clock): RoutesJson {
  const limit = Math.min(Number(query.get('limit') ?? ROWS_MAX), ROWS_MAX);
  const matches = matcher(query.get('prefix'));
  const families = familiesOf(query.get('family'));
  const table = query.get('table') ?? 'loc';
  if (!['loc', 'in', 'out'].includes(table))
    throw new RequestError(400, `there is no table '${table}': loc, in or out`);
  const instance = query.get('instance');
  const shown = all.filter(each => instance === null || [each.instance, String(each.asn)].includes(instance));
  if (shown.length === 0 && instance !== null) throw new RequestError(404, `there is no instance '${instance}'`);
  const wanted = query.get('peer');
  if (wanted !== null && !shown.some(each => each.speaker.peers(clock.nowMs()).some(peer => isCalled(peer, wanted))))
    throw new RequestError(404, `there is no peer '${wanted}'`);
  const out: RouteJson[] = [];
  for (const each of shown) {
    for (const row of rows(each, table, families, wanted, clock)) {
      if (!matches(row.prefix) || (query.has('own') && !row.own)) continue;
      if (out.length === limit) return { routes: out, truncated: true };
      out.push(row.json());
    }
  }
  return { routes: out, truncated: false };
}

interface Row {
  readonly prefix: Prefix;
  readonly own: boolean;
  json(): RouteJson;
}

/** By its key, or by its address where that is known. */
function isCalled({ key, remote }: PeerStatus, name: string): boolean {
  return key === name || (remote !== undefined && IpAddress.format(remote.address) === name);
}

function* rows(
  shown: ShownSpeaker,
  table: string,
  families: readonly Family[],
  wanted: string | null,
  clock: Clock,
): Iterable<Row> {
  const { node, instance, asn, speaker } = shown;
  const { rib } = speaker;
  if (rib === undefined) return;
  const peers = speaker.peers(clock.nowMs());
  const keys = new Map(peers.map(peer => [peer.slot, peer.key]));
  const chosen = wanted === null ? peers : peers.filter(peer => isCalled(peer, wanted));
  const from = node === '' ? {} : { node, instance, localAsn: asn };
  const age = ageReader(shown, clock);
  for (const family of families) {
    if (table === 'loc') {
      for (const route of rib.loc(family)) {
        const { prefix, peer } = route;
        const own = peer === undefined;
        if (wanted !== null && !chosen.some(each => each.slot === peer)) continue;
        const ageSeconds = (): number | undefined => (own ? age(prefix, undefined) : undefined);
        yield {
          prefix,
          own,
          json: () => ({ ...from, ...routeJson(route, slot => keys.get(slot)), ageSeconds: ageSeconds() }),
        };
      }
      continue;
    }
    for (const peer of chosen) {
      if (table === 'in') {
        for (const route of rib.adjIn(peer.slot, family))
          yield {
            prefix: route.prefix,
            own: false,
            json: () => ({ ...from, ...routeJson(route, slot => keys.get(slot)) }),
          };
      } else {
        for (const route of rib.adjOut(peer.slot, family)) {
          const json = (): RouteJson => ({
            ...from,
            ...advertisedJson(route),
            peer: peer.key,
            ageSeconds: age(route.prefix, peer.upMs),
          });
          yield { prefix: route.prefix, own: true, json };
        }
      }
    }
  }
}

/**
 * Seconds since a route of our own was there to be told, and, where that is less, since the session with the peer has
 * stood.
 */
function ageReader({ originatedMs }: ShownSpeaker, clock: Clock) {
  let since: ReadonlyMap<string, number> | undefined;
  return (prefix: Prefix, upMs: number | undefined): number | undefined => {
    since ??= originatedMs();
    const startMs = since.get(Prefix.format(prefix));
    if (startMs === undefined) return undefined;
    return Math.max(0, Math.round(Math.min(clock.wallMs() - startMs, upMs ?? Number.POSITIVE_INFINITY) / 1000));
  };
}

function familiesOf(text: string | null): readonly Family[] {
  if (text === null) return Family.all;
  const family = familyRows.find(row => row.ip === text || row.family === text)?.family;
  if (family === undefined) throw new RequestError(400, `there is no family '${text}': ipv4 or ipv6`);
  return [family];
}

function matcher(text: string | null): (prefix: Prefix) => boolean {
  if (text === null) return () => true;
  const exact = Prefix.parse(text);
  if (exact !== undefined) return prefix => Prefix.equals(prefix, exact);
  const address = IpAddress.parse(text);
  if (address === undefined) throw new RequestError(400, `'${text}' is neither a prefix nor an address`);
  return prefix => Prefix.contains(prefix, address);
}
