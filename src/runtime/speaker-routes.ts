/** What a speaker answers on the local socket, for `herald bgp`. */
import { Family, familyRows } from '../bgp/family.ts';
import type { Policy } from '../bgp/policy.ts';
import type { Speaker } from '../bgp/speaker.ts';
import { IpAddress } from '../net/ip.ts';
import { Prefix } from '../net/prefix.ts';
import { jsonAnswer, RequestError, type Routes } from './http.ts';
import type { Clock } from './ports.ts';
import { advertisedJson, policiesJson, type RouteJson, routeJson, summaryJson } from './speaker-views.ts';

/** Rows of one answer, unless asked for fewer: sessions must not wait for a reader of a full table. */
const ROWS_MAX = 100_000;

export interface RoutesJson {
  readonly routes: readonly RouteJson[];
  /** More there were than fit. */
  readonly truncated: boolean;
}

export function speakerRoutes(
  speaker: Speaker,
  clock: Clock,
  policies: () => Readonly<Record<string, Policy>>,
): Routes {
  return {
    '/bgp/summary': () => jsonAnswer(summaryJson(speaker, clock.nowMs())),
    '/bgp/routes': query => jsonAnswer(routes(speaker, query, clock.nowMs())),
    '/bgp/policies': () => jsonAnswer(policiesJson(speaker, policies(), clock.nowMs())),
  };
}

/** `table` is loc, in or out; `family`, `peer`, `prefix` and `limit` narrow it. An address finds the prefixes that hold it. */
function routes(speaker: Speaker, query: URLSearchParams, nowMs: number): RoutesJson {
  const limit = Math.min(Number(query.get('limit') ?? ROWS_MAX), ROWS_MAX);
  const matches = matcher(query.get('prefix'));
  const slots = new Map(speaker.peers(nowMs).map(peer => [peer.key, peer.slot]));
  const keys = new Map([...slots].map(([key, slot]) => [slot, key]));
  const wanted = query.get('peer');
  const only = wanted === null ? undefined : slots.get(wanted);
  if (wanted !== null && only === undefined) throw new RequestError(404, `there is no peer '${wanted}'`);
  const out: RouteJson[] = [];
  for (const row of rows(speaker, query.get('table') ?? 'loc', familiesOf(query.get('family')), slots, only)) {
    if (!matches(row.prefix)) continue;
    if (out.length === limit) return { routes: out, truncated: true };
    out.push(row.json(slot => keys.get(slot)));
  }
  return { routes: out, truncated: false };
}

interface Row {
  readonly prefix: Prefix;
  json(keyOf: (slot: number) => string | undefined): RouteJson;
}

function* rows(
  { rib }: Speaker,
  table: string,
  families: readonly Family[],
  slots: ReadonlyMap<string, number>,
  only: number | undefined,
): Iterable<Row> {
  if (rib === undefined) return;
  if (!['loc', 'in', 'out'].includes(table))
    throw new RequestError(400, `there is no table '${table}': loc, in or out`);
  for (const family of families) {
    if (table === 'loc') {
      for (const route of rib.loc(family))
        if (only === undefined || route.peer === only)
          yield { prefix: route.prefix, json: keyOf => routeJson(route, keyOf) };
      continue;
    }
    for (const [key, slot] of slots) {
      if (only !== undefined && slot !== only) continue;
      if (table === 'in') {
        for (const route of rib.adjIn(slot, family))
          yield { prefix: route.prefix, json: keyOf => routeJson(route, keyOf) };
      } else {
        for (const route of rib.adjOut(slot, family))
          yield { prefix: route.prefix, json: () => ({ ...advertisedJson(route), peer: key }) };
      }
    }
  }
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
