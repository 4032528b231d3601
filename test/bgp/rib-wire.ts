/**
 * UPDATE messages for tests of the RIB: written from values, and read back as a receiver would, without any of the
 * RIB's own code.
 */

import { AsPath } from '../../src/bgp/as-path.ts';
import type { AttributeContext, PathAttributes } from '../../src/bgp/attribute.ts';
import { checkAttributes } from '../../src/bgp/attribute-check.ts';
import { encodeAttributeHeader, encodeAttributes } from '../../src/bgp/attribute-encode.ts';
import { Family } from '../../src/bgp/family.ts';
import { NextHop } from '../../src/bgp/next-hop.ts';
import { Policy } from '../../src/bgp/policy.ts';
import type { Rib } from '../../src/bgp/rib.ts';
import type { PeerView } from '../../src/bgp/rib-view.ts';
import { Reader, Writer } from '../../src/net/bytes.ts';
import { IpAddress } from '../../src/net/ip.ts';
import { Prefix } from '../../src/net/prefix.ts';
import { encodeMpReach, encodeMpUnreach } from './attributes.ts';

export const ip = (text: string): IpAddress => {
  const address = IpAddress.parse(text);
  if (address === undefined) throw new Error(`${text} is no address`);
  return address;
};

export const pfx = (text: string): Prefix => {
  const prefix = Prefix.parse(text);
  if (prefix === undefined) throw new Error(`${text} is no prefix`);
  return prefix;
};

/** A session with an external peer; `more` replaces parts of it. */
export function peerView(index: number, more: Partial<PeerView> = {}): PeerView {
  return {
    key: `peer${index}`,
    kind: 'external',
    asn: 65000 + index,
    localAsn: 65000,
    routerId: 0x0a000000 + index,
    remoteAddress: ip(`10.0.0.${index}`),
    localAddress: ip('10.0.0.254'),
    localIpv6: ip('2001:db8:ffff::254'),
    families: ['ipv4-unicast', 'ipv6-unicast'],
    fourOctetAs: true,
    extendedMessages: false,
    extendedNextHop: [],
    enhancedRefresh: false,
    endOfRib: [],
    nextHop: 'default',
    enforceFirstAs: false,
    allowOwnAs: 0,
    gracefulShutdown: false,
    import: Policy.all,
    export: Policy.all,
    ...more,
  };
}

/** A route as a test writes it. */
export interface Said {
  readonly prefixes: readonly string[];
  readonly path?: readonly number[];
  readonly nextHop?: string;
  readonly linkLocal?: string;
  readonly more?: PathAttributes;
  /** Put IPv4 prefixes into MP_REACH_NLRI too. */
  readonly multiprotocol?: boolean;
}

export function contextOf(view: PeerView): AttributeContext {
  const internal = view.kind === 'internal' || view.kind === 'reflector-client';
  return { fourOctetAs: view.fourOctetAs, internal, extendedNextHop: view.extendedNextHop };
}

function nlri(writer: Writer, prefix: Prefix): void {
  writer.u8(prefix.length).put(IpAddress.toBytes(prefix.address).subarray(0, Math.ceil(prefix.length / 8)));
}

/** The body of an UPDATE that announces prefixes of one family. */
export function announce(said: Said, cx: AttributeContext): Uint8Array {
  const prefixes = said.prefixes.map(pfx);
  const family = Family.ofIp(prefixes[0]?.address.family ?? 'ipv4');
  const nextHop = ip(said.nextHop ?? (family === 'ipv4-unicast' ? '10.0.0.1' : '2001:db8::1'));
  const classic = family === 'ipv4-unicast' && nextHop.family === 'ipv4' && !said.multiprotocol;
  const attributes = new Writer();
  if (!classic) {
    const value = new Writer();
    encodeMpReach(value, family, { address: nextHop, linkLocal: said.linkLocal ? ip(said.linkLocal) : undefined });
    for (const prefix of prefixes) nlri(value, prefix);
    encodeAttributeHeader(attributes, 0x80, 14, value.length);
    attributes.put(value.finish());
  }
  const path = { origin: 'igp', asPath: AsPath.of(...(said.path ?? [65001])), ...said.more } as const;
  encodeAttributes(attributes, classic ? { ...path, nextHop } : path, cx);
  const body = new Writer().u16(0).u16(attributes.length).put(attributes.finish());
  if (classic) for (const prefix of prefixes) nlri(body, prefix);
  return body.finish();
}

