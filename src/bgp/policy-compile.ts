/**
 * Policies made ready to run: statements as functions, prefix lists as classes, and what every route gets when that
 * is the same.
 */
import { AsPath } from './as-path.ts';
import type { PathAttributes } from './attribute.ts';
import { LargeCommunity } from './community.ts';
import { familyRows } from './family.ts';
import type { AsPathMatch, Changes, CommunityChange, CommunityMatch, Match, Policy, Statement } from './policy.ts';
import { PrefixClasses } from './policy-prefix.ts';
import type { DecodedSet } from './rib-codec.ts';

/** What a policy judges: an attribute set beside all that a match may ask. */
export interface PolicyRoute {
  readonly set: () => DecodedSet;
  /** Family index. */
  readonly family: number;
  /** From `CompiledPolicy.classes`. */
  readonly prefixClass: number;
  readonly source: 'originated' | 'internal' | 'external';
  /** Key of the peer it came from (import) or goes to (export). */
  readonly peer: string;
}

/** What became of an accepted route. */
export interface PolicyVerdict {
  /** Undefined when nothing was changed. */
  readonly set: DecodedSet | undefined;
  /** Whether the policy set the next hop, and to our own address. */
  readonly nextHop: 'kept' | 'set' | 'self';
  /** The policy set the MED: then it goes to external peers too (RFC 4271 §5.1.4). */
  readonly medSet: boolean;
}

export interface CompiledPolicy {
  /** Equal for policies that say the same. */
  readonly key: string;
  /** Every route gets the same answer and is not changed. */
  readonly always: 'accept' | 'reject' | undefined;
  /** As an export policy: what was learned from others may be told. */
  readonly tellsLearned: boolean;
  /** Answers depend on which peer it is. */
  readonly namesPeers: boolean;
  readonly classes: PrefixClasses;
  run(route: PolicyRoute): PolicyVerdict | 'reject';
}

/** `set` is what earlier statements have made of the route's, if they have. */
type Test = (route: PolicyRoute, set: DecodedSet | undefined) => boolean;

interface Compiled {
  readonly tests: readonly Test[];
  readonly set: Changes | undefined;
  readonly action: Statement['action'];
}

/** A thousand peers have few policies between them, and every session that comes up asks. */
const compiled = new WeakMap<Policy, CompiledPolicy>();

export function compilePolicy(policy: Policy): CompiledPolicy {
  const known = compiled.get(policy) ?? compile(policy);
  compiled.set(policy, known);
  return known;
}

function compile(policy: Policy): CompiledPolicy {
  const classes = new PrefixClasses();
  const statements = policy.statements.map(({ match, set, action }) => ({
    tests: compileMatch(match, classes),
    set,
    action,
  }));
  return {
    key: policyKey(policy),
    always: policy.statements.length === 0 ? policy.otherwise : undefined,
    tellsLearned:
      policy.otherwise === 'accept' ||
      policy.statements.some(({ match, action }) => action === 'accept' && match?.source !== 'originated'),
    namesPeers: policy.statements.some(({ match }) => match?.peers !== undefined),
    classes,
    run: route => run(statements, policy.otherwise, route),
  };
}

/** The policy as text; equal for policies that say the same. */
function policyKey(policy: Policy): string {
  return JSON.stringify(policy, (name, value: unknown) =>
    typeof value === 'bigint' ? `${value}n` : name === 'name' ? undefined : value,
  );
}

function run(
  statements: readonly Compiled[],
  otherwise: Policy['otherwise'],
  route: PolicyRoute,
): PolicyVerdict | 'reject' {
  let verdict: PolicyVerdict = { set: undefined, nextHop: 'kept', medSet: false };
  for (const { tests, set, action } of statements) {
    if (!tests.every(test => test(route, verdict.set))) continue;
    if (action === 'reject') return 'reject';
    if (set !== undefined) verdict = changed(verdict, verdict.set ?? route.set(), set);
    if (action === 'accept') return verdict;
  }
  return otherwise === 'accept' ? verdict : 'reject';
}

