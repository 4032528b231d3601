/** Every route that Herald says it sent is in the table of the router it was sent to, as learned from that node. */
import type { RoutesJson } from '../runtime/speaker-routes.ts';
import { at, listAt, textAt } from './cluster-raw.ts';
import type { Check } from './verify.ts';
import { type AgentMember, type HeraldSession, otherEnd, type Router, vtysh } from './verify-bgp.ts';

/** The prefixes of a router's BGP table, each with the neighbours that it was learned from. */
export type RouterTable = ReadonlyMap<string, ReadonlySet<string>>;

/** Told more than this, a row names the first ones. */
const namedMax = 3;

export async function checkRoutes(
  sessions: readonly HeraldSession[],
  routers: readonly Router[],
): Promise<readonly Check[]> {
  const tables = new Map<Router, Promise<RouterTable>>();
  const sent = new Map<AgentMember, Promise<RoutesJson>>();
  const checks: Check[] = [];
  for (const session of sessions) {
    const other = session.state === 'Established' ? otherEnd(session, routers) : undefined;
    if (other === undefined) continue;
    const { router, neighbor } = other;
    const table = await kept(tables, router, () => tableOf(router));
    const { member } = session;
    const { routes } = await kept(sent, member, async () => (await member.ask('/bgp/routes?table=out')) as RoutesJson);
    const told = [...new Set(routes.filter(each => each.peer === session.peer).map(each => each.prefix))].sort();
    const names = [neighbor.name, neighbor.remote];
    const missing = told.filter(prefix => !names.some(name => table.get(prefix)?.has(name)));
    checks.push({
      what: 'route',
      from: member.place.name,
      to: router.place.name,
      ok: missing.length === 0,
      seen:
        missing.length === 0
          ? `${told.length} of ${told.length}: ${shortList(told)}`
          : `${missing.length} of ${told.length} not there: ${shortList(missing)}`,
    });
  }
  return checks;
}

function shortList(prefixes: readonly string[]): string {
  if (prefixes.length === 0) return 'none';
  const more = prefixes.length - namedMax;
  return `${prefixes.slice(0, namedMax).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function kept<K, V>(map: Map<K, Promise<V>>, key: K, make: () => Promise<V>): Promise<V> {
  const there = map.get(key) ?? make();
  map.set(key, there);
  return there;
}

export async function tableOf({ place }: Router): Promise<RouterTable> {
  const table = new Map<string, Set<string>>();
  for (const family of ['ipv4', 'ipv6']) {
    const said = await vtysh(place, `show bgp vrf all ${family} unicast json`);
    for (const instance of instancesOf(said)) {
      for (const [prefix, paths] of Object.entries(at(instance, 'routes') ?? {})) {
        const from = table.get(prefix) ?? new Set();
        table.set(prefix, from);
        for (const path of listAt({ paths }, 'paths')) from.add(textAt(path, 'peerId'));
      }
    }
  }
  return table;
}

/** One instance is said as it is, several by their names. */
function instancesOf(said: unknown): readonly unknown[] {
  if (typeof said !== 'object' || said === null) return [];
  return at(said, 'routes') === undefined ? Object.values(said) : [said];
}
