/**
 * A mesh at rest, compared: each member's best path of every prefix, as its own command line tells it, with the one
 * that the decision process leaves; and what Herald has heard from each daemon with what that daemon says it has.
 */
import { addressOf, asnOf, type Mesh, type MeshMember, members, SOURCE_ASN } from './mesh.ts';
import { type Announced, expectedViews, type PathText, type View } from './mesh-model.ts';

export interface Comparison {
  /** Best paths over all members that were compared with the expected ones. */
  readonly compared: number;
  /** Paths from the daemons, in Herald, compared with the daemons' own. */
  readonly heard: number;
  readonly wrong: number;
  /**
   * How many of which kind, the first of each in words, and what all five and Herald's tables have of some of the
   * prefixes.
   */
  readonly faults: readonly string[];
}

/** Of each kind. */
const FAULTS_MAX = 3;

/**
 * Of the members that run. `unsound` is a daemon that says other things than it has: only what the others tell Herald
 * is compared then.
 */
export async function compare(mesh: Mesh, all: readonly Announced[], unsound?: MeshMember): Promise<Comparison> {
  const asns = members.map((_, i) => asnOf(i));
  const announced = all.map((each, i) => (mesh.runs(members[i] as MeshMember) ? each : new Map<string, number>()));
  const expected = expectedViews({ asns, sourceAsn: SOURCE_ASN }, announced);
  const { best, heard } = await heraldViews(mesh);
  const faults = new Faults();
  const views = new Map<string, View>();
  let [compared, told] = [0, 0];
  for (const [i, member] of members.entries()) {
    if (!mesh.runs(member) || member === unsound) continue;
    const view = mesh.routers.get(member)?.asPaths('ipv4') ?? best;
    views.set(member, view);
    if (unsound === undefined) {
      const wanted = expected[i] ?? new Map();
      compared += wanted.size;
      faults.differences(`${member}'s best path`, view, wanted);
    }
    if (member === 'herald') continue;
    const said = toldToHerald(view, i);
    told += said.size;
    const there = heard.get(addressOf(i)) ?? new Map();
    faults.differences(`from ${member} in Herald`, member === 'gobgp' ? withoutGhosts(there, view) : there, said);
  }
  return { compared, heard: told, wrong: faults.count, faults: await explain(mesh, faults, views) };
}

async function explain(mesh: Mesh, faults: Faults, views: ReadonlyMap<string, View>): Promise<string[]> {
  const words = faults.words();
  for (const prefix of faults.prefixes()) {
    words.push(prefix, ...[...views].map(([member, view]) => `  ${member}: ${view.get(prefix) ?? 'none'}`));
    for (const table of ['loc', 'out'] as const)
      for (const { peer, asPath, best } of await mesh.herald.routes(table, { prefix }))
        words.push(`  herald ${table} ${peer}: ${asPath}${best ? ', best' : ''}`);
  }
  return words;
}

/**
 * Herald's best paths, and by peer what it has heard and may use. Asked for peer by peer: no answer holds more than
 * 100,000.
 */
async function heraldViews(mesh: Mesh): Promise<{ best: View; heard: ReadonlyMap<string, View> }> {
  const best = new Map<string, string>();
  const heard = new Map<string, View>();
  for (const { peer } of (await mesh.herald.summary()).peers) {
    const routes = await mesh.herald.routes('loc', { family: 'ipv4', peer });
    heard.set(peer, new Map(routes.flatMap(each => (each.ineligible ? [] : [[each.prefix, each.asPath] as const]))));
    for (const route of routes) if (route.best) best.set(route.prefix, route.asPath);
  }
  return { best, heard };
}

/** A daemon tells all its best paths, with its own AS in front, but those that have been through Herald. */
function toldToHerald(view: View, member: number): View {
  const said = [...view].filter(([, path]) => !holdsHerald(path));
  return new Map(said.map(([prefix, path]) => [prefix, `${asnOf(member)} ${path}`]));
}

/** Even GoBGP anew withdraws nothing from Herald when its best path comes to hold Herald's AS: what it said stays. */
function withoutGhosts(there: View, view: View): View {
  return new Map([...there].filter(([prefix]) => !holdsHerald(view.get(prefix) ?? '')));
}

function holdsHerald(path: PathText): boolean {
  return path.split(' ').includes(String(asnOf(members.indexOf('herald'))));
}

class Faults {
  readonly #kinds = new Map<string, { count: number; readonly first: { prefix: string; words: string }[] }>();

  get count(): number {
    return [...this.#kinds.values()].reduce((sum, each) => sum + each.count, 0);
  }

  words(): string[] {
    return [...this.#kinds].flatMap(([what, { count, first }]) => [
      `${count} wrong: ${what}`,
      ...first.map(each => `  ${each.words}`),
    ]);
  }

  prefixes(): ReadonlySet<string> {
    return new Set([...this.#kinds.values()].flatMap(each => each.first.map(({ prefix }) => prefix)));
  }

  differences(what: string, view: View, wanted: View): void {
    for (const prefix of new Set([...wanted.keys(), ...view.keys()])) {
      const [found, path] = [view.get(prefix), wanted.get(prefix)];
      if (found !== path) this.#add(what, prefix, `${prefix}: ${found ?? 'none'}, not ${path ?? 'none'}`);
    }
  }

  #add(what: string, prefix: string, words: string): void {
    const kind = this.#kinds.get(what) ?? { count: 0, first: [] };
    this.#kinds.set(what, kind);
    kind.count++;
    if (kind.first.length < FAULTS_MAX) kind.first.push({ prefix, words });
  }
}
