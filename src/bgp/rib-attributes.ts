/**
 * The attribute sets of received, imported and own routes, in one form: attributes as on a four-octet session (RFC
 * 6793), except that NEXT_HOP holds whichever next hop the prefixes have: 4 octets, 16, or 32 with a link-local one
 * (RFC 2545 §3), wherever it came from. A scan straight over the octets takes in what is ordinary, which is nearly
 * everything, and gathers what the decision process wants into columns; whatever it does not take is for
 * attribute-check.ts to judge.
 */
import { attributeCode, FLAG_EXTENDED_LENGTH, FLAG_OPTIONAL, FLAG_PARTIAL, FLAG_TRANSITIVE } from './attribute.ts';
import { AttributeStore } from './attribute-store.ts';
import { type I32, resizedI32, resizedU16, resizedU32, type U16, type U32 } from './columns.ts';
import { wellKnownCommunities } from './community.ts';
import type { RibSelf } from './rib-view.ts';

/** Facts of a set, as bits. The lowest two are the value of ORIGIN. */
export const FACT_ORIGIN = 0x0003;
export const FACT_LOCAL_PREF = 0x0004;
/** ORIGINATOR_ID or CLUSTER_LIST. */
export const FACT_REFLECTED = 0x0008;
/** NO_EXPORT or NO_EXPORT_SUBCONFED, which is the same without confederations (RFC 1997). */
export const FACT_NO_EXPORT = 0x0010;
export const FACT_NO_ADVERTISE = 0x0020;
export const FACT_GRACEFUL_SHUTDOWN = 0x0040;
export const FACT_OTC = 0x0080;
/** An extended community that stays inside the AS (RFC 4360 §2). */
export const FACT_NON_TRANSITIVE = 0x0100;
/** ORIGINATOR_ID is our router ID; CLUSTER_LIST has our cluster ID (RFC 4456 §8). */
export const FACT_OWN_ORIGINATOR = 0x0200;
export const FACT_OWN_CLUSTER = 0x0400;
/** The AS path has our number. */
export const FACT_OWN_AS = 0x0800;
/** The decision process assumes this much where nothing is said. */
export const LOCAL_PREF_DEFAULT = 100;

export class RibAttributes {
  readonly store: AttributeStore;
  localPref: U32 = new Uint32Array(0);
  /** 0 when absent (RFC 4271 §9.1.2.2 c). */
  med: U32 = new Uint32Array(0);
  /** First AS of the path, signed; 0: none. */
  neighbor: I32 = new Int32Array(0);
  pathLength: U16 = new Uint16Array(0);
  facts: U16 = new Uint16Array(0);
  readonly #self: RibSelf;
  readonly #cluster: number;
  readonly #seen = new Uint32Array(8);
  // What the last scan found.
  #localPref = 0;
  #med = 0;
  #neighbor = 0;
  #pathLength = 0;
  #facts = 0;

  constructor(self: RibSelf) {
    this.#self = self;
    this.#cluster = self.clusterId ?? self.routerId;
    this.store = new AttributeStore(self.hashSeed ?? 0);
  }

  /** The id of a set received in this form, or 0 when it is not ordinary. A new one has no reference yet. */
  take(bytes: Uint8Array, at: number, end: number): number {
    const hash = this.store.hash(bytes, at, end);
    const found = this.store.find(bytes, at, end, hash);
    if (found !== 0) return found;
    return this.#scan(bytes, at, end) ? this.#add(bytes, at, end, hash) : 0;
  }

  /** The id of a set of which it is known that it is well formed. */
  obtain(bytes: Uint8Array, at: number, end: number): number {
    const hash = this.store.hash(bytes, at, end);
    const found = this.store.find(bytes, at, end, hash);
    if (found !== 0) return found;
    this.#scan(bytes, at, end);
    return this.#add(bytes, at, end, hash);
  }