function compileMatch(match: Match | undefined, classes: PrefixClasses): Test[] {
  const tests: Test[] = [];
  if (match?.family !== undefined) {
    const family = familyRows.findIndex(row => row.family === match.family);
    tests.push(route => route.family === family);
  }
  if (match?.source !== undefined) tests.push(route => route.source === match.source);
  if (match?.peers !== undefined) {
    const peers = new Set(match.peers);
    tests.push(route => peers.has(route.peer));
  }
  if (match?.prefixes !== undefined) {
    const list = classes.add(match.prefixes);
    tests.push(route => classes.isIn(route.prefixClass, list));
  }
  const { communities, extendedCommunities, largeCommunities, asPath } = match ?? {};
  if (communities) tests.push(matchCommunities(communities, attributes => attributes.communities, Number));
  if (extendedCommunities)
    tests.push(matchCommunities(extendedCommunities, attributes => attributes.extendedCommunities, String));
  if (largeCommunities)
    tests.push(matchCommunities(largeCommunities, attributes => attributes.largeCommunities, LargeCommunity.format));
  if (asPath) tests.push((route, set) => matchAsPath(asPath, (set ?? route.set()).attributes.asPath ?? []));
  return tests;
}

function matchCommunities<T>(
  match: CommunityMatch<T>,
  of: (attributes: PathAttributes) => readonly T[] | undefined,
  key: (community: T) => string | number,
): Test {
  const [any, all, none] = [match.any?.map(key), match.all?.map(key), match.none?.map(key)];
  return (route, set) => {
    const present = new Set((of((set ?? route.set()).attributes) ?? []).map(key));
    if (any !== undefined && !any.some(each => present.has(each))) return false;
    if (all !== undefined && !all.every(each => present.has(each))) return false;
    return none === undefined || !none.some(each => present.has(each));
  };
}

function matchAsPath(match: AsPathMatch, path: AsPath): boolean {
  const asns = path.flatMap(segment => segment.asns);
  const { contains, startsWith, originatedBy, lengthMin, lengthMax } = match;
  if (contains !== undefined && !contains.some(asn => asns.includes(asn))) return false;
  if (startsWith !== undefined && !startsWith.every((asn, i) => asns[i] === asn)) return false;
  const last = asns.at(-1);
  if (originatedBy !== undefined && (last === undefined || !originatedBy.includes(last))) return false;
  const length = AsPath.length(path);
  return length >= (lengthMin ?? 0) && length <= (lengthMax ?? Number.POSITIVE_INFINITY);
}

function changed(verdict: PolicyVerdict, from: DecodedSet, changes: Changes): PolicyVerdict {
  const { med: oldMed, ...rest } = from.attributes;
  const { localPref, med, communities, extendedCommunities, largeCommunities, prepend, nextHop } = changes;
  const keptMed = med === undefined ? oldMed : med === 'remove' ? undefined : med;
  let attributes: PathAttributes = keptMed === undefined ? rest : { ...rest, med: keptMed };
  if (localPref !== undefined) attributes = { ...attributes, localPref };
  if (communities)
    attributes = withList(attributes, 'communities', changeList(attributes.communities, communities, Number));
  if (extendedCommunities)
    attributes = withList(
      attributes,
      'extendedCommunities',
      changeList(attributes.extendedCommunities, extendedCommunities, String),
    );
  if (largeCommunities)
    attributes = withList(
      attributes,
      'largeCommunities',
      changeList(attributes.largeCommunities, largeCommunities, LargeCommunity.format),
    );
  if (prepend !== undefined) attributes = { ...attributes, asPath: AsPath.prepend(attributes.asPath ?? [], prepend) };
  const address = nextHop === undefined || nextHop === 'self' ? undefined : nextHop;
  return {
    set: { attributes, nextHop: nextHop === undefined ? from.nextHop : address && { address } },
    nextHop: nextHop === undefined ? verdict.nextHop : nextHop === 'self' ? 'self' : 'set',
    medSet: med === undefined ? verdict.medSet : med !== 'remove',
  };
}

type Lists = 'communities' | 'extendedCommunities' | 'largeCommunities';

/** An empty list is no attribute (RFC 7606 §7.8). */
function withList(attributes: PathAttributes, name: Lists, list: readonly unknown[]): PathAttributes {
  const { [name]: _, ...rest } = attributes;
  return list.length === 0 ? rest : { ...rest, [name]: list };
}

function changeList<T>(
  list: readonly T[] | undefined,
  change: CommunityChange<T>,
  key: (community: T) => string | number,
): readonly T[] {
  const removed = new Set(change.remove?.map(key));
  const kept = (change.replace ?? list ?? []).filter(each => !removed.has(key(each)));
  const present = new Set(kept.map(key));
  return [...kept, ...(change.add ?? []).filter(each => !present.has(key(each)))];
}
