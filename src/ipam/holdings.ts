/** Who holds which address: the one index behind allocation, sharing and release. */
import { IpAddress } from '../net/ip.ts';
import { AddressMap } from './address-map.ts';
import { Claim } from './claim.ts';
import { lastAtMost } from './free-ranges.ts';
import { Sharers, type SharingReason } from './sharing.ts';
import type { PoolSpace, Space } from './space.ts';

/** A claim as the allocator keeps it. */
export interface Holder {
  claim: Claim;
}

/** Shared by all that are empty; never pushed to. */
const none: never[] = [];

export class Holding<H extends Holder> {
  readonly address: IpAddress;
  /** Where it is counted; undefined when no readable pool contains it. */
  home: PoolSpace | undefined;
  holders: H[] = none;
  /** The oldest of the holders. */
  oldest: H | undefined;
  /** The sharing key of its holders, who all have the same; undefined when its holder has none. */
  key: string | undefined;
  sharers: Sharers | undefined;
  /** The last pass in which somebody came or went. */
  pass = 0;

  constructor(address: IpAddress, home: PoolSpace | undefined) {
    this.address = address;
    this.home = home;
  }
}

export class Holdings<H extends Holder> {
  readonly #byAddress = new AddressMap<Holding<H>>();
  /** Those that can be shared, by key, in order of address. */
  readonly #byKey = new Map<string, Holding<H>[]>();
  #space: Space;

  constructor(space: Space) {
    this.#space = space;
  }

  /** Addresses held, each counted once. */
  get size(): number {
    return this.#byAddress.size;
  }

  get(address: IpAddress): Holding<H> | undefined {
    return this.#byAddress.get(address);
  }

  withKey(key: string): readonly Holding<H>[] {
    return this.#byKey.get(key) ?? [];
  }

  all(): Iterable<Holding<H>> {
    return this.#byAddress.values();
  }

  /** Why `claim` may not hold this address with those who hold it; undefined when it may, or when nobody does. */
  conflict(holding: Holding<H> | undefined, claim: Claim): 'held_by_other' | SharingReason | undefined {
    if (holding === undefined || holding.holders.length === 0) return undefined;
    if (claim.sharing === undefined) return 'held_by_other';
    return holding.sharers === undefined ? 'different sharing key' : holding.sharers.conflict(claim.sharing);
  }

  attach(holder: H, address: IpAddress): Holding<H> {
    const holding = this.#byAddress.get(address) ?? this.#open(address);
    if (holding.holders.length === 0) holding.holders = [holder];
    else holding.holders.push(holder);
    if (holding.oldest === undefined || Claim.compareAge(holder.claim, holding.oldest.claim) < 0)
      holding.oldest = holder;
    const { sharing } = holder.claim;
    if (sharing === undefined) return holding;
    holding.sharers ??= new Sharers();
    holding.sharers.add(sharing);
    if (holding.key === undefined) this.#index(holding, sharing.key);
    return holding;
  }

  /** The address stays taken until `close`, so that whoever is being looked at again finds its own still there. */
  detach(holder: H, holding: Holding<H>): void {
    holding.holders.splice(holding.holders.indexOf(holder), 1);
    if (holder.claim.sharing !== undefined) holding.sharers?.remove(holder.claim.sharing);
    if (holding.oldest === holder) holding.oldest = oldestOf(holding.holders);
    if (holding.holders.length > 0) return;
    if (holding.key !== undefined) this.#unindex(holding, holding.key);
    holding.sharers = undefined;
  }

  /** Frees an address that nobody holds any more. False when somebody does, or when it is free already. */
  close(holding: Holding<H>): boolean {
    if (holding.holders.length > 0 || this.#byAddress.get(holding.address) !== holding) return false;
    this.#byAddress.delete(holding.address);
    holding.home?.give(holding.address);
    return true;
  }

  /** Counts everything held in another space. */
  moveTo(space: Space): void {
    this.#space = space;
    for (const holding of this.#byAddress.values()) {
      holding.home = space.home(holding.address);
      holding.home?.take(holding.address);
    }
  }

  #open(address: IpAddress): Holding<H> {
    const home = this.#space.home(address);
    const holding = new Holding<H>(address, home);
    this.#byAddress.set(address, holding);
    home?.take(address);
    return holding;
  }

  #index(holding: Holding<H>, key: string): void {
    holding.key = key;
    const list = this.#byKey.get(key);
    if (list === undefined) this.#byKey.set(key, [holding]);
    else list.splice(place(list, holding) + 1, 0, holding);
  }

  #unindex(holding: Holding<H>, key: string): void {
    holding.key = undefined;
    const list = this.#byKey.get(key) ?? [];
    if (list.length === 1) this.#byKey.delete(key);
    else list.splice(place(list, holding), 1);
  }
}

/** Index of the last holding whose address is not above this one's. */
function place<H extends Holder>(list: readonly Holding<H>[], { address }: Holding<H>): number {
  return lastAtMost(list.length, at => IpAddress.compare(list[at]?.address ?? address, address) <= 0);
}

function oldestOf<H extends Holder>(holders: readonly H[]): H | undefined {
  let oldest = holders[0];
  for (const holder of holders)
    if (oldest !== undefined && Claim.compareAge(holder.claim, oldest.claim) < 0) oldest = holder;
  return oldest;
}
