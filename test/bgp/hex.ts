/** Octets written down for reading: hexadecimal with blanks and line breaks wherever they help. */

export function hex(text: string): Uint8Array {
  const digits = text.replace(/\s+/g, '');
  if (!/^([0-9a-f]{2})*$/.test(digits)) throw new Error(`not octets: ${text}`);
  return Uint8Array.from({ length: digits.length / 2 }, (_, i) => Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16));
}

export function toHex(bytes: Uint8Array): string {
  return [...bytes].map(octet => octet.toString(16).padStart(2, '0')).join('');
}

/** A whole message: marker, length and type around the body. */
export function message(type: number, body: string): Uint8Array {
  const octets = hex(body);
  const length = (19 + octets.length).toString(16).padStart(4, '0');
  return hex(`${'ff'.repeat(16)} ${length} ${type.toString(16).padStart(2, '0')} ${toHex(octets)}`);
}
