/**
 * What the benchmark's peers say: UPDATEs of a table that looks like the Internet's, or of many /32s that share one
 * attribute set, built whole before anything is sent. The same every time.
 */

export interface LoadSpec {
  readonly kind: 'full-table' | 'hosts';
  readonly prefixes: number;
  /** The AS that says it (four octets), and the next hop. */
  readonly asn: number;
  readonly nextHop: number;
}

const MESSAGE_MAX = 4096;
const HEADER = 19;
/** First octets that daemons refuse or treat specially. */
const SPECIAL = new Set([0, 10, 127, 169, 172, 192, 198, 203]);

/** A number for each prefix of every load, below 2^24: network addresses are distinct, and /32s are within one /8. */
export function prefixKey(address: number, length: number): number {
  return length === 32 ? address & 0xffffff : address >>> 8;
}

/** Whole messages, ready for the socket. */
export function buildLoad(spec: LoadSpec): Uint8Array {
  return spec.kind === 'full-table' ? fullTable(spec) : hosts(spec);
}

/** One UPDATE that announces (with attributes) or withdraws one prefix. */
export function oneUpdate(spec: LoadSpec, address: number, length: number, withdraw: boolean): Uint8Array {
  const out = new Writer(128);
  const message = out.begin(withdraw ? [[address, length]] : []);
  if (!withdraw) {
    attributes(out, spec, { path: [spec.asn], communities: [], med: undefined });
    out.prefix(address, length);
  } else out.word16(0);
  out.end(message);
  return out.bytes.slice(0, out.at);
}

/** The /32s that a daemon announces by itself, `count` of them. */
export function hostAddress(i: number): number {
  return ((20 << 24) | i) >>> 0;
}

interface Attributes {
  readonly path: readonly number[];
  readonly communities: readonly number[];
  readonly med: number | undefined;
}

class Writer {
  bytes: Uint8Array;
  at = 0;
  constructor(size: number) {
    this.bytes = new Uint8Array(size);
  }
  octets(...values: readonly number[]): void {
    for (const value of values) this.bytes[this.at++] = value;
  }
  word16(value: number): void {
    this.octets(value >>> 8, value & 255);
  }
  word32(value: number): void {
    this.octets(value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);
  }
  prefix(address: number, length: number): void {
    this.octets(length);
    for (let i = 0; i < length; i += 8) this.octets((address >>> (24 - i)) & 255);
  }
  /** An UPDATE's header and withdrawn routes; `end` fills in the length (RFC 4271 §4.3). */
  begin(withdrawn: readonly (readonly [address: number, length: number])[]): number {
    const start = this.at;
    this.bytes.fill(255, start, start + 16);
    this.at += 18;
    this.octets(2);
    const lengthAt = this.at;
    this.word16(0);
    for (const [address, length] of withdrawn) this.prefix(address, length);
    this.#patch(lengthAt, this.at - lengthAt - 2);
    return start;
  }
  end(start: number): void {
    this.#patch(start + 16, this.at - start);
  }
  /** Runs `write` behind two octets of length. */
  counted(write: () => void): void {
    const lengthAt = this.at;
    this.word16(0);
    write();
    this.#patch(lengthAt, this.at - lengthAt - 2);
  }
  #patch(at: number, value: number): void {
    this.bytes[at] = value >>> 8;
    this.bytes[at + 1] = value & 255;
  }
}

function attributes(out: Writer, spec: LoadSpec, { path, communities, med }: Attributes): void {
  out.counted(() => {
    out.octets(0x40, 1, 1, 0);
    out.octets(0x40, 2, 2 + 4 * path.length, 2, path.length);
    for (const asn of path) out.word32(asn);
    out.octets(0x40, 3, 4);
    out.word32(spec.nextHop);
    if (med !== undefined) {
      out.octets(0x80, 4, 4);
      out.word32(med);
    }
    if (communities.length > 0) {
      out.octets(0xc0, 8, 4 * communities.length);
      for (const each of communities) out.word32(each);
    }
  });
}

/** Twenty prefixes in each /16, most of them /24; one attribute set for 3 to 11 of them; sets in random order. */
function fullTable(spec: LoadSpec): Uint8Array {
  const rnd = random(42);
  const pick = (from: number, to: number) => from + Math.floor(rnd() * (to - from + 1));
  const addresses = new Uint32Array(spec.prefixes);
  const lengths = new Uint8Array(spec.prefixes);
  let made = 0;
  for (let block = 1 << 8; made < spec.prefixes; block++) {
    if (SPECIAL.has(block >>> 8)) continue;
    if (block >>> 8 > 222) throw new RangeError(`${spec.prefixes} prefixes are too many`);
    const seen = new Set<number>();
    while (seen.size < 20 && made < spec.prefixes) {
      const length = rnd() < 0.6 ? 24 : pick(17, 23);
      const third = pick(0, 255) & (0xff << (24 - length)) & 255;
      if (seen.has(third)) continue;
      seen.add(third);
      addresses[made] = (block << 16) | (third << 8);
      lengths[made++] = length;
    }
  }
  const sets: [from: number, to: number][] = [];
  for (let from = 0; from < made; ) {
    const to = Math.min(made, from + pick(3, 11));
    sets.push([from, to]);
    from = to;
  }
  for (let i = sets.length - 1; i > 0; i--) {
    const j = pick(0, i);
    [sets[i], sets[j]] = [sets[j] as [number, number], sets[i] as [number, number]];
  }
  const out = new Writer(spec.prefixes * 40 + MESSAGE_MAX);
  for (const [from, to] of sets) {
    const message = out.begin([]);
    attributes(out, spec, {
      // None of them a daemon's own, which it would refuse as a loop.
      path: [spec.asn, ...Array.from({ length: pick(2, 5) }, () => pick(131_072, 399_999))],
      communities: rnd() < 0.4 ? [] : Array.from({ length: pick(1, 10) }, () => pick(1 << 16, 2 ** 32 - 1)),
      med: rnd() < 0.3 ? pick(0, 1000) : undefined,
    });
    for (let i = from; i < to; i++) out.prefix(addresses[i] as number, lengths[i] as number);
    out.end(message);
  }
  return out.bytes.slice(0, out.at);
}

/** As many /32s to a message as it holds. */
function hosts(spec: LoadSpec): Uint8Array {
  const out = new Writer(spec.prefixes * 6 + MESSAGE_MAX);
  const perMessage = Math.floor((MESSAGE_MAX - HEADER - 64) / 5);
  for (let i = 0; i < spec.prefixes; i += perMessage) {
    const message = out.begin([]);
    attributes(out, spec, { path: [spec.asn], communities: [], med: undefined });
    for (let j = i; j < Math.min(spec.prefixes, i + perMessage); j++) out.prefix(hostAddress(j), 32);
    out.end(message);
  }
  return out.bytes.slice(0, out.at);
}

function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
