/**
 * A mesh at rest, compared: each member's best path of every prefix, as its own command line tells it, with the one that the decision
 * process leaves; and what Herald has heard from each daemon with what that daemon says it has.
 */
import { addressOf, asnOf, type Mesh, members, SOURCE_ASN } from './mesh.ts';
import { type Announced, expectedViews, type View } from './mesh-model.ts';

export interface Comparison {
  /** Best paths over all members that were compared with the expected ones. */
  readonly compared: number;
  /** Paths from the daemons, in Herald, compared with the daemons' own. */
  readonly heard: number;
  /** How many are wrong, and the first of them in words. */
  readonly wrong: number;
  readonly faults: readonly string[];
}

const FAULTS_MAX = 20;

export async function compare(mesh: Mesh, announced: readonly Announced[]): Promise<Comparison> {
  const asns = members.map((_, i) => asnOf(i));
  const expected = expectedViews({ asns, sourceAsn: SOURCE_ASN }, announced);
  const { best, heard } = await heraldViews(mesh);
  const faults = new Faults();
  let [compared, told] = [0, 0];
  for (const [i, member] of members.entries()) {
    const view = mesh.routers.get(member)?.asPaths('ipv4') ?? best;
    const wanted = expected[i] ?? new Map();
    compared += wanted.size;
    faults.differences(`${member}'s best path`, view, wanted);
    if (member === 'herald') continue;
    const said = toldToHerald(view, i);
    told += said.size;
    faults.differences(`from ${member} in Herald`, heard.get(addressOf(i)) ?? new Map(), said);
  }
  return { compared, heard: told, wrong: faults.count, faults: faults.words };
}

/** Herald's best paths, and by peer what it has heard and may use. Asked for peer by peer: no answer holds more than 100,000. */
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
  const herald = String(asnOf(members.indexOf('herald')));
  const said = [...view].filter(([, path]) => !path.split(' ').includes(herald));
  return new Map(said.map(([prefix, path]) => [prefix, `${asnOf(member)} ${path}`]));
}

class Faults {
  count = 0;
  readonly words: string[] = [];

  differences(what: string, view: View, wanted: View): void {
    for (const [prefix, path] of wanted) {
      const found = view.get(prefix);
      if (found !== path) this.#add(`${what} of ${prefix}: ${found ?? 'none'}, not ${path}`);
    }
    for (const [prefix, path] of view) if (!wanted.has(prefix)) this.#add(`${what} of ${prefix}: ${path}, not none`);
  }

  #add(words: string): void {
    this.count++;
    if (this.words.length < FAULTS_MAX) this.words.push(words);
  }
}
