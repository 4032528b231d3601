/**
 * The path attributes this speaker knows, a row each: number, name, flags, length, how to read and write it, and what
 * an error in it leads to (RFC 7606 §7). The rules that hold for all of them are in attribute-check.ts and
 * attribute-encode.ts.
 *
 * ORIGIN to AGGREGATOR are RFC 4271 §5.1; COMMUNITIES RFC 1997; ORIGINATOR_ID and CLUSTER_LIST RFC 4456 §8; MP_* RFC
 * 4760; EXTENDED COMMUNITIES RFC 4360; AS4_* RFC 6793; LARGE_COMMUNITY RFC 8092; OTC RFC 9234 §5.
 */
import { Reader, type Writer } from '../net/bytes.ts';
import { IpAddress } from '../net/ip.ts';
import type { Origin } from './announcement.ts';
import { AS_TRANS, AsPath } from './as-path.ts';
import {
  type Aggregator,
  type AttributeContext,
  type AttributeFaultKind,
  attributeCode,
  FLAG_OPTIONAL,
  FLAG_TRANSITIVE,
  type MpReach,
  type MpUnreach,
  type PathAttributes,
  type Treatment,
} from './attribute.ts';
import { decodeMpReach, decodeMpUnreach } from './attribute-mp.ts';
import type { ErrorName } from './notification.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** What one pass over the attributes gathers: the route's, and those that only help to read it. */
export interface Received extends Mutable<PathAttributes> {
  as4Path?: AsPath;
  as4Aggregator?: Aggregator;
  mpReach?: MpReach;
  mpUnreach?: MpUnreach;
}

interface Malformed {
  readonly malformed: AttributeFaultKind;
}

export interface AttributeRow {
  readonly code: number;
  readonly name: string;
  /** The optional and transitive bits as they have to be. */
  readonly flags: number;
  /** What an error in it leads to (RFC 7606 §7). */
  readonly malformed: Exclude<Treatment, 'ok'>;
  /** What a speaker that resets would say about its value (RFC 4271 §6.3). */
  readonly error: ErrorName;
  /** Discarded unread from external peers (RFC 7606 §7.5, §7.9, §7.10). */
  readonly internalOnly: boolean;
  fits(length: number, cx: AttributeContext): boolean;
  /** Puts the value into `into`, or says what is wrong with it. */
  decode(
    bytes: Uint8Array,
    at: number,
    end: number,
    into: Received,
    cx: AttributeContext,
  ): AttributeFaultKind | undefined;
  /** Whether these attributes have it, on a session like this. */
  present(from: PathAttributes, cx: AttributeContext): boolean;
  /** Writes the value, without type and length. Only when `present`. */
  encode(writer: Writer, from: PathAttributes, cx: AttributeContext): void;
}

const WELL_KNOWN = FLAG_TRANSITIVE;
const OPTIONAL = FLAG_OPTIONAL;
const OPTIONAL_TRANSITIVE = FLAG_OPTIONAL | FLAG_TRANSITIVE;

interface RowSpec<K extends keyof Received> {
  readonly code: number;
  readonly name: string;
  readonly key: K;
  readonly flags: number;
  readonly malformed: Exclude<Treatment, 'ok'>;
  readonly error?: ErrorName;
  readonly internalOnly?: true;
  readonly fits: (length: number, cx: AttributeContext) => boolean;
  readonly decode: (reader: Reader, cx: AttributeContext) => NonNullable<Received[K]> | Malformed;
  /** The value to write, when it is not simply the attribute of that name. */
  readonly derive?: (from: PathAttributes, cx: AttributeContext) => Received[K] | undefined;
  readonly encode?: (writer: Writer, value: NonNullable<Received[K]>, cx: AttributeContext) => void;
}

const exactly = (octets: number) => (length: number) => length === octets;
/** Not zero of them either (RFC 7606 §7.8, §7.10, §7.14; RFC 8092 §6). */
const some = (octets: number) => (length: number) => length > 0 && length % octets === 0;
const any = () => true;
const asOctets = (cx: AttributeContext) => (cx.fourOctetAs ? 4 : 2);

const origins: readonly Origin[] = ['igp', 'egp', 'incomplete'];
const badValue: Malformed = { malformed: 'value' };

/** A number of 32 bits, which is what most of them are. */
const u32 = {
  fits: exactly(4),
  decode: (reader: Reader) => reader.u32(),
  encode: (writer: Writer, value: number) => void writer.u32(value),
};

