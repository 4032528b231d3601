/**
 * Communities as values and as text: standard (RFC 1997), extended (RFC 4360), large (RFC 8092). The well-known ones
 * are a table (RFC 1997 §2, RFC 3765, RFC 7999, RFC 8326, RFC 9494 and IANA's registry).
 */

/** 32 bits: AS number in the high half, value in the low one. */
export type StandardCommunity = number;

/** 64 bits as they are on the wire: type, subtype and value. */
export type ExtendedCommunity = bigint;

/** Three 32-bit numbers (RFC 8092 §3). */
export interface LargeCommunity {
  readonly global: number;
  readonly local1: number;
  readonly local2: number;
}

/** Well-known standard communities by the names routers and users know. */
export const wellKnownCommunities = {
  'graceful-shutdown': 0xffff_0000,
  'accept-own': 0xffff_0001,
  'llgr-stale': 0xffff_0006,
  'no-llgr': 0xffff_0007,
  blackhole: 0xffff_029a,
  'no-export': 0xffff_ff01,
  'no-advertise': 0xffff_ff02,
  'no-export-subconfed': 0xffff_ff03,
  'no-peer': 0xffff_ff04,
} as const satisfies Record<string, StandardCommunity>;

const byName = new Map<string, number>(Object.entries(wellKnownCommunities));
const byValue = new Map<number, string>([...byName].map(([name, value]) => [value, name]));

export const StandardCommunity = {
  /** `65000:100`, a well-known name, or one decimal number. Undefined for anything else. */
  parse(text: string): StandardCommunity | undefined {
    const known = byName.get(text);
    if (known !== undefined) return known;
    const parts = numbers(text, ':');
    if (parts === undefined) return undefined;
    const [high, low] = parts;
    if (parts.length === 1) return within(high, 0xffff_ffff);
    if (parts.length !== 2 || within(high, 0xffff) === undefined || within(low, 0xffff) === undefined) return undefined;
    return (high as number) * 65536 + (low as number);
  },

  /** The well-known name, or `high:low`. */
  format(community: StandardCommunity): string {
    return byValue.get(community) ?? `${community >>> 16}:${community & 0xffff}`;
  },
};

export const LargeCommunity = {
  /** `65000:1:2`. */
  parse(text: string): LargeCommunity | undefined {
    const parts = numbers(text, ':');
    if (parts === undefined || parts.length !== 3 || parts.some(part => part > 0xffff_ffff)) return undefined;
    const [global, local1, local2] = parts as [number, number, number];
    return { global, local1, local2 };
  },

  format(community: LargeCommunity): string {
    return `${community.global}:${community.local1}:${community.local2}`;
  },

  compare(a: LargeCommunity, b: LargeCommunity): number {
    return a.global - b.global || a.local1 - b.local1 || a.local2 - b.local2;
  },

  equals(a: LargeCommunity, b: LargeCommunity): boolean {
    return LargeCommunity.compare(a, b) === 0;
  },
};

/** Subtypes that have a name in text (RFC 4360 §4, §5; RFC 9012 for colour is left as octets). */
const subtypes = { rt: 0x02, soo: 0x03, ro: 0x03 } as const satisfies Record<string, number>;

export const ExtendedCommunity = {
  /** `rt:65000:1`, `soo:192.0.2.1:1`, `rt:4200000000:1`, or sixteen hexadecimal digits after `0x`. */
  parse(text: string): ExtendedCommunity | undefined {
    if (/^0x[0-9a-fA-F]{16}$/.test(text)) return BigInt(text);
    const match = /^(rt|soo|ro):([0-9.]+):([0-9]{1,10})$/.exec(text);
    if (match === null) return undefined;
    const [, kind, admin, local] = match as unknown as [string, keyof typeof subtypes, string, string];
    const subtype = BigInt(subtypes[kind]) << 48n;
    const quad = parseQuad(admin);
    const value = Number(local);
    if (quad !== undefined) return value > 0xffff ? undefined : (1n << 56n) | subtype | (quad << 16n) | BigInt(value);
    const asn = within(numbers(admin, ':')?.[0], 0xffff_ffff);
    if (asn === undefined) return undefined;
    if (asn <= 0xffff) return value > 0xffff_ffff ? undefined : subtype | (BigInt(asn) << 32n) | BigInt(value);
    return value > 0xffff ? undefined : (2n << 56n) | subtype | (BigInt(asn) << 16n) | BigInt(value);
  },

  format(community: ExtendedCommunity): string {
    const type = Number(community >> 56n);
    const kind = ({ 2: 'rt', 3: 'soo' } as const)[Number((community >> 48n) & 0xffn)];
    const low32 = Number(community & 0xffff_ffffn);
    const admin32 = Number((community >> 16n) & 0xffff_ffffn);
    const low16 = low32 & 0xffff;
    if (kind !== undefined && type === 0) return `${kind}:${Number((community >> 32n) & 0xffffn)}:${low32}`;
    if (kind !== undefined && type === 1) return `${kind}:${formatQuad(admin32)}:${low16}`;
    if (kind !== undefined && type === 2 && admin32 > 0xffff) return `${kind}:${admin32}:${low16}`;
    return `0x${community.toString(16).padStart(16, '0')}`;
  },

  /** Whether it may leave the AS: the T bit of the type octet is clear (RFC 4360 §2). */
  isTransitive(community: ExtendedCommunity): boolean {
    return ((community >> 62n) & 1n) === 0n;
  },
};

/** Decimal numbers without signs, blanks or leading zeros; undefined when one of them is something else. */
function numbers(text: string, separator: string): number[] | undefined {
  const parts = text.split(separator);
  return parts.every(part => /^(0|[1-9][0-9]{0,9})$/.test(part)) ? parts.map(Number) : undefined;
}

function within(value: number | undefined, max: number): number | undefined {
  return value !== undefined && value <= max ? value : undefined;
}

function parseQuad(text: string): bigint | undefined {
  const parts = numbers(text, '.');
  if (parts?.length !== 4 || parts.some(part => part > 255)) return undefined;
  return parts.reduce((value, part) => (value << 8n) | BigInt(part), 0n);
}

function formatQuad(value: number): string {
  return `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`;
}
