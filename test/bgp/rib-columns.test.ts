/** What the RIB is built from: rows, change log, interned sets, caches, prefixes on the wire (RFC 4271 §4.3). */
import { describe, expect, it } from 'vitest';
import { AttributeStore } from '../../src/bgp/attribute-store.ts';
import { Bits } from '../../src/bgp/columns.ts';
import { isNlri, nlriOctets, nlriWord, writeNlri } from '../../src/bgp/nlri.ts';
import { SetCache } from '../../src/bgp/rib-cache.ts';
import { RibLog } from '../../src/bgp/rib-log.ts';
import { RibRows } from '../../src/bgp/rib-rows.ts';

function generator(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return below => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
    return Math.floor((((state ^ (state >>> 13)) >>> 0) / 2 ** 32) * below);
  };
}

describe('RibRows', () => {
  for (const words of [1, 4] as const)
    it(`${words} words: finds what is there and nothing else, through growth, removal and reuse`, () => {
      const rows = new RibRows(words, 5);
      const pick = generator(words);
      const model = new Map<string, number>();
      const key = () =>
        [pick(3000) << 8, words === 4 ? pick(2) : 0, 0, words === 4 ? -pick(2) : 0, 24 + pick(2)] as const;
      for (let round = 0; round < 60_000; round++) {
        const [w0, w1, w2, w3, length] = key();
        const text = [w0, w1, w2, w3, length].join();
        const known = model.get(text);
        expect(rows.find(w0, w1, w2, w3, length)).toBe(known ?? -1);
        const adds = round < 30_000 ? pick(10) < 7 : pick(10) < 2;
        if (adds) {
          const row = rows.obtain(w0, w1, w2, w3, length);
          if (known !== undefined) expect(row).toBe(known);
          model.set(text, row);
        } else if (known !== undefined) {
          rows.free(known);
          model.delete(text);
        }
        expect(rows.size).toBe(model.size);
      }
      expect(new Set(model.values()).size).toBe(model.size);
      for (const row of model.values()) rows.free(row);
      expect([rows.size, rows.top, rows.key.length]).toEqual([0, 0, 0]);
    });

  it('keys that all hash alike are still told apart', () => {
    const rows = new RibRows(1, 0);
    // Multiples of 2^31 differ in one bit only, so chains are long.
    const lengths = Array.from({ length: 33 }, (_, i) => i);
    const all = lengths.flatMap(length => [0, 1 << 31].map(w0 => ({ w0, length })));
    const at = all.map(({ w0, length }) => rows.obtain(w0, 0, 0, 0, length));
    expect(new Set(at).size).toBe(all.length);
    expect(all.map(({ w0, length }) => rows.find(w0, 0, 0, 0, length))).toEqual(at);
  });
});

describe('RibLog', () => {
  const filled = (count: number) => {
    const rows = new RibRows(1, 0);
    for (let i = 0; i < count; i++) {
      const row = rows.obtain(i, 0, 0, 0, 32);
      rows.head[row] = 1;
    }
    return { rows, log: new RibLog(rows, row => rows.free(row)) };
  };

  it('without readers nothing is kept, and a row without paths is gone at once', () => {
    const { rows, log } = filled(2);
    log.append(0);
    expect(log.end).toBe(0);
    rows.head[1] = 0;
    log.append(1);
    expect(rows.size).toBe(1);
  });

  it('a row that changes again counts at its newest place only', () => {
    const { log } = filled(3);
    const reader = { cursor: 0 };
    log.join(reader);
    for (const row of [0, 1, 0, 2]) log.append(row);
    expect([0, 1, 2, 3].map(position => log.at(position))).toEqual([-1, 1, 0, 2]);
    expect([log.changedSince(1, 2), log.changedSince(0, 2)]).toEqual([false, true]);
  });

  it('rows without paths are freed when the slowest reader has passed them', () => {
    const { rows, log } = filled(10_000);
    const [fast, slow] = [{ cursor: 0 }, { cursor: 0 }];
    log.join(fast);
    log.join(slow);
    for (let row = 0; row < 10_000; row++) {
      rows.head[row] = 0;
      log.append(row);
    }
    fast.cursor = log.end;
    log.trim();
    expect(rows.size).toBe(10_000);
    slow.cursor = 5000;
    log.trim();
    expect(rows.size).toBe(10_000 - 4096);
    log.leave(slow);
    expect(rows.size).toBeLessThan(4096);
    log.leave(fast);
    expect(rows.size).toBe(0);
  });

  it('for a reader that stands still the log is written anew, and nobody misses anything', () => {
    const { rows, log } = filled(100);
    const pick = generator(3);
    const [still, late] = [{ cursor: 0 }, { cursor: 0 }];
    log.join(still);
    for (let i = 0; i < 200_000; i++) {
      log.append(pick(100));
      if (i === 150_000) log.join(late);
    }
    const rest = (reader: { cursor: number }) => {
      const seen = new Set<number>();
      for (; reader.cursor < log.end; reader.cursor++) {
        const row = log.at(reader.cursor);
        if (row >= 0) seen.add(row);
      }
      return seen;
    };
    expect(log.end - still.cursor).toBeLessThan(70_000);
    expect(rest(still).size).toBe(100);
    expect(rest(late).size).toBe(100);
    expect(rows.size).toBe(100);
  });
});

