/**
 * An attribute set on its way out, octets to octets: what changes between sessions without anybody's policy. AS_PATH
 * RFC 4271 §5.1.2, NEXT_HOP §5.1.3, MED §5.1.4, LOCAL_PREF §5.1.5; ORIGINATOR_ID and CLUSTER_LIST RFC 4456 §8;
 * extended communities RFC 4360 §6; OTC RFC 9234 §5; GRACEFUL_SHUTDOWN RFC 8326. New attributes go where their number
 * puts them.
 */
import { attributeCode, FLAG_EXTENDED_LENGTH, FLAG_OPTIONAL, FLAG_TRANSITIVE } from './attribute.ts';

export interface Rewrite {
  /** Put in front of the AS path; 0: nothing. */
  prepend: number;
  /** Taken off the front of the AS path as often as it stands there; 0: nothing. */
  strip: number;
  /** The NEXT_HOP attribute; undefined: none, the next hop goes elsewhere. */
  nextHop: Uint8Array | undefined;
  localPref: number | 'drop' | 'keep';
  dropMed: boolean;
  /** Drop ORIGINATOR_ID and CLUSTER_LIST. */
  dropReflection: boolean;
  /** Added when there is none; undefined: not added. */
  originatorId: number | undefined;
  /** Put in front of the cluster list; undefined: not. */
  clusterId: number | undefined;
  dropNonTransitive: boolean;
  /** Added to the communities; undefined: not. */
  community: number | undefined;
  /** Added; there is none yet. */
  otc: number | undefined;
}

export class Rewriter {
  /** What the last `run` wrote. */
  readonly out = new Uint8Array(2 * 65_536);
  #to = 0;
  /** Code of the next attribute to be added, in order; those below have been dealt with. */
  #added = 0;

  /** Rewrites the set in `bytes` from `at` to `end` into `out` from `to` on; returns the end. */
  run(how: Rewrite, bytes: Uint8Array, at: number, end: number, to: number): number {
    this.#to = to;
    this.#added = 0;
    const merged = mergedAttributes(how, bytes, at, end);
    while (at < end) {
      const flags = bytes[at] as number;
      const code = bytes[at + 1] as number;
      const wide = (flags & FLAG_EXTENDED_LENGTH) !== 0;
      const length = wide ? ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number) : (bytes[at + 2] as number);
      const value = at + (wide ? 4 : 3);
      if (code > this.#added) this.#addUpTo(how, merged, code);
      this.#one(how, bytes, at, value, value + length, flags, code);
      at = value + length;
    }
    this.#addUpTo(how, merged, 256);
    return this.#to;
  }

