/**
 * Attribute sets of the RIB ↔ values: for what the scan does not take, for policies that change routes, and for
 * readers.
 */
import { Writer } from '../net/bytes.ts';
import { type AttributeContext, attributeCode, FLAG_TRANSITIVE, type PathAttributes } from './attribute.ts';
import { checkAttributes } from './attribute-check.ts';
import { encodeAttributeHeader, encodeAttributes } from './attribute-encode.ts';
import { Family } from './family.ts';
import { NextHop } from './next-hop.ts';
import type { RibAttributes } from './rib-attributes.ts';

/** A set as values. `attributes` never has a next hop of its own. */
export interface DecodedSet {
  readonly attributes: PathAttributes;
  readonly nextHop: NextHop | undefined;
}

/** How sets are kept (see rib-attributes.ts). */
const cx: AttributeContext = { fourOctetAs: true, internal: true, extendedNextHop: Family.all };

export function decodeSet(from: RibAttributes, id: number): DecodedSet {
  const begin = from.store.at(id);
  const bytes = from.store.copy(id);
  const value = from.find(id, attributeCode.nextHop) - begin;
  if (value < -begin || from.valueLength === 0) return { attributes: decodeAttributes(bytes), nextHop: undefined };
  const end = value + from.valueLength;
  const octets = bytes.slice(value, end);
  // The attribute without its value: three octets in front, for it is never long.
  const rest = new Uint8Array(bytes.length - octets.length - 3);
  rest.set(bytes.subarray(0, value - 3));
  rest.set(bytes.subarray(end), value - 3);
  return { attributes: decodeAttributes(rest), nextHop: NextHop.decode(octets, nextHopFamily(octets), true) };
}

function decodeAttributes(bytes: Uint8Array): PathAttributes {
  const check = checkAttributes(bytes, 0, bytes.length, 'nothing', cx);
  if (check.treatment === 'session-reset') throw new Error('the RIB keeps an attribute set that nobody can read');
  return check.attributes;
}

function nextHopFamily(octets: Uint8Array): Family {
  return octets.length === 4 ? 'ipv4-unicast' : 'ipv6-unicast';
}

/** The id of these values. It may be new and then has no reference yet. `nextHop` undefined: our own address. */
export function encodeSet(into: RibAttributes, attributes: PathAttributes, nextHop: NextHop | undefined): number {
  const { nextHop: _, ...rest } = attributes;
  const writer = new Writer(128);
  encodeAttributes(writer, { ...rest, asPath: rest.asPath ?? [], origin: rest.origin ?? 'igp' }, cx);
  if (nextHop !== undefined) {
    const octets = NextHop.encode(nextHop, Family.ofIp(nextHop.address.family));
    encodeAttributeHeader(writer, FLAG_TRANSITIVE, attributeCode.nextHop, octets.length);
    writer.put(octets);
  }
  const bytes = writer.finish();
  return into.obtain(bytes, 0, bytes.length);
}