function list<T>(octets: number, read: (reader: Reader) => T, write: (writer: Writer, value: T) => void) {
  return {
    fits: some(octets),
    decode(reader: Reader): readonly T[] {
      const values: T[] = [];
      while (reader.remaining > 0) values.push(read(reader));
      return values;
    },
    encode(writer: Writer, values: readonly T[]): void {
      for (const value of values) write(writer, value);
    },
  };
}

const u32List = list(
  4,
  reader => reader.u32(),
  (writer, value: number) => void writer.u32(value),
);

function decodeAsPath(reader: Reader, octets: 2 | 4): AsPath | Malformed {
  const path = AsPath.decode(reader, octets);
  return typeof path === 'string' ? { malformed: path } : path;
}

/** AS zero is no AS (RFC 7607 §2). */
function decodeAggregator(reader: Reader, octets: 2 | 4): Aggregator | Malformed {
  const asn = octets === 2 ? reader.u16() : reader.u32();
  return asn === 0 ? { malformed: 'AS zero' } : { asn, address: reader.u32() };
}

/** In the order of their numbers, in which they are also written (RFC 4271 §5). */
export const attributeRows: readonly AttributeRow[] = [
  row({
    code: attributeCode.origin,
    name: 'ORIGIN',
    key: 'origin',
    flags: WELL_KNOWN,
    malformed: 'treat-as-withdraw',
    error: 'invalid ORIGIN attribute',
    fits: exactly(1),
    decode: reader => origins[reader.u8()] ?? badValue,
    encode: (writer, origin) => void writer.u8(origins.indexOf(origin)),
  }),
  row({
    code: attributeCode.asPath,
    name: 'AS_PATH',
    key: 'asPath',
    flags: WELL_KNOWN,
    malformed: 'treat-as-withdraw',
    error: 'malformed AS_PATH',
    fits: any,
    decode: (reader, cx) => decodeAsPath(reader, asOctets(cx)),
    encode: (writer, path, cx) => AsPath.encode(writer, path, asOctets(cx)),
  }),
  row({
    code: attributeCode.nextHop,
    name: 'NEXT_HOP',
    key: 'nextHop',
    flags: WELL_KNOWN,
    malformed: 'treat-as-withdraw',
    error: 'invalid NEXT_HOP attribute',
    fits: exactly(4),
    decode: reader => IpAddress.fromBytes('ipv4', reader.take(4)),
    encode: (writer, address) => void writer.put(IpAddress.toBytes(address)),
  }),
  row({
    ...u32,
    code: attributeCode.med,
    name: 'MULTI_EXIT_DISC',
    key: 'med',
    flags: OPTIONAL,
    malformed: 'treat-as-withdraw',
  }),
  row({
    ...u32,
    code: attributeCode.localPref,
    name: 'LOCAL_PREF',
    key: 'localPref',
    flags: WELL_KNOWN,
    malformed: 'treat-as-withdraw',
    internalOnly: true,
  }),
  row({
    code: attributeCode.atomicAggregate,
    name: 'ATOMIC_AGGREGATE',
    key: 'atomicAggregate',
    flags: WELL_KNOWN,
    malformed: 'attribute-discard',
    fits: exactly(0),
    decode: () => true,
    encode: () => undefined,
  }),
  row({
    code: attributeCode.aggregator,
    name: 'AGGREGATOR',
    key: 'aggregator',
    flags: OPTIONAL_TRANSITIVE,
    malformed: 'attribute-discard',
    fits: (length, cx) => length === asOctets(cx) + 4,
    decode: (reader, cx) => decodeAggregator(reader, asOctets(cx)),
    encode(writer, { asn, address }, cx) {
      if (cx.fourOctetAs) writer.u32(asn).u32(address);
      else writer.u16(asn > 0xffff ? AS_TRANS : asn).u32(address);
    },
  }),
  row({
    ...u32List,
    code: attributeCode.communities,
    name: 'COMMUNITIES',
    key: 'communities',
    flags: OPTIONAL_TRANSITIVE,
    malformed: 'treat-as-withdraw',
  }),
  row({
    ...u32,
    code: attributeCode.originatorId,
    name: 'ORIGINATOR_ID',
    key: 'originatorId',
    flags: OPTIONAL,
    malformed: 'treat-as-withdraw',
    internalOnly: true,
  }),
  row({
    ...u32List,
    code: attributeCode.clusterList,
    name: 'CLUSTER_LIST',
    key: 'clusterList',
    flags: OPTIONAL,
    malformed: 'treat-as-withdraw',
    internalOnly: true,
  }),
  row({
    code: attributeCode.mpReach,
    name: 'MP_REACH_NLRI',
    key: 'mpReach',
    flags: OPTIONAL,
    malformed: 'session-reset',
    fits: any,
    decode: (reader, cx) => decodeMpReach(reader, cx.extendedNextHop) ?? badValue,
  }),
  row({
    code: attributeCode.mpUnreach,
    name: 'MP_UNREACH_NLRI',
    key: 'mpUnreach',
    flags: OPTIONAL,
    malformed: 'session-reset',
    fits: any,
    decode: reader => decodeMpUnreach(reader) ?? badValue,
  }),
  row({
    ...list(
      8,
      reader => reader.u64(),
      (writer, value: bigint) => void writer.u64(value),
    ),
    code: attributeCode.extendedCommunities,
    name: 'EXTENDED COMMUNITIES',
    key: 'extendedCommunities',
    flags: OPTIONAL_TRANSITIVE,
    malformed: 'treat-as-withdraw',
  }),
  row({
    code: attributeCode.as4Path,
    name: 'AS4_PATH',
    key: 'as4Path',
    flags: OPTIONAL_TRANSITIVE,
    malformed: 'attribute-discard',
    fits: any,
    decode: reader => decodeAsPath(reader, 4),
    derive: ({ asPath }, cx) => (!cx.fourOctetAs && asPath && AsPath.needsFourOctets(asPath) ? asPath : undefined),
    encode: (writer, path) => AsPath.encode(writer, path, 4),
  }),
  row({
    code: attributeCode.as4Aggregator,
    name: 'AS4_AGGREGATOR',
    key: 'as4Aggregator',
    flags: OPTIONAL_TRANSITIVE,
    malformed: 'attribute-discard',
    fits: exactly(8),
    decode: reader => decodeAggregator(reader, 4),
    derive: ({ aggregator }, cx) => (!cx.fourOctetAs && aggregator && aggregator.asn > 0xffff ? aggregator : undefined),
    encode: (writer, { asn, address }) => void writer.u32(asn).u32(address),
  }),
  row({
    ...list(
      12,
      reader => ({ global: reader.u32(), local1: reader.u32(), local2: reader.u32() }),
      (writer, { global, local1, local2 }) => void writer.u32(global).u32(local1).u32(local2),
    ),
    code: attributeCode.largeCommunities,
    name: 'LARGE_COMMUNITY',
    key: 'largeCommunities',
    flags: OPTIONAL_TRANSITIVE,
    malformed: 'treat-as-withdraw',
  }),
  row({
    ...u32,
    code: attributeCode.otc,
    name: 'OTC',
    key: 'otc',
    flags: OPTIONAL_TRANSITIVE,
    malformed: 'treat-as-withdraw',
  }),
];

