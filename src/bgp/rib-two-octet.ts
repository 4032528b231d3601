/** Attributes for a peer with two-octet AS numbers (RFC 6793 §4.2.2): AS_TRANS, AS4_PATH, AS4_AGGREGATOR. */
import { Writer } from '../net/bytes.ts';
import type { AttributeContext } from './attribute.ts';
import { checkAttributes } from './attribute-check.ts';
import { encodeAttributes } from './attribute-encode.ts';

const four: AttributeContext = { fourOctetAs: true, internal: true, extendedNextHop: [] };
const two: AttributeContext = { ...four, fourOctetAs: false };

/** Rewrites the attributes in `bytes` from `at` to `end` in place, and returns where they end now. */
export function toTwoOctets(bytes: Uint8Array, at: number, end: number): number {
  const check = checkAttributes(bytes, at, end, 'nothing', four);
  if (check.treatment === 'session-reset') throw new Error('attributes of our own making that cannot be read');
  const writer = new Writer(end - at);
  encodeAttributes(writer, check.attributes, two);
  const octets = writer.finish();
  bytes.set(octets, at);
  return at + octets.length;
}
