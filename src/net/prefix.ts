/** Address prefixes: a network address and a length (RFC 4632 §3.1, RFC 4291 §2.3). Host bits are always zero. */
import { Netmask } from 'netmask';
import { type Family, familyBits, familyMax, IpAddress } from './ip.ts';

export interface Prefix {
  readonly address: IpAddress;
  readonly length: number;
}

/** What a user wrote, and whether it named a network (`10.0.0.0/8`) or an address inside one (`10.0.0.1/8`). */
interface ParsedPrefix {
  readonly prefix: Prefix;
  readonly hostBits: boolean;
}

export const Prefix = {
  /** Masks the host bits off. Throws RangeError for a length the family does not have: our mistake, never a user's. */
  of(address: IpAddress, length: number): Prefix {
    if (!Number.isInteger(length) || length < 0 || length > familyBits[address.family])
      throw new RangeError(`no ${address.family} prefix has the length ${length}`);
    return { address: { family: address.family, value: address.value & mask(address.family, length) }, length };
  },

  /** `10.1.2.3/8` is 10.0.0.0/8. Undefined without a length, and for any address inet_pton(3) refuses. */
  parse(text: string): Prefix | undefined {
    return Prefix.parseNoting(text)?.prefix;
  },

  /** As `parse`, and says whether host bits were masked off, so that a user can be warned of it. */
  parseNoting(text: string): ParsedPrefix | undefined {
    const slash = text.indexOf('/');
    const address = slash < 0 ? undefined : IpAddress.parse(text.slice(0, slash));
    const length = text.slice(slash + 1);
    if (address === undefined || !/^(0|[1-9][0-9]{0,2})$/.test(length)) return undefined;
    if (Number(length) > familyBits[address.family]) return undefined;
    const given = { address, length: Number(length) };
    if (Prefix.contains(given, address)) return { prefix: given, hostBits: false };
    // netmask reads far more than inet_pton does, so it only sees text that has passed; its masking is exact.
    const network = IpAddress.parse(new Netmask(text).base);
    if (network === undefined) throw new Error(`netmask gave no base for ${text}`);
    return { prefix: { address: network, length: given.length }, hostBits: true };
  },

  /** The prefix that holds this one address. */
  host(address: IpAddress): Prefix {
    return { address, length: familyBits[address.family] };
  },

  format(prefix: Prefix): string {
    return `${IpAddress.format(prefix.address)}/${prefix.length}`;
  },

  /** The highest address inside. */
  last(prefix: Prefix): IpAddress {
    const { family, value } = prefix.address;
    return { family, value: value | (familyMax[family] ^ mask(family, prefix.length)) };
  },

  /** Number of addresses: up to 2^128. netmask counts in floats, which are exact only up to 2^53. */
  size(prefix: Prefix): bigint {
    return 1n << BigInt(familyBits[prefix.address.family] - prefix.length);
  },

  contains(prefix: Prefix, address: IpAddress): boolean {
    const { family, value } = prefix.address;
    return family === address.family && (address.value & mask(family, prefix.length)) === value;
  },

  /** Whether every address of `inner` is one of `outer`; a prefix covers itself. */
  covers(outer: Prefix, inner: Prefix): boolean {
    return outer.length <= inner.length && Prefix.contains(outer, inner.address);
  },

  /** Two prefixes overlap only when one covers the other. */
  overlaps(a: Prefix, b: Prefix): boolean {
    return Prefix.covers(a, b) || Prefix.covers(b, a);
  },

  equals(a: Prefix, b: Prefix): boolean {
    return a.length === b.length && IpAddress.equals(a.address, b.address);
  },

  /** By network address, then shorter (wider) first. */
  compare(a: Prefix, b: Prefix): number {
    return IpAddress.compare(a.address, b.address) || a.length - b.length;
  },
};

function mask(family: Family, length: number): bigint {
  const host = BigInt(familyBits[family] - length);
  return (familyMax[family] >> host) << host;
}
