/** Short spellings of pools and claims, and a reading of what came out, for the tests of ipam/. */

import { Allocator } from '../../src/ipam/allocator.ts';
import { Claim } from '../../src/ipam/claim.ts';
import { type Allocation, nothing } from '../../src/ipam/entry.ts';
import type { Pool, PoolBlock, PoolSelector } from '../../src/ipam/pool.ts';
import { Refusal } from '../../src/ipam/reason.ts';
import type { SharingTerms } from '../../src/ipam/sharing.ts';
import { IpAddress } from '../../src/net/ip.ts';
import { Prefix } from '../../src/net/prefix.ts';
import { Range } from '../../src/net/range.ts';

export function ip(text: string): IpAddress {
  const address = IpAddress.parse(text);
  if (address === undefined) throw new Error(`no address: ${text}`);
  return address;
}

/** `10.0.0.0/24`, `10.0.0.1-10.0.0.9` or `10.0.0.1`. */
export function block(text: string): PoolBlock {
  if (text.includes('/')) {
    const prefix = Prefix.parse(text);
    if (prefix === undefined) throw new Error(`no prefix: ${text}`);
    return { range: Range.ofPrefix(prefix), cidr: true };
  }
  const [first = '', last = first] = text.split('-');
  const range = Range.of(ip(first), ip(last));
  if (range === undefined) throw new Error(`no range: ${text}`);
  return { range, cidr: false };
}

export const everything: PoolSelector = { key: '', text: 'everything', anchor: undefined, matches: () => true };

/** `color=red` with an anchor, `color` (is set) without one. */
export function selector(text: string): PoolSelector {
  const [key = '', value] = text.split('=');
  return {
    key: text,
    text,
    anchor: value === undefined ? undefined : { key, value },
    matches: labels => (value === undefined ? Object.hasOwn(labels, key) : labels[key] === value),
  };
}

type PoolOptions = Partial<Omit<Pool, 'name' | 'blocks' | 'selector'>> & { readonly select?: string };

export function pool(name: string, blocks: readonly string[], { select, ...options }: PoolOptions = {}): Pool {
  return {
    name,
    createdMs: 0,
    blocks: blocks.map(block),
    allowFirstLast: true,
    disabled: false,
    selector: select === undefined ? everything : selector(select),
    ...options,
  };
}

export type ClaimOptions = Partial<Omit<Claim, 'requested' | 'held' | 'sharing' | 'name' | 'namespace'>> & {
  readonly requested?: readonly string[];
  readonly held?: readonly string[];
  readonly sharing?: Partial<SharingTerms>;
};

/** `web` in namespace default, or `other/web`. */
export function claim(path: string, { requested, held, sharing, ...options }: ClaimOptions = {}): Claim {
  const [namespace = '', name = ''] = path.includes('/') ? path.split('/') : ['default', path];
  return {
    namespace,
    name,
    uid: path,
    createdMs: 0,
    labels: {},
    families: ['ipv4'],
    requested: (requested ?? []).map(ip),
    held: (held ?? []).map(ip),
    sharing: sharing === undefined ? undefined : { ...terms(namespace), ...sharing },
    ...options,
  };
}

export function terms(namespace = 'default'): SharingTerms {
  return {
    key: 'key-a',
    namespace,
    permits: [],
    ports: ['TCP/80'],
    trafficPolicy: 'Cluster',
    podSelector: '',
    permitDifferentPods: false,
  };
}

/** An allocator with pools and claims that tests edit one by one. */
export class World {
  readonly allocator = new Allocator();
  readonly pools = new Map<string, Pool>();
  readonly claims = new Map<string, Claim>();
  keepUncovered = false;
  #sorted: readonly Claim[] = [];
  readonly #last = new Map<string, Allocation>();

  with(...objects: readonly (Pool | Claim)[]): this {
    for (const object of objects) {
      if ('blocks' in object) this.pools.set(object.name, object);
      else this.claims.set(Claim.key(object), object);
    }
    return this;
  }

  without(...names: readonly string[]): this {
    for (const name of names)
      this.pools.delete(name) || this.claims.delete(name) || this.claims.delete(`default/${name}`);
    return this;
  }

  pass(): this {
    this.#sorted = [...this.claims.values()].sort(Claim.compareNames);
    const { keepUncovered } = this;
    const changed = this.allocator.allocate({ pools: [...this.pools.values()], claims: this.#sorted, keepUncovered });
    for (const change of changed.toSorted((a, b) => Number(a.after !== undefined) - Number(b.after !== undefined))) {
      const { claim: each, after } = change;
      if (after === undefined) this.#last.delete(Claim.key(each));
      else this.#last.set(Claim.key(each), after);
    }
    return this;
  }

  of(path: string): Allocation {
    const key = path.includes('/') ? path : `default/${path}`;
    // One that asks for nothing has had nothing ever since.
    return this.#last.get(key) ?? nothing;
  }

  held(path: string): string[] {
    return this.of(path).addresses.map(IpAddress.format);
  }

  /** Messages of the refusals. */
  refused(path: string): string[] {
    return this.of(path).refusals.map(Refusal.message);
  }

  /** What everybody holds: `{ 'default/web': '192.0.2.1' }`. */
  everybody(): Record<string, string> {
    return Object.fromEntries(this.#sorted.map(each => [Claim.key(each), this.held(Claim.key(each)).join(' ')]));
  }

  /** The same objects as they would be found after a restart: who holds what is known from the statuses alone. */
  restarted(): World {
    const world = new World().with(...this.pools.values());
    world.keepUncovered = this.keepUncovered;
    for (const each of this.#sorted) world.with({ ...each, held: this.of(Claim.key(each)).addresses });
    return world;
  }
}
