/** The table in shared memory, against a Map; what a full sync keeps and what it purges (L33-L39). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AddressTable, type OwnedRow, ROW_ON_OTHER_LINK, TableFullError } from '../../src/l2/address-table.ts';
import { IpAddress } from '../../src/net/ip.ts';

/** What `find` returns for an address that is nowhere. */
const NO_ROW = -1;

const address = (number: number): IpAddress =>
  number % 2 === 0
    ? IpAddress.of('ipv4', 0xc000_0200n + BigInt(number))
    : IpAddress.of('ipv6', (0xffffn << 32n) + 0xc000_0200n + BigInt(number - 1));
const row = (number: number, mode: OwnedRow['mode'] = 'session', link = 1): OwnedRow => ({
  link,
  address: address(number),
  mode,
});
const find = (table: AddressTable, link: number, at: IpAddress) =>
  table.find(link, at.family, IpAddress.toBytes(at), 0);

describe('AddressTable', () => {
  it('finds what is there and nothing else, whatever came and went before', () => {
    const rows = fc.uniqueArray(
      fc.record({
        number: fc.nat(30),
        link: fc.integer({ min: 1, max: 2 }),
        mode: fc.constantFrom('session', 'hold', 'listen'),
      }),
      { selector: ({ number, link }) => `${number} ${link}`, maxLength: 16 },
    );
    fc.assert(
      fc.property(fc.array(rows, { minLength: 1, maxLength: 12 }), sets => {
        const table = AddressTable.make(16);
        const reader = new AddressTable(table.memory);
        for (const set of sets) {
          table.replaceAll(set.map(({ number, mode, link }) => row(number, mode, link)));
          for (let number = 0; number <= 30; number++)
            for (const link of [1, 2, 3]) {
              const here = set.some(each => each.number === number && each.link === link);
              const elsewhere = set.some(each => each.number === number);
              const slot = find(reader, link, address(number));
              if (here) expect(slot).toBeGreaterThanOrEqual(0);
              else expect(slot).toBe(elsewhere ? ROW_ON_OTHER_LINK : NO_ROW);
            }
        }
      }),
      { numRuns: 60 },
    );
  });

  it('L33, L35: a row that is added is said to be; L39: one that was there already is not', () => {
    const table = AddressTable.make();
    expect(table.replaceAll([row(0)])).toEqual({ added: [row(0)], removed: [] });
    expect(table.replaceAll([row(0), row(1)])).toEqual({ added: [row(1)], removed: [] });
    expect(table.replaceAll([row(0), row(1)])).toEqual({ added: [], removed: [] });
  });

  it('L34, L36: a row that came and went between two syncs was never there', () => {
    const table = AddressTable.make();
    table.replaceAll([]);
    expect(find(table, 1, address(0))).toBe(NO_ROW);
  });

  it('L37, L38: what is not in the whole set is purged, and the rest untouched', () => {
    const table = AddressTable.make();
    table.replaceAll([row(0), row(2)]);
    const slot = find(table, 1, address(2));
    table.answered(slot, 'ipv4', new Uint8Array(20), 0, 4, 5);
    expect(table.replaceAll([row(2)])).toEqual({ added: [], removed: [row(0)] });
    expect(find(table, 1, address(0))).toBe(NO_ROW);
    expect(find(table, 1, address(2))).toBe(slot);
    expect(table.status()).toMatchObject([{ row: row(2), yielded: false, answers: 1, lastAsker: { atMs: 5 } }]);
  });

  it('a row that only listened is gained when it answers', () => {
    const table = AddressTable.make();
    expect(table.replaceAll([row(0, 'listen')]).added).toEqual([]);
    expect(table.replaceAll([row(0)]).added).toEqual([row(0)]);
    expect(table.replaceAll([row(0, 'hold')]).added).toEqual([]);
  });

  it('remembers who asked last', () => {
    const table = AddressTable.make();
    table.replaceAll([row(1)]);
    const frame = Uint8Array.from({ length: 22 }, (_, i) => i + 1);
    table.answered(find(table, 1, address(1)), 'ipv6', frame, 0, 16, 77);
    expect(table.status()[0]?.lastAsker).toEqual({
      address: IpAddress.fromBytes('ipv6', frame),
      mac: { value: 0x1112_1314_1516 },
      atMs: 77,
    });
    expect(table.counters()).toEqual({ answers: 1, drops: new Map() });
  });

  it('takes so many rows and says when there are more', () => {
    const table = AddressTable.make(4);
    const rows = [0, 1, 2, 3, 4].map(number => row(number));
    expect(() => table.replaceAll(rows)).toThrow(TableFullError);
    table.replaceAll(rows.slice(1));
    expect(find(table, 1, address(9))).toBe(NO_ROW);
  });

  it('remembers of each link when it carried something, and who spoke', () => {
    const table = AddressTable.make();
    const reader = new AddressTable(table.memory);
    expect(table.wire(3)).toEqual({ link: 3, heardMs: 0, speaker: undefined });
    for (const number of [4, 7]) {
      const { family } = address(number);
      reader.noteHeard(3, 100.5 + number);
      reader.noteSpeaker(3, family, new Uint8Array([0, ...IpAddress.toBytes(address(number))]), 1);
      expect(table.wire(3)).toEqual({ link: 3, heardMs: 100.5 + number, speaker: IpAddress.unmapped(address(number)) });
    }
    expect(table.wire(4)).toEqual({ link: 4, heardMs: 0, speaker: undefined });
  });

  it('both deadlines change at once for a reader', () => {
    const table = AddressTable.make();
    const reader = new AddressTable(table.memory);
    expect(reader.deadlines).toEqual({ sessionMs: 0, holdMs: 0 });
    for (let i = 1; i < 5; i++) {
      table.setDeadlines({ sessionMs: i + 0.25, holdMs: i * 2 });
      expect(reader.deadlines).toEqual({ sessionMs: i + 0.25, holdMs: i * 2 });
    }
  });
});
