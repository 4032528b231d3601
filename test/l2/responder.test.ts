/** Frames in, replies or named drops out: RFC 826, RFC 5227, RFC 4861, RFC 4862; cases L1-L16 on the wire, L33-L40. */
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { AddressTable, type OwnedRow, type RowMode } from '../../src/l2/address-table.ts';
import {
  ARP_REPLY,
  ARP_REQUEST,
  type ArpPacket,
  arpFrame,
  arpProbe,
  gratuitousArp,
  readArp,
} from '../../src/l2/arp.ts';
import { type Drop, dropOf, isHeard } from '../../src/l2/drop.ts';
import {
  FLAG_SOLICITED,
  icmpv6Checksum,
  NDP,
  type NdpPacket,
  NEIGHBOUR_ADVERTISEMENT,
  NEIGHBOUR_SOLICITATION,
  ndpFrame,
  ndpQuestion,
  readNdp,
  solicitedNode,
  unsolicitedAdvertisement,
} from '../../src/l2/ndp.ts';
import { REPLY_OCTETS_MAX, readHeard, respond, respondingLink } from '../../src/l2/responder.ts';
import { IpAddress } from '../../src/net/ip.ts';
import { Mac } from '../../src/net/mac.ts';
import { Random } from '../sim/random.ts';

