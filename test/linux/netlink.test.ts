/** Netlink messages as bytes (linux/netlink.h), and the table of routes behind the kernel's: no kernel needed. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatKey, packRoute, RECORD, unpackRoutes } from '../../src/linux/kernel-routes-message.ts';
import { RouteTable } from '../../src/linux/kernel-routes-table.ts';
import { Attributes, NetlinkMessage, NetlinkWriter, NLM_F_CREATE, NLM_F_EXCL } from '../../src/linux/netlink.ts';
import { decodeAddress, decodeDefaultRoutes, decodeLink } from '../../src/linux/rtnetlink.ts';
import { HostTable } from '../../src/linux/rtnetlink-host.ts';
import {
  decodeNextHop,
  decodeRoute,
  type RouteKey,
  writeGroup,
  writeHop,
  writeRoute,
} from '../../src/linux/rtnetlink-routes.ts';
import { decodeRule, writeRule } from '../../src/linux/rtnetlink-rules.ts';
import { decodeEntry, decodeVxlan, writeEntry } from '../../src/linux/rtnetlink-vxlan.ts';
import { IpAddress } from '../../src/net/ip.ts';
import { Prefix } from '../../src/net/prefix.ts';
import { anyPrefix } from '../support/net-arbitrary.ts';

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

function only(writer: NetlinkWriter): NetlinkMessage {
  const [message, ...more] = NetlinkMessage.parse(writer.bytes);
  if (message === undefined || more.length > 0) throw new Error('not one message');
  return message;
}

function key(text: string): RouteKey {
  const prefix = Prefix.parse(text);
  if (prefix === undefined) throw new Error(text);
  return { family: prefix.address.family, length: prefix.length, address: IpAddress.toBytes(prefix.address) };
}

const marks = { protocol: 174, table: 254, metric: { ipv4: 0, ipv6: 1024 } };

describe('a message', () => {
  it('has a header, its fixed part, and attributes that begin at multiples of four', () => {
    const writer = new NetlinkWriter(8);
    writer
      .begin(24, NLM_F_CREATE | NLM_F_EXCL, 7)
      .u32(2)
      .attributeU8(1, 0xaa)
      .attributeText(3, 'va')
      .end();
    const octets = [
      '24000000',
      '1800',
      '0106',
      '07000000',
      '00000000',
      '02000000',
      '05000100aa000000',
      '0700030076610000',
    ];
    expect(hex(writer.bytes)).toBe(octets.join(''));
  });

  it.each([
    ['IPv4 to a group', '10.1.0.0/16', 0x8000_0001],
    ['IPv6 to a group', 'fd00:1::/32', 0x8000_0001],
    ['IPv4, unreachable', '10.1.0.0/16', 1],
    ['everything', '0.0.0.0/0', 0x8000_0001],
  ])('a route written and read: %s', (_, text, to) => {
    const writer = new NetlinkWriter();
    writeRoute(writer, 9, key(text), { to, replaces: false }, marks);
    const decoded = decodeRoute(only(writer));
    const metric = text.includes(':') ? 1024 : 0;
    expect(decoded).toEqual({ ...key(text), to, table: 254, metric });
  });

  it('next hops, groups, rules and entries written and read', () => {
    const gateway = IpAddress.parse('fe80::1');
    if (gateway === undefined) throw new Error('no address');
    const round = <T>(write: (writer: NetlinkWriter) => void, read: (message: NetlinkMessage) => T): T => {
      const writer = new NetlinkWriter();
      write(writer);
      return read(only(writer));
    };
    const hop = { gateway, index: 5, onLink: true };
    expect(round(writer => writeHop(writer, 1, 77, hop, 174), decodeNextHop)).toEqual({ id: 77, protocol: 174, hop });
    const members = [
      { id: 77, weight: 1 },
      { id: 78, weight: 256 },
    ];
    expect(round(writer => writeGroup(writer, 1, 99, { members, replaces: true }, 174), decodeNextHop)).toEqual({
      id: 99,
      protocol: 174,
      members,
    });
    const rule = { family: 'ipv6', priority: 1740, table: 1740 } as const;
    expect(
      round(
        writer => writeRule(writer, 1, rule, 174),
        message => decodeRule(message, 174),
      ),
    ).toEqual(rule);
    expect(
      round(
        writer => writeRule(writer, 1, rule, 186),
        message => decodeRule(message, 174),
      ),
    ).toBeUndefined();
    for (const kind of ['forwarding', 'neighbour'] as const) {
      const entry = { kind, mac: { value: 0x0e68_0000_0001 }, to: gateway };
      expect(
        round(
          writer => writeEntry(writer, 1, 5, entry),
          message => decodeEntry(message, 5),
        ),
      ).toEqual(entry);
      expect(
        round(
          writer => writeEntry(writer, 1, 5, entry),
          message => decodeEntry(message, 6),
        ),
      ).toBeUndefined();
    }
  });

  it('random octets never throw', () => {
    const table = new HostTable();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.constantFrom(16, 20, 24, 28, 32, 104), (body, type) => {
        const message = { type, flags: 0x300, seq: 1, port: 1, body };
        decodeLink(message);
        decodeAddress(message);
        decodeDefaultRoutes(message);
        decodeRoute(message);
        decodeNextHop(message);
        decodeRule(message, 174);
        decodeEntry(message, 1);
        decodeVxlan(body);
        NetlinkMessage.error(message);
        table.hear(message);
        table.list(message);
        for (const each of NetlinkMessage.parse(body)) expect(each.body.length).toBeLessThanOrEqual(body.length);
        Attributes.walk(body, 0, (_, value) => expect(value.length).toBeLessThanOrEqual(body.length));
      }),
    );
  });
});

describe('routes as records', () => {
  it('packed and unpacked are the same', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(anyPrefix, fc.nat())), entries => {
        const bytes = new Uint8Array(entries.length * RECORD);
        const view = new DataView(bytes.buffer);
        for (const [i, [prefix, to]] of entries.entries()) packRoute(view, i * RECORD, prefix, to);
        const read: string[] = [];
        unpackRoutes(bytes, (each, to) => read.push(`${formatKey(each)} ${to}`));
        expect(read).toEqual(entries.map(([prefix, to]) => `${Prefix.format(prefix)} ${to}`));
      }),
    );
  });
});

describe('the table of routes', () => {
  const groups = [0x8000_0001, 0x8000_0002, 1];
  const step = fc.record({
    prefix: fc.oneof(
      fc.nat(400).map(i => Prefix.of(IpAddress.of('ipv4', BigInt(i) << 8n), 24)),
      fc.nat(50).map(i => Prefix.of(IpAddress.of('ipv6', BigInt(i) << 64n), 64)),
    ),
    to: fc.constantFrom(0, ...groups),
    act: fc.constantFrom('want', 'want', 'want', 'work', 'forget'),
  });

  it('any run of changes and rounds of work ends with what is wanted, and only that', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 600 }), steps => {
        const table = new RouteTable();
        const wanted = new Map<string, number>();
        const kernel = new Map<string, number>();
        const work = () => {
          for (const row of [...table.toWrite()]) {
            kernel.set(formatKey(table.keyOf(row)), table.want(row));
            table.setHave(row, table.want(row));
          }
          for (const row of [...table.toRemove()]) {
            kernel.delete(formatKey(table.keyOf(row)));
            table.setHave(row, 0);
          }
          table.sweep();
        };
        for (const { prefix, to, act } of steps) {
          const route = key(Prefix.format(prefix));
          if (act === 'work') work();
          else if (act === 'forget') {
            table.forget('ipv4');
            table.forget('ipv6');
            for (const [text, there] of kernel) table.setHave(table.row(key(text)), there);
          } else {
            table.setWant(table.row(route), to);
            if (to === 0) wanted.delete(formatKey(route));
            else wanted.set(formatKey(route), to);
          }
        }
        work();
        expect(new Map([...kernel].sort())).toEqual(new Map([...wanted].sort()));
        expect(table.there).toBe(wanted.size);
        expect([...table.toWrite(), ...table.toRemove()]).toEqual([]);
      }),
    );
  });

  it('what is held waits for its group and is not where it led before; what went with a group is held', () => {
    const table = new RouteTable();
    const row = table.row(key('10.1.0.0/16'));
    table.setWant(row, groups[0] ?? 0);
    table.setHave(row, groups[1] ?? 0);
    for (const each of table.toWrite()) table.hold(each);
    expect([...table.toWrite(), ...table.toRemove()]).toEqual([row]);
    table.setHave(row, 0);
    table.sweep();
    table.forgiveTo(new Set([groups[1] ?? 0]));
    expect([...table.toWrite()]).toEqual([]);
    table.forgiveTo(new Set([groups[0] ?? 0]));
    expect([...table.toWrite()]).toEqual([row]);
    table.setHave(row, groups[0] ?? 0);
    table.dropTo(new Set([groups[0] ?? 0]));
    expect([[...table.toWrite()], table.there]).toEqual([[], 0]);
  });

  it('what is refused is counted, and tried again when it is wanted differently or everything is listed', () => {
    const table = new RouteTable();
    const row = table.row(key('fd00::/48'));
    table.setWant(row, 1);
    table.refuse(row);
    expect([[...table.toWrite()], table.refused]).toEqual([[], 1]);
    table.setWant(row, groups[0] ?? 0);
    expect([[...table.toWrite()], table.refused]).toEqual([[row], 0]);
    table.refuse(row);
    table.forget('ipv6');
    expect([[...table.toWrite()], table.refused]).toEqual([[row], 0]);
  });
});
