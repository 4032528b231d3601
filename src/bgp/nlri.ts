/** Prefixes as UPDATE messages carry them (RFC 4271 §4.3): a length in bits, then as many octets as it needs. */
import type { RibRows } from './rib-rows.ts';

/** Whether the octets from `at` to `end` are whole prefixes none of which is longer than `bits`. */
export function isNlri(bytes: Uint8Array, at: number, end: number, bits: number): boolean {
  while (at < end) {
    const length = bytes[at] as number;
    if (length > bits) return false;
    at += 1 + ((length + 7) >>> 3);
  }
  return at === end;
}

/** Octets that a prefix of this length takes. */
export function nlriOctets(length: number): number {
  return 1 + ((length + 7) >>> 3);
}

/**
 * Reads the 32 bits beginning `index` octets into a prefix; what is past its length counts as zero, whatever was
 * sent.
 */
export function nlriWord(bytes: Uint8Array, at: number, length: number, index: number): number {
  const bits = length - index * 8;
  if (bits <= 0) return 0;
  at += 1 + index;
  if (bits > 24) {
    const high = ((bytes[at] as number) << 24) | ((bytes[at + 1] as number) << 16);
    const value = high | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number);
    return bits >= 32 ? value : value & (-1 << (32 - bits));
  }
  let value = (bytes[at] as number) << 24;
  if (bits > 8) value |= (bytes[at + 1] as number) << 16;
  if (bits > 16) value |= (bytes[at + 2] as number) << 8;
  return value & (-1 << (32 - bits));
}

/** Writes the prefix of a row and returns where it ends. */
export function writeNlri(rows: RibRows, row: number, out: Uint8Array, at: number): number {
  const length = rows.length[row] as number;
  const key = rows.key;
  const words = row * rows.words;
  out[at++] = length;
  for (let bits = 0; bits < length; bits += 8) out[at++] = (key[words + (bits >>> 5)] as number) >>> (24 - (bits & 31));
  return at;
}
