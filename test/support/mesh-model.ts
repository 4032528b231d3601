/**
 * What every member of a full mesh has to settle on (RFC 4271 §9.1.2.2): with nothing filtered, no member inside
 * another's AS and all origins alike, the shortest AS path wins and among equals the lowest router ID. Each path is
 * longer than the one it was made of, so there is one answer whatever happened before.
 */

/**
 * Prefix to class: which prepends the route has, so that the AS path tells this announcement from any other of the
 * prefix.
 */
export type Announced = ReadonlyMap<string, number>;

/** An AS path as text, `65001 65100`. */
export type PathText = string;
export type View = ReadonlyMap<string, PathText>;

export const classCount = 6;

/** AS numbers that follow the source's own: one to three times one that says the class. */
export function prependOf(each: number): number[] {
  return Array.from({ length: 1 + (each % 3) }, () => 64_600 + each);
}

export interface MeshShape {
  readonly asns: readonly number[];
  readonly sourceAsn: number;
}

/** By member. Router IDs are in the order of members, the source's is the highest. */
export function expectedViews({ asns, sourceAsn }: MeshShape, announced: readonly Announced[]): View[] {
  const views = asns.map(() => new Map<string, PathText>());
  const prefixes = new Set(announced.flatMap(each => [...each.keys()]));
  for (const prefix of prefixes) {
    const own = announced.map(each => {
      const found = each.get(prefix);
      return found === undefined ? undefined : [sourceAsn, ...prependOf(found)];
    });
    for (const [member, path] of settle(asns, own).entries())
      if (path !== undefined) views[member]?.set(prefix, path.join(' '));
  }
  return views;
}

type Path = readonly number[] | undefined;

/** From the shortest path outward: whoever has it tells all the others, and no longer path can change that. */
function settle(asns: readonly number[], own: readonly Path[]): Path[] {
  let best = [...own];
  for (let changed = true; changed; ) {
    changed = false;
    const next = asns.map((asn, member) => {
      const told = asns.flatMap((other, i) => {
        const path = best[i];
        return i === member || path === undefined || path.includes(asn) ? [] : [[other, ...path]];
      });
      const source = own[member];
      return [...told, ...(source === undefined ? [] : [source])].reduce<Path>(
        (least, path) => (least === undefined || path.length < least.length ? path : least),
        undefined,
      );
    });
    changed = next.some((path, i) => path?.join(' ') !== best[i]?.join(' '));
    best = next;
  }
  return best;
}
