/**
 * A map from addresses. IPv6 goes in two steps because JavaScript hashes a bigint by its lowest 64 bits alone, and
 * those are often the same in one subnet after the other.
 */
import type { IpAddress } from '../net/ip.ts';

const wordMask = 0xffff_ffff_ffff_ffffn;

export class AddressMap<V> {
  readonly #ipv4 = new Map<number, V>();
  readonly #ipv6 = new Map<bigint, Map<bigint, V>>();

  get({ family, value }: IpAddress): V | undefined {
    if (family === 'ipv4') return this.#ipv4.get(Number(value));
    return this.#ipv6.get(value >> 64n)?.get(value & wordMask);
  }

  has(address: IpAddress): boolean {
    return this.get(address) !== undefined;
  }

  set({ family, value }: IpAddress, entry: V): void {
    if (family === 'ipv4') {
      this.#ipv4.set(Number(value), entry);
      return;
    }
    const subnet = this.#ipv6.get(value >> 64n);
    if (subnet === undefined) this.#ipv6.set(value >> 64n, new Map([[value & wordMask, entry]]));
    else subnet.set(value & wordMask, entry);
  }

  delete({ family, value }: IpAddress): void {
    if (family === 'ipv4') {
      this.#ipv4.delete(Number(value));
      return;
    }
    const subnet = this.#ipv6.get(value >> 64n);
    subnet?.delete(value & wordMask);
    if (subnet?.size === 0) this.#ipv6.delete(value >> 64n);
  }

  get size(): number {
    let size = this.#ipv4.size;
    for (const subnet of this.#ipv6.values()) size += subnet.size;
    return size;
  }

  *values(): Generator<V> {
    yield* this.#ipv4.values();
    for (const subnet of this.#ipv6.values()) yield* subnet.values();
  }

  clear(): void {
    this.#ipv4.clear();
    this.#ipv6.clear();
  }
}
