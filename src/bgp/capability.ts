/**
 * Capabilities (RFC 5492 §4), a row each: number, name, how to read and write the value. Unknown ones are kept as
 * octets. Multiprotocol RFC 4760 §8; route refresh RFC 2918 §2; extended next hop RFC 8950 §4; extended message RFC
 * 8654 §3; role RFC 9234 §4.1; graceful restart RFC 4724 §3 with RFC 8538 §2; four-octet AS RFC 6793 §3; enhanced
 * refresh RFC 7313 §3.1; FQDN draft-walton-bgp-hostname-capability.
 */
import type { Reader, Writer } from '../net/bytes.ts';

export interface FamilyPair {
  readonly afi: number;
  readonly safi: number;
}

export type Capability =
  | ({ readonly kind: 'multiprotocol' } & FamilyPair)
  | { readonly kind: 'route refresh' }
  | { readonly kind: 'extended next hop'; readonly entries: readonly (FamilyPair & { readonly nextHopAfi: number })[] }
  | { readonly kind: 'extended message' }
  /** A number of role.ts, or one nobody knows yet. */
  | { readonly kind: 'role'; readonly role: number }
  | {
      readonly kind: 'graceful restart';
      /** R: the sender has restarted. */
      readonly restarting: boolean;
      /** N: notifications keep routes too (RFC 8538). */
      readonly notification: boolean;
      /** 0 to 4095. */
      readonly seconds: number;
      readonly families: readonly (FamilyPair & { readonly forwarding: boolean })[];
    }
  | { readonly kind: 'four-octet AS'; readonly asn: number }
  | { readonly kind: 'enhanced refresh' }
  | { readonly kind: 'FQDN'; readonly host: string; readonly domain: string }
  | { readonly kind: 'unknown'; readonly code: number; readonly value: Uint8Array };

export type CapabilityKind = Capability['kind'];
type Known = Exclude<Capability, { kind: 'unknown' }>;

interface CapabilityRow {
  readonly kind: Known['kind'];
  readonly code: number;
  /** Reads all there is; undefined when it is malformed. Short reads throw ShortReadError. */
  decode(reader: Reader): Known | undefined;
  encode(writer: Writer, capability: Capability): void;
}

/** Of a capability that is nothing but its number. */
function bare(code: number, kind: 'route refresh' | 'extended message' | 'enhanced refresh'): CapabilityRow {
  return { kind, code, decode: reader => (reader.remaining === 0 ? { kind } : undefined), encode: () => undefined };
}

function row<K extends Known['kind']>(
  code: number,
  kind: K,
  decode: (reader: Reader) => Extract<Known, { kind: K }> | undefined,
  encode: (writer: Writer, capability: Extract<Known, { kind: K }>) => void,
): CapabilityRow {
  return {
    kind,
    code,
    decode,
    encode: (writer, capability) => encode(writer, capability as Extract<Known, { kind: K }>),
  };
}

const RESTARTING = 0x8000;
const NOTIFICATION = 0x4000;
const FORWARDING = 0x80;

const capabilityRows: readonly CapabilityRow[] = [
  row(
    1,
    'multiprotocol',
    reader => {
      const afi = reader.u16();
      reader.skip(1);
      const safi = reader.u8();
      return reader.remaining === 0 ? { kind: 'multiprotocol', afi, safi } : undefined;
    },
    (writer, { afi, safi }) => void writer.u16(afi).u8(0).u8(safi),
  ),
  bare(2, 'route refresh'),
  row(
    5,
    'extended next hop',
    reader => {
      const entries: (FamilyPair & { nextHopAfi: number })[] = [];
      while (reader.remaining > 0) entries.push({ afi: reader.u16(), safi: reader.u16(), nextHopAfi: reader.u16() });
      return { kind: 'extended next hop', entries };
    },
    (writer, { entries }) => {
      for (const { afi, safi, nextHopAfi } of entries) writer.u16(afi).u16(safi).u16(nextHopAfi);
    },
  ),
  bare(6, 'extended message'),
  row(
    9,
    'role',
    reader => {
      const role = reader.u8();
      return reader.remaining === 0 ? { kind: 'role', role } : undefined;
    },
    (writer, { role }) => void writer.u8(role),
  ),
  row(64, 'graceful restart', decodeGracefulRestart, (writer, { restarting, notification, seconds, families }) => {
    writer.u16((restarting ? RESTARTING : 0) | (notification ? NOTIFICATION : 0) | seconds);
    for (const { afi, safi, forwarding } of families)
      writer
        .u16(afi)
        .u8(safi)
        .u8(forwarding ? FORWARDING : 0);
  }),
  row(
    65,
    'four-octet AS',
    reader => {
      const asn = reader.u32();
      return reader.remaining === 0 ? { kind: 'four-octet AS', asn } : undefined;
    },
    (writer, { asn }) => void writer.u32(asn),
  ),
  bare(70, 'enhanced refresh'),
  row(
    73,
    'FQDN',
    reader => {
      const host = text(reader.take(reader.u8()));
      // Some senders leave the domain out altogether.
      const domain = reader.remaining === 0 ? '' : text(reader.take(reader.u8()));
      return { kind: 'FQDN', host, domain };
    },
    (writer, { host, domain }) => {
      for (const name of [host, domain]) {
        const octets = new TextEncoder().encode(name).slice(0, 64);
        writer.u8(octets.length).put(octets);
      }
    },
  ),
];

const byCode = new Map(capabilityRows.map(each => [each.code, each]));
const byKind = new Map<CapabilityKind, CapabilityRow>(capabilityRows.map(each => [each.kind, each]));

function decodeGracefulRestart(reader: Reader): Extract<Known, { kind: 'graceful restart' }> | undefined {
  const head = reader.u16();
  const families: (FamilyPair & { forwarding: boolean })[] = [];
  while (reader.remaining > 0) {
    const afi = reader.u16();
    const safi = reader.u8();
    families.push({ afi, safi, forwarding: (reader.u8() & FORWARDING) !== 0 });
  }
  const restarting = (head & RESTARTING) !== 0;
  const notification = (head & NOTIFICATION) !== 0;
  return { kind: 'graceful restart', restarting, notification, seconds: head & 0xfff, families };
}

/** It goes to screens: without control characters. */
function text(octets: Uint8Array): string {
  return new TextDecoder().decode(octets).replace(/\p{Cc}/gu, '');
}

/**
 * Reads one capability: number, length, value. Undefined when a known one is malformed; throws ShortReadError when
 * cut off.
 */
export function decodeCapability(reader: Reader): Capability | undefined {
  const code = reader.u8();
  const value = reader.sub(reader.u8());
  const known = byCode.get(code);
  return known === undefined ? { kind: 'unknown', code, value: value.rest().slice() } : known.decode(value);
}

/** Number, length, value. */
export function encodeCapability(writer: Writer, capability: Capability): void {
  const row = byKind.get(capability.kind);
  const at = writer.length + 1;
  writer.u8(capability.kind === 'unknown' ? capability.code : (row?.code ?? 0)).u8(0);
  if (capability.kind === 'unknown') writer.put(capability.value);
  else row?.encode(writer, capability);
  writer.patchU8(at, writer.length - at - 1);
}