const ip = (text: string): IpAddress => {
  const address = IpAddress.parse(text);
  if (address === undefined) throw new Error(text);
  return address;
};
const mac = (text: string): Mac => {
  const parsed = Mac.parse(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
};

const FLAG_OVERRIDE = 0x20;
const ours = mac('02:00:00:00:00:01');
const second = mac('02:00:00:00:00:02');
const asker = mac('02:aa:00:00:00:99');
const link = respondingLink(2, ours, [ours, second]);
const v4 = ip('192.0.2.10');
const v6 = ip('2001:db8::10');
const askerV4 = ip('192.0.2.99');
const askerV6 = ip('fe80::99');
const NOW = 1_000;

let table: AddressTable;
const out = new Uint8Array(REPLY_OCTETS_MAX);
const row = (address: IpAddress, mode: RowMode = 'session', index = 2): OwnedRow => ({ link: index, address, mode });

beforeEach(() => {
  table = AddressTable.make(64);
  table.replaceAll([row(v4), row(v6), row(ip('192.0.2.20'), 'session', 3)]);
  table.setDeadlines({ sessionMs: NOW + 1, holdMs: NOW + 1 });
});

function judge(frame: Uint8Array, nowMs = NOW, length = frame.length): Uint8Array | Drop {
  const result = respond(table, link, frame, length, nowMs, out);
  return result > 0 ? out.slice(0, result) : dropOf(result);
}

function request(more: Partial<ArpPacket> = {}, destination = Mac.broadcast, source = asker): Uint8Array {
  const targetMac = { value: 0 };
  return arpFrame(destination, source, {
    operation: ARP_REQUEST,
    senderMac: asker,
    senderIp: askerV4,
    targetMac,
    targetIp: v4,
    ...more,
  });
}

function solicitation(more: Partial<NdpPacket> = {}, destination?: Mac, source = asker): Uint8Array {
  const packet: NdpPacket = {
    type: NEIGHBOUR_SOLICITATION,
    source: askerV6,
    destination: solicitedNode(v6),
    flags: 0,
    target: v6,
    linkOption: asker,
    ...more,
  };
  return ndpFrame(destination ?? Mac.ofMulticast(packet.destination), source, packet);
}

const probe6 = solicitation({ source: ip('::'), linkOption: undefined });

/** With octets changed, the checksum as it was. */
function with_(frame: Uint8Array, ...changes: readonly (readonly [at: number, ...octets: number[]])[]): Uint8Array {
  const changed = frame.slice();
  for (const [at, ...octets] of changes) changed.set(octets, at);
  return changed;
}

/** A solicitation with these options, length and checksum right. */
function withOptions(...octets: number[]): Uint8Array {
  const bare = solicitation({ linkOption: undefined });
  const frame = new Uint8Array(bare.length + octets.length);
  frame.set(bare);
  frame.set(octets, bare.length);
  frame[19] = 24 + octets.length;
  frame[NDP.checksum] = 0;
  frame[NDP.checksum + 1] = 0;
  const sum = icmpv6Checksum(frame, 24 + octets.length);
  frame[NDP.checksum] = sum >> 8;
  frame[NDP.checksum + 1] = sum;
  return frame;
}

describe('ARP', () => {
  const reply = { operation: ARP_REPLY, senderMac: ours, senderIp: v4, targetMac: asker, targetIp: askerV4 };

  it('L3, L40: a broadcast request is answered to the asker alone, with the MAC of the link', () => {
    expect(judge(request())).toEqual(arpFrame(asker, ours, reply));
  });

  it('L4: a unicast request (NUD probe) is answered', () => {
    expect(judge(request({}, ours))).toEqual(arpFrame(asker, ours, reply));
  });

  it('RFC 5227 §2.1.1: a probe from 0.0.0.0 is answered, to 0.0.0.0', () => {
    const answer = judge(arpProbe(asker, v4));
    expect(answer).toEqual(arpFrame(asker, ours, { ...reply, targetIp: ip('0.0.0.0') }));
  });

  it('RFC 826: padding up to the least Ethernet frame does not matter', () => {
    const padded = new Uint8Array(60);
    padded.set(request());
    expect(judge(padded)).toEqual(arpFrame(asker, ours, reply));
  });

  it.each<[string, Uint8Array, Drop]>([
    ['L1: a reply', request({ operation: ARP_REPLY }, ours), 'reply'],
    ['L2: neither broadcast nor ours', request({}, second), 'not-for-us'],
    ['L2: multicast', request({}, mac('01:00:5e:00:00:01')), 'not-for-us'],
    ['L5, L40: an address that is not announced', request({ targetIp: ip('192.0.2.11') }), 'not-owned'],
    ['L5: announced on another link only', request({ targetIp: ip('192.0.2.20') }), 'other-link'],
    ['L16: no frame', new Uint8Array(0), 'truncated'],
    ['L16: short', request().subarray(0, 41), 'truncated'],
    ['L16: wrong hardware type', with_(request(), [14, 0, 6]), 'wrong-hardware-type'],
    ['wrong protocol type', with_(request(), [16, 0x86, 0xdd]), 'wrong-protocol-type'],
    ['wrong length of a hardware address', with_(request(), [18, 8]), 'wrong-address-length'],
    ['wrong length of a protocol address', with_(request(), [19, 16]), 'wrong-address-length'],
    ['L16: VLAN-tagged, 802.1Q', with_(request(), [12, 0x81, 0]), 'vlan-tagged'],
    ['VLAN-tagged, 802.1ad', with_(request(), [12, 0x88, 0xa8]), 'vlan-tagged'],
    ['IPv4', with_(request(), [12, 8, 0]), 'other-ethertype'],
    ['RARP', with_(request(), [20, 0, 3]), 'other-operation'],
    ['our own, come back', request({}, Mac.broadcast, ours), 'own-frame'],
    ['from another of our links', request({}, Mac.broadcast, second), 'own-frame'],
    ['our own by its sender', request({ senderMac: second }), 'own-frame'],
    ['from a group', request({}, Mac.broadcast, mac('03:00:00:00:00:01')), 'multicast-source'],
    ['a sender that is a group', request({ senderMac: Mac.broadcast }), 'bad-sender'],
    ['a sender that is nobody', request({ senderMac: { value: 0 } }), 'bad-sender'],
    ['sender address multicast', request({ senderIp: ip('224.0.0.1') }), 'bad-sender'],
    ['sender address broadcast', request({ senderIp: ip('255.255.255.255') }), 'bad-sender'],
    ['sender address loopback', request({ senderIp: ip('127.0.0.1') }), 'bad-sender'],
  ])('%s is dropped by name', (_, frame, drop) => {
    expect(judge(frame)).toBe(drop);
    expect(table.counters()).toEqual({ answers: 0, drops: new Map([[drop, 1]]) });
  });

  it('L7: a gain is announced in both forms, from the right MAC', () => {
    const [asRequest, asReply] = gratuitousArp(ours, v4);
    expect(readArp(asRequest)).toMatchObject({ operation: ARP_REQUEST, senderMac: ours, senderIp: v4, targetIp: v4 });
    expect(readArp(asReply)).toMatchObject({ operation: ARP_REPLY, senderMac: ours, senderIp: v4, targetIp: v4 });
    for (const frame of [asRequest, asReply]) expect(Mac.fromBytes(frame)).toEqual(Mac.broadcast);
  });
});

describe('NDP', () => {
  const advertisement = {
    type: NEIGHBOUR_ADVERTISEMENT,
    source: v6,
    destination: askerV6,
    flags: FLAG_SOLICITED | FLAG_OVERRIDE,
    target: v6,
    linkOption: ours,
  };
  const toAll = { ...advertisement, destination: ip('ff02::1'), flags: FLAG_OVERRIDE };

  it.each([
    ['L8, L40: multicast with source option', solicitation()],
    ['multicast without source option', solicitation({ linkOption: undefined })],
    ['unicast with source option', solicitation({ destination: v6 }, ours)],
    ['L9: unicast without source option', solicitation({ destination: v6, linkOption: undefined }, ours)],
    ['to the group, by our MAC', solicitation({}, ours)],
    ['RFC 7527: with a nonce', withOptions(14, 1, 1, 2, 3, 4, 5, 6, 1, 1, 2, 0xaa, 0, 0, 0, 0x99)],
    ['RFC 4861 §4.6: with an option nobody knows', withOptions(200, 2, ...new Array<number>(14).fill(7))],
  ])('%s is answered, solicited and with override', (_, frame) => {
    expect(judge(frame)).toEqual(ndpFrame(asker, ours, advertisement));
  });

  it('the question that a holder asks is answered like any other', () => {
    const source = ip('fe80::aa:ff:fe00:99');
    expect(judge(ndpQuestion(asker, v6))).toEqual(ndpFrame(asker, ours, { ...advertisement, destination: source }));
  });

  it('RFC 4861 §7.2.4: the answer goes to the source option where there is one', () => {
    const proxied = mac('02:aa:00:00:00:77');
    expect(judge(solicitation({ linkOption: proxied }))).toEqual(ndpFrame(proxied, ours, advertisement));
  });

  it('L10, RFC 4862 §5.4.3: a probe from :: is answered to all nodes, unsolicited', () => {
    expect(judge(probe6)).toEqual(ndpFrame(mac('33:33:00:00:00:01'), ours, toAll));
  });

  it('L8: a gain is announced to all nodes, with override', () => {
    expect(unsolicitedAdvertisement(ours, v6)).toEqual(ndpFrame(mac('33:33:00:00:00:01'), ours, toAll));
  });

  it.each<[string, Uint8Array, Drop]>([
    ['not for us', solicitation({}, second), 'not-for-us'],
    ['broadcast', solicitation({}, Mac.broadcast), 'not-for-us'],
    ['not announced', solicitation({ target: ip('2001:db8:1::10'), destination: solicitedNode(v6) }), 'not-owned'],
    ['L40: wrong group', solicitation({ destination: ip('ff02::1:ff00:11') }), 'bad-destination'],
    ['to all nodes', solicitation({ destination: ip('ff02::1') }), 'bad-destination'],
    ['to another address of ours', solicitation({ destination: ip('2001:db8::11') }, ours), 'bad-destination'],
    [
      'RFC 4861 §7.1.1: :: by unicast',
      solicitation({ source: ip('::'), destination: v6, linkOption: undefined }, ours),
      'bad-destination',
    ],
    ['RFC 4861 §7.1.1: :: with source option', solicitation({ source: ip('::') }), 'probe-with-link-option'],
    ['RFC 4861 §7.1.1: hop limit 254', with_(solicitation(), [21, 254]), 'hop-limit'],
    ['RFC 4861 §7.1.1: checksum', with_(solicitation(), [56, 1, 2]), 'bad-checksum'],
    ['RFC 4861 §7.1.1: code', with_(solicitation(), [55, 1]), 'bad-code'],
    [
      'RFC 4861 §7.1.1: target multicast',
      solicitation({ target: ip('ff02::5'), destination: solicitedNode(ip('::5')) }),
      'bad-target',
    ],
    ['RFC 4861 §7.1.1: less than 24 octets', with_(solicitation(), [18, 0, 23]), 'truncated'],
    ['longer than the frame', with_(solicitation(), [18, 1, 0]), 'truncated'],
    ['RFC 4861 §7.1.1: option of length zero', withOptions(1, 0, 0, 0, 0, 0, 0, 0), 'zero-length-option'],
    ['option longer than the packet', withOptions(1, 2, 0, 0, 0, 0, 0, 0), 'truncated-option'],
    ['half an option', withOptions(1), 'truncated-option'],
    ['source option of the wrong length', withOptions(1, 2, ...new Array<number>(14).fill(2)), 'bad-link-option'],
    ['source option with a group', withOptions(1, 1, 0x33, 0x33, 0, 0, 0, 1), 'bad-link-option'],
    ['source multicast', solicitation({ source: ip('ff02::1') }), 'bad-sender'],
    ['IPv4 under the wrong type', with_(solicitation(), [14, 0x45]), 'not-ipv6'],
    ['UDP', with_(solicitation(), [20, 17]), 'other-next-header'],
    ['hop-by-hop options', with_(solicitation(), [20, 0]), 'other-next-header'],
    ['a jumbogram', with_(solicitation(), [18, 0, 0]), 'bad-payload-length'],
    ['echo request', with_(solicitation(), [54, 128]), 'other-icmp'],
    ['router solicitation', with_(solicitation(), [54, 133]), 'other-icmp'],
    ['VLAN-tagged', with_(solicitation(), [12, 0x81, 0]), 'vlan-tagged'],
    ['our own, come back', solicitation({}, undefined, ours), 'own-frame'],
    [
      'advertisement of another address',
      ndpFrame(ours, asker, { ...advertisement, target: askerV6, destination: v6 }),
      'reply',
    ],
    [
      'RFC 4861 §7.1.2: solicited, to a group',
      ndpFrame(mac('33:33:00:00:00:01'), asker, { ...toAll, flags: FLAG_SOLICITED }),
      'bad-destination',
    ],
  ])('%s is dropped by name', (_, frame, drop) => {
    expect(judge(frame)).toBe(drop);
    expect(table.counters()).toEqual({ answers: 0, drops: new Map([[drop, 1]]) });
  });
});

describe('deadlines and modes', () => {
  it.each([
    ['E19: session, before its deadline', 'session', NOW, undefined],
    ['E19: session, at its deadline', 'session', NOW + 1, 'deadline-passed'],
    ['hold, before its deadline', 'hold', NOW + 99, undefined],
    ['hold, at its deadline', 'hold', NOW + 100, 'deadline-passed'],
    ['listen', 'listen', NOW, 'listening'],
  ] as const)('%s', (_, mode, nowMs, drop) => {
    table.replaceAll([row(v4, mode), row(v6, mode)]);
    table.setDeadlines({ sessionMs: NOW + 1, holdMs: NOW + 100 });
    for (const frame of [request(), solicitation()])
      if (drop === undefined) expect(judge(frame, nowMs)).toBeInstanceOf(Uint8Array);
      else expect(judge(frame, nowMs)).toBe(drop);
  });
});

describe('another station speaks for an address of ours', () => {
  const theirs = { type: NEIGHBOUR_ADVERTISEMENT, source: v6, target: v6, linkOption: asker };
  const cases: readonly (readonly [string, Uint8Array, 'claim' | 'answer', IpAddress])[] = [
    ['gratuitous request', gratuitousArp(asker, v4)[0], 'claim', v4],
    ['gratuitous reply', gratuitousArp(asker, v4)[1], 'claim', v4],
    ['ARP reply to us', request({ operation: ARP_REPLY, senderIp: v4, targetIp: ip('0.0.0.0') }, ours), 'answer', v4],
    ['question asked from it', request({ senderIp: v4, targetIp: ip('192.0.2.1') }), 'claim', v4],
    ['unsolicited advertisement', unsolicitedAdvertisement(asker, v6), 'claim', v6],
    ['solicited one', ndpFrame(ours, asker, { ...theirs, destination: askerV6, flags: FLAG_SOLICITED }), 'answer', v6],
    [
      'solicitation from it',
      solicitation({ source: v6, target: ip('2001:db8::11'), destination: solicitedNode(ip('::11')) }),
      'claim',
      v6,
    ],
  ];

  it.each(cases)('%s: heard, and nothing is given up in a session', (_, frame, kind, address) => {
    const result = respond(table, link, frame, frame.length, NOW, out);
    expect(isHeard(result)).toBe(true);
    expect(readHeard(link, frame, result)).toEqual({ address, link: 2, mac: asker, kind, yielded: false });
    expect(judge(request())).toBeInstanceOf(Uint8Array);
  });

  it.each(cases)('%s: what is held is given up at once, and only once', (_, frame, kind, address) => {
    table.replaceAll([row(v4, 'hold'), row(v6, 'hold')]);
    const result = respond(table, link, frame, frame.length, NOW, out);
    expect(readHeard(link, frame, result)).toEqual({ address, link: 2, mac: asker, kind, yielded: true });
    expect(judge(address === v4 ? request() : solicitation())).toBe('listening');
    expect(judge(frame)).toBe(`heard-${kind}`);
    // The writer says the same again: it stays given up; after it listened, it is held anew.
    table.replaceAll([row(v4, 'hold'), row(v6, 'hold')]);
    expect(judge(address === v4 ? request() : solicitation())).toBe('listening');
    table.replaceAll([row(v4, 'listen'), row(v6, 'listen')]);
    table.replaceAll([row(v4, 'hold'), row(v6, 'hold')]);
    expect(judge(address === v4 ? request() : solicitation())).toBeInstanceOf(Uint8Array);
  });

  it('for an address on another link it is none of our business', () => {
    expect(judge(gratuitousArp(asker, ip('192.0.2.20'))[0])).toBe('other-link');
  });
});

describe('a link carries something', () => {
  it.each([
    ['a question of somebody else', request({ targetIp: ip('192.0.2.77') }), NOW, '192.0.2.99'],
    ['a solicitation', solicitation(), NOW, 'fe80::99'],
    ['our own frame come back', request({}, Mac.broadcast, second), 0, undefined],
  ])('%s', (_, frame, heardMs, speaker) => {
    judge(frame);
    expect(table.wire(2)).toEqual({ link: 2, heardMs, speaker: speaker && ip(speaker) });
  });
});

describe('whatever comes', () => {
  const good = [request(), arpProbe(asker, v4), solicitation(), probe6, withOptions(14, 1, 1, 2, 3, 4, 5, 6)];

  it('a frame cut anywhere is dropped by name, however it is cut', () => {
    for (const frame of good)
      for (let length = 0; length < frame.length; length++) {
        expect(typeof judge(frame.slice(0, length))).toBe('string');
        // A buffer that is longer than the frame in it: what an earlier frame left there is not looked at.
        expect(typeof judge(frame, NOW, length)).toBe('string');
      }
  });

  it('random octets are dropped or answered, never thrown at, and an answer is only ever for what is ours', () => {
    const seed = Number(process.env.FUZZ_SEED ?? 7);
    const random = new Random(seed);
    for (let i = 0; i < 50_000; i++) {
      const frame = random.pick(good).slice();
      for (let n = random.between(1, 4); n > 0; n--)
        frame[random.between(0, frame.length - 1)] = random.between(0, 255);
      const result = judge(frame, NOW, random.between(0, frame.length));
      if (typeof result === 'string') continue;
      const isArp = result[12] === 8;
      const said = isArp ? readArp(result).senderIp : readNdp(result).target;
      expect([v4, v6], `FUZZ_SEED=${seed}, frame ${i}`).toContainEqual(said);
      expect(Mac.fromBytes(result, 6)).toEqual(ours);
      expect(frame.subarray(0, 6)).not.toEqual(Mac.toBytes(second));
      if (!isArp) expect(icmpv6Checksum(result, 32)).toBe(0);
    }
  });

  it('what ndpFrame and arpFrame write is read back', () => {
    const anyMac = fc.integer({ min: 0, max: 2 ** 48 - 1 }).map((value): Mac => ({ value }));
    const any4 = fc.bigInt(0n, 2n ** 32n - 1n).map(value => IpAddress.of('ipv4', value));
    const any6 = fc.bigInt(0n, 2n ** 128n - 1n).map(value => IpAddress.of('ipv6', value));
    const packet4 = fc.record({
      operation: fc.nat(65_535),
      senderMac: anyMac,
      senderIp: any4,
      targetMac: anyMac,
      targetIp: any4,
    });
    fc.assert(
      fc.property(anyMac, anyMac, packet4, (to, from, packet) => {
        expect(readArp(arpFrame(to, from, packet))).toEqual(packet);
      }),
    );
    const type = fc.constantFrom(NEIGHBOUR_SOLICITATION, NEIGHBOUR_ADVERTISEMENT);
    const linkOption = fc.option(anyMac, { nil: undefined });
    const packet6 = fc.record({ type, source: any6, destination: any6, flags: fc.nat(255), target: any6, linkOption });
    fc.assert(
      fc.property(anyMac, anyMac, packet6, (to, from, packet) => {
        const frame = ndpFrame(to, from, packet);
        expect(readNdp(frame)).toEqual(packet);
        expect(icmpv6Checksum(frame, frame.length - 54)).toBe(0);
      }),
    );
  });
});
