/**
 * AS_PATH (RFC 4271 §4.3, §5.1.2) with two- and four-octet numbers (RFC 6793), merging AS4_PATH (§4.2.3), AS zero
 * (RFC 7607). Confederation segments (RFC 5065) are read only to be refused: this speaker is in no confederation.
 */
import type { Reader, Writer } from '../net/bytes.ts';

export interface AsSegment {
  readonly type: 'set' | 'sequence';
  readonly asns: readonly number[];
}

export type AsPath = readonly AsSegment[];

/** Stands in for a number that two octets cannot hold (RFC 6793 §9). */
export const AS_TRANS = 23456;

const AS_SET = 1;
const AS_SEQUENCE = 2;
/** A segment's length is one octet. */
const SEGMENT_MAX = 255;

/** Why a path cannot be read (RFC 7606 §7.2, RFC 5065 §5, RFC 7607 §2). */
export type AsPathFault = 'value' | 'AS zero';

export const AsPath = {
  empty: [] as AsPath,

  /** A path that is one sequence. */
  of(...asns: readonly number[]): AsPath {
    return AsPath.prepend([], asns);
  },

  /** Reads all that is left. */
  decode(reader: Reader, octets: 2 | 4): AsPath | AsPathFault {
    const path: AsSegment[] = [];
    while (reader.remaining > 0) {
      if (reader.remaining < 2) return 'value';
      const type = reader.u8();
      const count = reader.u8();
      if ((type !== AS_SET && type !== AS_SEQUENCE) || count === 0 || reader.remaining < count * octets) return 'value';
      const asns: number[] = [];
      for (let i = 0; i < count; i++) asns.push(octets === 2 ? reader.u16() : reader.u32());
      if (asns.includes(0)) return 'AS zero';
      path.push({ type: type === AS_SET ? 'set' : 'sequence', asns });
    }
    return path;
  },

  /** Segments longer than 255 are written as several. */
  encode(writer: Writer, path: AsPath, octets: 2 | 4): void {
    for (const { type, asns } of path)
      for (let at = 0; at < asns.length; at += SEGMENT_MAX) {
        const part = asns.slice(at, at + SEGMENT_MAX);
        writer.u8(type === 'set' ? AS_SET : AS_SEQUENCE).u8(part.length);
        for (const asn of part) {
          if (octets === 4) writer.u32(asn);
          else writer.u16(asn > 0xffff ? AS_TRANS : asn);
        }
      }
  },

  /** Whether two octets lose something, so that AS4_PATH has to go along (RFC 6793 §4.2.2). */
  needsFourOctets(path: AsPath): boolean {
    return path.some(segment => segment.asns.some(asn => asn > 0xffff));
  },

  /** Length for route selection: a set counts as one (RFC 4271 §9.1.2.2 a). */
  length(path: AsPath): number {
    return path.reduce((sum, { type, asns }) => sum + (type === 'set' ? 1 : asns.length), 0);
  },

  /** Undefined when the path is empty or begins with a set. */
  first(path: AsPath): number | undefined {
    const segment = path[0];
    return segment?.type === 'sequence' ? segment.asns[0] : undefined;
  },

  /** Undefined when the path is empty or ends with a set. */
  origin(path: AsPath): number | undefined {
    const segment = path.at(-1);
    return segment?.type === 'sequence' ? segment.asns.at(-1) : undefined;
  },

  count(path: AsPath, asn: number): number {
    return path.reduce((sum, segment) => sum + segment.asns.filter(each => each === asn).length, 0);
  },

  /** Puts `asns` in front, in the order they are written. */
  prepend(path: AsPath, asns: readonly number[]): AsPath {
    if (asns.length === 0) return path;
    const [head, ...tail] = path;
    if (head?.type !== 'sequence') return [{ type: 'sequence', asns }, ...path];
    return [{ type: 'sequence', asns: [...asns, ...head.asns] }, ...tail];
  },

  /**
   * RFC 6793 §4.2.3: the two-octet path with its tail replaced by AS4_PATH. When that one is longer it is ignored,
   * since something on the way did not understand it.
   */
  merge(path: AsPath, as4: AsPath): AsPath {
    const surplus = AsPath.length(path) - AsPath.length(as4);
    if (surplus < 0) return path;
    const [head, ...tail] = as4;
    const lead = take(path, surplus);
    const last = lead.at(-1);
    if (last?.type !== 'sequence' || head?.type !== 'sequence') return [...lead, ...as4];
    return [...lead.slice(0, -1), { type: 'sequence', asns: [...last.asns, ...head.asns] }, ...tail];
  },

  /** `65000 65001 {65002,65003}`. */
  format(path: AsPath): string {
    return path.map(({ type, asns }) => (type === 'set' ? `{${asns.join(',')}}` : asns.join(' '))).join(' ');
  },
};

/** The leading segments that count for `length` in all. */
function take(path: AsPath, length: number): AsSegment[] {
  const out: AsSegment[] = [];
  for (const segment of path) {
    if (length <= 0) break;
    const asns = segment.type === 'set' ? segment.asns : segment.asns.slice(0, length);
    out.push({ type: segment.type, asns });
    length -= segment.type === 'set' ? 1 : asns.length;
  }
  return out;
}
