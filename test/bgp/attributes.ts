/** Path attributes in tests: octets written down, checked on a session of some kind, and written again. */
import type { AttributeCheck, AttributeContext, Carries, PathAttributes } from '../../src/bgp/attribute.ts';
import { checkAttributes } from '../../src/bgp/attribute-check.ts';
import { encodeAttributes } from '../../src/bgp/attribute-encode.ts';
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