describe('AttributeStore', () => {
  it('equal octets have one id, and what nobody holds is used again', () => {
    const store = new AttributeStore(1);
    const pick = generator(9);
    const held = new Map<string, { id: number; count: number }>();
    for (let round = 0; round < 40_000; round++) {
      const bytes = Uint8Array.from({ length: 1 + pick(20) }, () => pick(3));
      const text = bytes.join();
      const known = held.get(text);
      const id = store.obtain(bytes, 0, bytes.length);
      if (known !== undefined) expect(id).toBe(known.id);
      expect(store.copy(id)).toEqual(bytes);
      if (known !== undefined && pick(3) > 0) {
        store.release(id);
        if (--known.count === 0) held.delete(text);
      } else {
        store.retain(id);
        held.set(text, { id, count: (known?.count ?? 0) + 1 });
      }
    }
    expect(store.size).toBe(held.size);
    for (const { id, count } of held.values()) for (let i = 0; i < count; i++) store.release(id);
    expect([store.size, store.bytes.length]).toEqual([0, 0]);
  });

  it('a set of 65,535 octets fits, a longer one is our mistake', () => {
    const store = new AttributeStore(1);
    const id = store.obtain(new Uint8Array(65_536), 0, 65_535);
    expect(store.length[id]).toBe(65_535);
    expect(() => store.obtain(new Uint8Array(65_536), 0, 65_536)).toThrow(RangeError);
  });
});

describe('SetCache', () => {
  it('holds what it remembers, and lets go of what is driven out', () => {
    const store = new AttributeStore(1);
    const cache = new SetCache(store, store, 4);
    const ids = Array.from({ length: 40 }, (_, i) => store.obtain(Uint8Array.of(i), 0, 1));
    for (const id of ids) cache.put(id, 0, 0, id, 7);
    expect(store.size).toBeLessThanOrEqual(4);
    const last = ids.at(-1) as number;
    expect([cache.find(last, 0, 0), cache.value, cache.note, cache.find(last, 1, 0)]).toEqual([true, last, 7, false]);
    cache.clear();
    expect(cache.find(last, 0, 0)).toBe(false);
  });
});

describe('Bits', () => {
  it('counts members once', () => {
    const bits = new Bits();
    for (const index of [0, 31, 32, 5000, 31]) bits.add(index);
    bits.remove(32);
    bits.remove(77_777);
    expect([bits.size, bits.has(31), bits.has(32), bits.has(5000), bits.has(99_999)]).toEqual([
      3,
      true,
      false,
      true,
      false,
    ]);
  });
});

describe('NLRI', () => {
  const cases: [octets: number[], bits: number, sound: boolean][] = [
    [[], 32, true],
    [[0], 32, true],
    [[24, 192, 0, 2], 32, true],
    [[32, 1, 2, 3, 4, 8, 10], 32, true],
    [[33, 1, 2, 3, 4, 5], 32, false],
    [[24, 192, 0], 32, false],
    [[128, ...Array.from({ length: 16 }, () => 1)], 128, true],
    [[129, ...Array.from({ length: 17 }, () => 1)], 128, false],
  ];
  for (const [octets, bits, sound] of cases)
    it(`[${octets.slice(0, 6).join(' ')}] is ${sound ? '' : 'not '}a field of prefixes up to ${bits} bits`, () => {
      expect(isNlri(Uint8Array.from(octets), 0, octets.length, bits)).toBe(sound);
    });

  it('every length: bits past it are zero, and what is written reads the same', () => {
    for (let length = 0; length <= 128; length++) {
      const octets = Uint8Array.from({ length: 17 }, (_, i) => (i === 0 ? length : 0xff));
      const words = [0, 4, 8, 12].map(index => nlriWord(octets, 0, length, index));
      const ones = words.map(word => (word >>> 0).toString(2).padStart(32, '0')).join('');
      expect(ones).toBe('1'.repeat(length).padEnd(128, '0'));
      const rows = new RibRows(4, 0);
      const row = rows.obtain(words[0] ?? 0, words[1] ?? 0, words[2] ?? 0, words[3] ?? 0, length);
      const out = new Uint8Array(17);
      expect(writeNlri(rows, row, out, 0)).toBe(nlriOctets(length));
      expect([0, 4, 8, 12].map(index => nlriWord(out, 0, length, index))).toEqual(words);
    }
  });
});
