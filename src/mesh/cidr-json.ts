/**
 * A network in a node's record: an object of address and base64 mask, or text, for readers; an object for writers as
 * long as readers older than the text are about. Reference §1.4.
 */
import { type Family, familyBits, familyMax, IpAddress } from '../net/ip.ts';
import { Prefix } from '../net/prefix.ts';
import { Fields, type Json } from './go-json.ts';

/**
 * Undefined for a network that is not there; `bad` for one that cannot be: a mask with holes, an address that is none.
 * IPv4 in its IPv6 form is IPv4, host bits are masked off.
 */
export function readCidr(value: unknown): Prefix | 'bad' | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value === 'string') {
    const prefix = Prefix.parse(value);
    return prefix === undefined ? 'bad' : unmapped(prefix.address, prefix.length);
  }
  const fields = Fields.of(value);
  if (fields === undefined) return 'bad';
  const ip = fields.get('IP') ?? '';
  const mask = fields.get('Mask') ?? '';
  if (ip === '' && mask === '') return undefined;
  const address = typeof ip === 'string' ? IpAddress.parse(ip) : undefined;
  const bits = typeof mask === 'string' ? masks.get(mask) : undefined;
  if (address === undefined || bits === undefined) return 'bad';
  // A mask of 16 octets on an IPv4 address is that of its IPv6 form, and the other way round there is no such thing.
  if (bits.of === 128) return unmapped(IpAddress.mapped(address), bits.length);
  const plain = IpAddress.unmapped(address);
  return plain.family === 'ipv4' ? Prefix.of(plain, bits.length) : 'bad';
}

export function writeCidr(prefix: Prefix | undefined): Json {
  if (prefix === undefined) return null;
  return { IP: IpAddress.format(prefix.address), Mask: maskText(prefix.address.family, prefix.length) };
}

function maskText(family: Family, length: number): string {
  const host = BigInt(familyBits[family] - length);
  const mask = IpAddress.toBytes(IpAddress.of(family, (familyMax[family] >> host) << host));
  return btoa(String.fromCharCode(...mask));
}

function unmapped(address: IpAddress, length: number): Prefix | 'bad' {
  const plain = IpAddress.unmapped(address);
  if (plain.family === address.family) return Prefix.of(address, length);
  return length < 96 ? 'bad' : Prefix.of(plain, length - 96);
}

/** Every mask there is, 4 or 16 octets in base64: one with holes is none of them. */
const masks: ReadonlyMap<string, { readonly of: 32 | 128; readonly length: number }> = new Map(
  (['ipv4', 'ipv6'] as const).flatMap(family =>
    Array.from({ length: familyBits[family] + 1 }, (_, length) => [
      maskText(family, length),
      { of: familyBits[family], length },
    ]),
  ),
);
