/** Path attributes in tests: octets written down, checked on a session of some kind, and written again. */
import type { AttributeCheck, AttributeContext, Carries, PathAttributes } from '../../src/bgp/attribute.ts';
import { checkAttributes } from '../../src/bgp/attribute-check.ts';
import { encodeAttributes } from '../../src/bgp/attribute-encode.ts';
import { Family } from '../../src/bgp/family.ts';
import { NextHop } from '../../src/bgp/next-hop.ts';
import { Writer } from '../../src/net/bytes.ts';
import { hex, toHex } from './hex.ts';

export const internal: AttributeContext = { fourOctetAs: true, internal: true, extendedNextHop: [] };
export const external: AttributeContext = { ...internal, internal: false };
export const twoOctet: AttributeContext = { ...internal, fourOctetAs: false };

export function check(octets: string, cx = internal, carries: Carries = 'nothing'): AttributeCheck {
  const bytes = hex(octets);
  return checkAttributes(bytes, 0, bytes.length, carries, cx);
}

export function attributesOf(outcome: AttributeCheck): PathAttributes {
  if (outcome.treatment === 'session-reset') throw new Error('session reset');
  return outcome.attributes;
}

export function encode(attributes: PathAttributes, cx = internal): string {
  const writer = new Writer();
  encodeAttributes(writer, attributes, cx);
  return toHex(writer.finish());
}

/** MP_REACH_NLRI up to its prefixes (RFC 4760 §3). */
export function encodeMpReach(writer: Writer, family: Family, nextHop: NextHop): void {
  const { afi, safi } = Family.row(family);
  const octets = NextHop.encode(nextHop, family);
  writer.u16(afi).u8(safi).u8(octets.length).put(octets).u8(0);
}

/** MP_UNREACH_NLRI up to its prefixes (RFC 4760 §4). */
export function encodeMpUnreach(writer: Writer, family: Family): void {
  const { afi, safi } = Family.row(family);
  writer.u16(afi).u8(safi);
}