const byCode = new Map(attributeRows.map(each => [each.code, each]));

/** Undefined for an attribute this speaker does not know. */
export function attributeRow(code: number): AttributeRow | undefined {
  return byCode.get(code);
}

function row<K extends keyof Received>(spec: RowSpec<K>): AttributeRow {
  const value = (from: PathAttributes, cx: AttributeContext): Received[K] | undefined =>
    spec.derive === undefined ? (from as Received)[spec.key] : spec.derive(from, cx);
  return {
    code: spec.code,
    name: spec.name,
    flags: spec.flags,
    malformed: spec.malformed,
    error: spec.error ?? 'optional attribute error',
    internalOnly: spec.internalOnly ?? false,
    fits: spec.fits,
    decode(bytes, at, end, into, cx) {
      const decoded = spec.decode(new Reader(bytes, at, end), cx);
      if (isMalformed(decoded)) return decoded.malformed;
      into[spec.key] = decoded as Received[K];
      return undefined;
    },
    present: (from, cx) => spec.encode !== undefined && value(from, cx) !== undefined,
    encode(writer, from, cx) {
      const found = value(from, cx);
      if (found !== undefined && found !== null) spec.encode?.(writer, found, cx);
    },
  };
}

function isMalformed(value: unknown): value is Malformed {
  return typeof value === 'object' && value !== null && 'malformed' in value;
}