  #one(how: Rewrite, bytes: Uint8Array, at: number, value: number, end: number, flags: number, code: number): void {
    switch (code) {
      case attributeCode.asPath:
        if (how.prepend !== 0 || how.strip !== 0) this.#asPath(how, bytes, value, end, flags);
        else this.#copy(bytes, at, end);
        return;
      case attributeCode.nextHop:
        return;
      case attributeCode.med:
        if (!how.dropMed) this.#copy(bytes, at, end);
        return;
      case attributeCode.localPref:
        if (how.localPref === 'keep') this.#copy(bytes, at, end);
        return;
      case attributeCode.communities:
        if (how.community === undefined) this.#copy(bytes, at, end);
        else this.#withFirst(flags, code, how.community, bytes, value, end);
        return;
      case attributeCode.originatorId:
        if (!how.dropReflection) this.#copy(bytes, at, end);
        return;
      case attributeCode.clusterList:
        if (how.dropReflection) return;
        if (how.clusterId === undefined) this.#copy(bytes, at, end);
        else this.#withFirst(flags, code, how.clusterId, bytes, value, end);
        return;
      case attributeCode.extendedCommunities:
        if (how.dropNonTransitive) this.#transitive(bytes, value, end, flags);
        else this.#copy(bytes, at, end);
        return;
      default:
        this.#copy(bytes, at, end);
    }
  }

  #copy(bytes: Uint8Array, at: number, end: number): void {
    const out = this.out;
    let to = this.#to;
    while (at < end) out[to++] = bytes[at++] as number;
    this.#to = to;
  }

  #word(value: number): void {
    const { out } = this;
    const to = this.#to;
    out[to] = value >>> 24;
    out[to + 1] = value >>> 16;
    out[to + 2] = value >>> 8;
    out[to + 3] = value;
    this.#to = to + 4;
  }

  #header(flags: number, code: number, length: number): void {
    const { out } = this;
    const wide = length > 255;
    out[this.#to++] = wide ? flags | FLAG_EXTENDED_LENGTH : flags & ~FLAG_EXTENDED_LENGTH;
    out[this.#to++] = code;
    if (wide) out[this.#to++] = length >>> 8;
    out[this.#to++] = length;
  }

  #asPath(how: Rewrite, bytes: Uint8Array, at: number, end: number, flags: number): void {
    let count = 0;
    const sequence = at < end && bytes[at] === 2;
    if (sequence) count = bytes[at + 1] as number;
    let skipped = 0;
    if (how.strip !== 0) while (skipped < count && wordAt(bytes, at + 2 + skipped * 4) === (how.strip | 0)) skipped++;
    const segmentEnd = sequence ? at + 2 + count * 4 : at;
    const kept = count - skipped;
    const joins = how.prepend !== 0 && kept > 0 && kept < 255;
    const head = kept + (joins ? 1 : 0);
    const octets = (head > 0 ? 2 + head * 4 : 0) + (how.prepend !== 0 && !joins ? 6 : 0) + (end - segmentEnd);
    this.#header(flags, attributeCode.asPath, octets);
    if (how.prepend !== 0 && !joins) {
      this.out[this.#to++] = 2;
      this.out[this.#to++] = 1;
      this.#word(how.prepend);
    }
    if (head > 0) {
      this.out[this.#to++] = 2;
      this.out[this.#to++] = head;
      if (joins) this.#word(how.prepend);
      this.#copy(bytes, at + 2 + skipped * 4, segmentEnd);
    }
    this.#copy(bytes, segmentEnd, end);
  }

  #withFirst(flags: number, code: number, first: number, bytes: Uint8Array, at: number, end: number): void {
    this.#header(flags, code, end - at + 4);
    this.#word(first);
    this.#copy(bytes, at, end);
  }

  #transitive(bytes: Uint8Array, at: number, end: number, flags: number): void {
    let kept = 0;
    for (let i = at; i < end; i += 8) if (((bytes[i] as number) & 0x40) === 0) kept++;
    if (kept === 0) return;
    this.#header(flags, attributeCode.extendedCommunities, kept * 8);
    for (let i = at; i < end; i += 8) if (((bytes[i] as number) & 0x40) === 0) this.#copy(bytes, i, i + 8);
  }

  /** Adds what has a number below `code` and has not been added yet. */
  #addUpTo(how: Rewrite, merged: number, code: number): void {
    const from = this.#added;
    this.#added = code;
    const due = (number: number) => number >= from && number < code;
    if (how.nextHop !== undefined && due(attributeCode.nextHop)) {
      this.#header(FLAG_TRANSITIVE, attributeCode.nextHop, how.nextHop.length);
      this.#copy(how.nextHop, 0, how.nextHop.length);
    }
    if (typeof how.localPref === 'number' && due(attributeCode.localPref))
      this.#addWord(FLAG_TRANSITIVE, attributeCode.localPref, how.localPref);
    if (how.community !== undefined && (merged & MERGED_COMMUNITIES) === 0 && due(attributeCode.communities))
      this.#addWord(FLAG_OPTIONAL | FLAG_TRANSITIVE, attributeCode.communities, how.community);
    if (how.originatorId !== undefined && (merged & MERGED_ORIGINATOR) === 0 && due(attributeCode.originatorId))
      this.#addWord(FLAG_OPTIONAL, attributeCode.originatorId, how.originatorId);
    if (how.clusterId !== undefined && (merged & MERGED_CLUSTER) === 0 && due(attributeCode.clusterList))
      this.#addWord(FLAG_OPTIONAL, attributeCode.clusterList, how.clusterId);
    if (how.otc !== undefined && due(attributeCode.otc))
      this.#addWord(FLAG_OPTIONAL | FLAG_TRANSITIVE, attributeCode.otc, how.otc);
  }

  #addWord(flags: number, code: number, value: number): void {
    this.#header(flags, code, 4);
    this.#word(value);
  }
}

const MERGED_COMMUNITIES = 1;
const MERGED_ORIGINATOR = 2;
const MERGED_CLUSTER = 4;

/** Which of the attributes that would be added are there already. Looked for only when something would be. */
function mergedAttributes(how: Rewrite, bytes: Uint8Array, at: number, end: number): number {
  if (how.community === undefined && how.originatorId === undefined && how.clusterId === undefined) return 0;
  let found = 0;
  while (at < end) {
    const wide = ((bytes[at] as number) & FLAG_EXTENDED_LENGTH) !== 0;
    const code = bytes[at + 1] as number;
    if (code === attributeCode.communities) found |= MERGED_COMMUNITIES;
    else if (code === attributeCode.originatorId) found |= MERGED_ORIGINATOR;
    else if (code === attributeCode.clusterList) found |= MERGED_CLUSTER;
    at += wide ? 4 + ((bytes[at + 2] as number) << 8) + (bytes[at + 3] as number) : 3 + (bytes[at + 2] as number);
  }
  return found;
}

function wordAt(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at] as number) << 24) | ((bytes[at + 1] as number) << 16);
  return high | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number);
}