/** The body of an UPDATE that withdraws prefixes of one family. */
export function withdraw(texts: readonly string[]): Uint8Array {
  const prefixes = texts.map(pfx);
  const value = new Writer();
  if (prefixes[0]?.address.family !== 'ipv6') {
    for (const prefix of prefixes) nlri(value, prefix);
    return new Writer().u16(value.length).put(value.finish()).u16(0).finish();
  }
  encodeMpUnreach(value, 'ipv6-unicast');
  for (const prefix of prefixes) nlri(value, prefix);
  const attribute = new Writer();
  encodeAttributeHeader(attribute, 0x80, 15, value.length);
  return new Writer()
    .u16(0)
    .u16(attribute.length + value.length)
    .put(attribute.finish())
    .put(value.finish())
    .finish();
}

/** What a receiver holds about a prefix. */
export interface Held {
  readonly attributes: PathAttributes;
  readonly nextHop: NextHop;
}

/** The other end: takes the octets it is sent, whole messages only, and keeps what they say. */
export class Receiver {
  readonly routes = new Map<string, Held>();
  readonly messages: { readonly type: number; readonly length: number; readonly body: Uint8Array }[] = [];
  readonly endOfRib: Family[] = [];
  /** Withdrawals of prefixes it never had. */
  superfluous = 0;
  readonly #cx: AttributeContext;
  readonly #messageMax: number;

  constructor(view: PeerView) {
    this.#cx = contextOf(view);
    this.#messageMax = view.extendedMessages ? 65_535 : 4096;
  }

  take(bytes: Uint8Array): void {
    const reader = new Reader(bytes);
    while (reader.remaining > 0) {
      if (!reader.take(16).every(octet => octet === 0xff)) throw new Error('no marker');
      const length = reader.u16();
      if (length > this.#messageMax) throw new Error(`a message of ${length} octets`);
      const type = reader.u8();
      const body = reader.take(length - 19);
      this.messages.push({ type, length, body });
      if (type === 2) this.#update(body);
    }
  }

  #update(body: Uint8Array): void {
    const reader = new Reader(body);
    const withdrawn = reader.sub(reader.u16());
    const length = reader.u16();
    const at = reader.at;
    reader.skip(length);
    if (body.length === 4) this.endOfRib.push('ipv4-unicast');
    while (withdrawn.remaining > 0) this.#lose('ipv4-unicast', withdrawn);
    const check = checkAttributes(body, at, at + length, reader.remaining > 0 ? 'nlri' : 'nothing', this.#cx);
    if (check.treatment !== 'ok') throw new Error(`attributes: ${JSON.stringify(check.faults)}`);
    const { mpReach, mpUnreach, attributes } = check;
    if (mpUnreach?.family !== undefined) {
      const from = new Reader(body, mpUnreach.nlriAt, mpUnreach.nlriEnd);
      if (from.remaining === 0) this.endOfRib.push(mpUnreach.family);
      while (from.remaining > 0) this.#lose(mpUnreach.family, from);
    }
    const { nextHop, ...rest } = attributes;
    while (reader.remaining > 0 && nextHop)
      this.routes.set(read(reader, 'ipv4-unicast'), { attributes: rest, nextHop: { address: nextHop } });
    if (mpReach?.family === undefined || mpReach.nextHop === undefined) return;
    const from = new Reader(body, mpReach.nlriAt, mpReach.nlriEnd);
    while (from.remaining > 0)
      this.routes.set(read(from, mpReach.family), { attributes: rest, nextHop: mpReach.nextHop });
  }

  #lose(family: Family, reader: Reader): void {
    if (!this.routes.delete(read(reader, family))) this.superfluous++;
  }
}

function read(reader: Reader, family: Family): string {
  const length = reader.u8();
  const { ip: kind, bits } = Family.row(family);
  const octets = new Uint8Array(bits / 8);
  octets.set(reader.take(Math.ceil(length / 8)));
  const address = IpAddress.fromBytes(kind, octets);
  const prefix = Prefix.of(address, length);
  if (prefix.address.value !== address.value) throw new Error('host bits were sent');
  return Prefix.format(prefix);
}

/** Pulls everything there is into the receiver, `octets` of room at a time. */
export function drain(rib: Rib, slot: number, receiver: Receiver, octets = 65_536): void {
  const out = new Uint8Array(octets);
  while (rib.hasOutput(slot)) {
    const length = rib.pull(slot, out, 0);
    if (length === 0) break;
    receiver.take(out.subarray(0, length));
  }
}

/** Values as text that compares: bigints and undefined fields included. */
export function text(value: unknown): string {
  return JSON.stringify(value, (_key, each: unknown) => {
    if (typeof each === 'bigint') return `${each}n`;
    if (typeof each !== 'object' || each === null || Array.isArray(each)) return each;
    return Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

export const formatNextHop = NextHop.format;