  /** Where the value of an attribute begins in the store's octets, or -1. Its length is then in `valueLength`. */
  find(id: number, code: number): number {
    const bytes = this.store.bytes;
    let at = this.store.at(id);
    const end = at + (this.store.length[id] as number);
    while (at < end) {
      const wide = ((bytes[at] as number) & FLAG_EXTENDED_LENGTH) !== 0;
      const length = wide ? ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number) : (bytes[at + 2] as number);
      const value = at + (wide ? 4 : 3);
      if (bytes[at + 1] === code) {
        this.valueLength = length;
        return value;
      }
      at = value + length;
    }
    this.valueLength = 0;
    return -1;
  }

  valueLength = 0;

  #add(bytes: Uint8Array, at: number, end: number, hash: number): number {
    const id = this.store.add(bytes, at, end, hash);
    if (id >= this.facts.length) this.#grow(this.store.place.length);
    this.localPref[id] = this.#localPref;
    this.med[id] = this.#med;
    this.neighbor[id] = this.#neighbor;
    this.pathLength[id] = this.#pathLength;
    this.facts[id] = this.#facts;
    return id;
  }

  #grow(capacity: number): void {
    this.localPref = resizedU32(this.localPref, capacity);
    this.med = resizedU32(this.med, capacity);
    this.neighbor = resizedI32(this.neighbor, capacity);
    this.pathLength = resizedU16(this.pathLength, capacity);
    this.facts = resizedU16(this.facts, capacity);
  }

  /** Gathers the facts. False when anything is not as an ordinary set from a peer is. */
  #scan(bytes: Uint8Array, at: number, end: number): boolean {
    this.#seen.fill(0);
    this.#localPref = LOCAL_PREF_DEFAULT;
    this.#med = this.#neighbor = this.#pathLength = this.#facts = 0;
    let ordinary = true;
    while (at < end) {
      const flags = bytes[at] as number;
      const wide = (flags & FLAG_EXTENDED_LENGTH) !== 0;
      if (end - at < (wide ? 4 : 3)) return false;
      const code = bytes[at + 1] as number;
      const length = wide ? ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number) : (bytes[at + 2] as number);
      const value = at + (wide ? 4 : 3);
      if (length > end - value) return false;
      const bit = 1 << (code & 31);
      const seen = this.#seen[code >>> 5] as number;
      this.#seen[code >>> 5] = seen | bit;
      if ((seen & bit) !== 0 || (flags & 0x0f) !== 0) ordinary = false;
      if (!this.#one(bytes, flags & 0xe0, code, value, length)) ordinary = false;
      at = value + length;
    }
    const mandatory = (1 << attributeCode.origin) | (1 << attributeCode.asPath) | (1 << attributeCode.nextHop);
    return ordinary && ((this.#seen[0] as number) & mandatory) === mandatory;
  }

  /** Flags, length and value of one attribute, after attribute-table.ts, where each one's section is named. */
  #one(bytes: Uint8Array, flags: number, code: number, at: number, length: number): boolean {
    switch (code) {
      case attributeCode.origin:
        this.#facts |= (bytes[at] as number) & FACT_ORIGIN;
        return flags === FLAG_TRANSITIVE && length === 1 && (bytes[at] as number) <= 2;
      case attributeCode.asPath:
        return this.#asPath(bytes, at, at + length) && flags === FLAG_TRANSITIVE;
      case attributeCode.nextHop:
        return flags === FLAG_TRANSITIVE && ordinaryNextHop(bytes, at, length);
      case attributeCode.med:
        this.#med = word(bytes, at) >>> 0;
        return flags === FLAG_OPTIONAL && length === 4;
      case attributeCode.localPref:
        this.#facts |= FACT_LOCAL_PREF;
        this.#localPref = word(bytes, at) >>> 0;
        return flags === FLAG_TRANSITIVE && length === 4;
      case attributeCode.atomicAggregate:
        return flags === FLAG_TRANSITIVE && length === 0;
      case attributeCode.aggregator:
        return passedOn(flags) && length === 8 && word(bytes, at) !== 0;
      case attributeCode.communities:
        return this.#communities(bytes, at, length) && passedOn(flags);
      case attributeCode.originatorId:
      case attributeCode.clusterList:
        return this.#reflection(bytes, code, at, length) && flags === FLAG_OPTIONAL;
      case attributeCode.extendedCommunities:
        for (let i = at; i < at + length; i += 8)
          if (((bytes[i] as number) & 0x40) !== 0) this.#facts |= FACT_NON_TRANSITIVE;
        return passedOn(flags) && length > 0 && length % 8 === 0;
      case attributeCode.largeCommunities:
        return passedOn(flags) && length > 0 && length % 12 === 0;
      case attributeCode.otc:
        this.#facts |= FACT_OTC;
        return passedOn(flags) && length === 4;
      case attributeCode.mpReach:
      case attributeCode.mpUnreach:
      case attributeCode.as4Path:
      case attributeCode.as4Aggregator:
        return false;
      default:
        // Unknown: passed on, and by now it is partial (RFC 4271 §5).
        return flags === (FLAG_OPTIONAL | FLAG_TRANSITIVE | FLAG_PARTIAL);
    }
  }

  #asPath(bytes: Uint8Array, at: number, end: number): boolean {
    const own = this.#self.asn | 0;
    const begin = at;
    let length = 0;
    while (at < end) {
      const type = bytes[at] as number;
      const count = bytes[at + 1] as number;
      if (end - at < 2 || (type !== 1 && type !== 2) || count === 0 || end - at - 2 < count * 4) return false;
      length += type === 1 ? 1 : count;
      if (at === begin && type === 2) this.#neighbor = word(bytes, at + 2);
      at += 2;
      for (const after = at + count * 4; at < after; at += 4) {
        const asn = word(bytes, at);
        if (asn === 0) return false;
        if (asn === own) this.#facts |= FACT_OWN_AS;
      }
    }
    this.#pathLength = length;
    return true;
  }

  #communities(bytes: Uint8Array, at: number, length: number): boolean {
    for (const end = at + length; at < end; at += 4) {
      if (bytes[at] !== 0xff || bytes[at + 1] !== 0xff) continue;
      const community = word(bytes, at) >>> 0;
      if (community === wellKnownCommunities['no-export']) this.#facts |= FACT_NO_EXPORT;
      else if (community === wellKnownCommunities['no-export-subconfed']) this.#facts |= FACT_NO_EXPORT;
      else if (community === wellKnownCommunities['no-advertise']) this.#facts |= FACT_NO_ADVERTISE;
      else if (community === wellKnownCommunities['graceful-shutdown']) this.#facts |= FACT_GRACEFUL_SHUTDOWN;
    }
    return length > 0 && length % 4 === 0;
  }

  #reflection(bytes: Uint8Array, code: number, at: number, length: number): boolean {
    this.#facts |= FACT_REFLECTED;
    const originator = code === attributeCode.originatorId;
    const own = (originator ? this.#self.routerId : this.#cluster) | 0;
    for (let i = at; i + 4 <= at + length; i += 4)
      if (word(bytes, i) === own) this.#facts |= originator ? FACT_OWN_ORIGINATOR : FACT_OWN_CLUSTER;
    return originator ? length === 4 : length > 0 && length % 4 === 0;
  }
}

/** Four octets as a signed number. */
export function word(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at] as number) << 24) | ((bytes[at + 1] as number) << 16);
  return high | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number);
}

/** Optional and transitive, partial or not. */
function passedOn(flags: number): boolean {
  return (flags & ~FLAG_PARTIAL) === (FLAG_OPTIONAL | FLAG_TRANSITIVE);
}

/** Plainly an address of a host; the rest is left to next-hop.ts. */
function ordinaryNextHop(bytes: Uint8Array, at: number, length: number): boolean {
  const first = bytes[at] as number;
  if (length === 4) return first !== 0 && first !== 127 && first < 224;
  if (length !== 16 && length !== 32) return false;
  if (length === 32 && (bytes[at + 16] !== 0xfe || ((bytes[at + 17] as number) & 0xc0) !== 0x80)) return false;
  return first !== 0 && first !== 0xff;
}
