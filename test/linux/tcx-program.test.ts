/**
 * The in-kernel responder's program, loaded into this kernel and run on single frames: what it answers and with what,
 * and what it leaves alone, octet for octet. L2–L5, L8–L10, L16; RFC 826, RFC 4861 §7, RFC 5227.
 */
import fc from 'fast-check';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { AddressTable, type RowMode } from '../../src/l2/address-table.ts';
import { REPLY_OCTETS_MAX, respond, respondingLink } from '../../src/l2/responder.ts';
import { deadlineValue, keyOf, macValue, mapShapes, modeValue, readAnswers, word } from '../../src/linux/tcx-maps.ts';
import { IpAddress } from '../../src/net/ip.ts';
import { Mac } from '../../src/net/mac.ts';
import {
  type ArpFields,
  arpFrame,
  broadcastMac,
  decodeFrame,
  linkOption,
  type NeighborFields,
  neighborFrame,
} from '../support/l2-frames.ts';
import { benchLink, benchMac, bpfMissing, tcxBench } from '../support/tcx-bench.ts';

const missing = await bpfMissing();
const linkMac = '02:00:00:00:00:99';
const askerMac = '02:00:00:00:00:01';
const forEver = 1e12;

const ask = { from: askerMac, senderIp: '192.0.2.1', targetIp: '192.0.2.50' } satisfies ArpFields;
const solicit = { from: askerMac, source: '2001:db8::1', target: '2001:db8::12:3456' } satisfies NeighborFields;

function address(text: string): IpAddress {
  const parsed = IpAddress.parse(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
}

function mac(text: string): Mac {
  const parsed = Mac.parse(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
}

/** Changes octets of a frame, as one may arrive. */
function altered(frame: Uint8Array, ...changes: readonly (readonly [at: number, value: number])[]): Uint8Array {
  const copy = frame.slice();
  for (const [at, value] of changes) copy[at] = value;
  return copy;
}

describe.skipIf(missing !== undefined)(`the program in the kernel${missing ? ` (${missing})` : ''}`, async () => {
  if (missing !== undefined) return;
  const bench = await tcxBench();
  afterAll(() => bench.close());
  const { bpf, maps } = bench;

  function own(text: string, mode: RowMode = 'session', link = benchLink): void {
    const key = keyOf({ link, address: address(text) });
    bpf.update(maps.answers, key, new Uint8Array(mapShapes.answers.valueBytes));
    bpf.update(maps.rows, key, modeValue(mode));
  }

  function deadlines(sessionMs: number, holdMs: number): void {
    bpf.update(maps.deadlines, modeValue('session'), deadlineValue(sessionMs));
    bpf.update(maps.deadlines, modeValue('hold'), deadlineValue(holdMs));
  }

  function answersFor(text: string) {
    const value = new Uint8Array(mapShapes.answers.valueBytes);
    bpf.lookup(maps.answers, keyOf({ link: benchLink, address: address(text) }), value);
    return readAnswers(value);
  }

  function expectPassed(frame: Uint8Array): void {
    const { verdict, frame: after } = bench.run(frame);
    expect(verdict).toBe('passed');
    expect(Buffer.from(after).toString('hex')).toBe(Buffer.from(frame).toString('hex'));
  }

  beforeEach(() => {
    for (const map of [maps.rows, maps.answers] as const)
      for (const key of bpf.keys(map, mapShapes.rows)) bpf.remove(map, key);
    bpf.update(maps.links, word(benchLink), macValue(mac(linkMac)));
    own(ask.targetIp);
    own(solicit.target);
    deadlines(forEver, forEver);
  });

  const arpAnswer = {
    kind: 'arp',
    to: askerMac,
    from: linkMac,
    operation: 2,
    senderMac: linkMac,
    senderIp: ask.targetIp,
    targetMac: askerMac,
    targetIp: ask.senderIp,
  };

  it.each([
    ['L3 a broadcast request', ask],
    ['L4 a unicast request', { ...ask, to: benchMac }],
    ['a request without padding', { ...ask, length: 42 }],
    ['a request whose target MAC is filled in', { ...ask, targetMac: broadcastMac }],
  ])('answers %s to who asked', (_, fields) => {
    const { verdict, frame } = bench.run(arpFrame(fields));
    expect(verdict).toBe('sent');
    expect(decodeFrame(frame)).toEqual(arpAnswer);
    expect(frame.length).toBe(arpFrame(fields).length);
  });

  it('answers a probe from 0.0.0.0 (RFC 5227 §2.1.1)', () => {
    const { frame } = bench.run(arpFrame({ ...ask, senderIp: '0.0.0.0' }));
    expect(decodeFrame(frame)).toEqual({ ...arpAnswer, targetIp: '0.0.0.0' });
  });

  const advertisement = {
    kind: 'advertisement',
    to: askerMac,
    from: linkMac,
    source: solicit.target,
    destination: solicit.source,
    hopLimit: 255,
    target: solicit.target,
    // Solicited and override, no router.
    flags: 3,
    option: linkMac,
    isChecksumRight: true,
  };

  it.each([
    ['L8 a solicitation to the group', solicit],
    ['a solicitation to the address itself', { ...solicit, to: benchMac, destination: solicit.target }],
  ])('answers %s to who asked, from the address (RFC 4861 §7.2.4)', (_, fields) => {
    const { verdict, frame } = bench.run(neighborFrame(fields));
    expect(verdict).toBe('sent');
    expect(decodeFrame(frame)).toEqual(advertisement);
    expect([...frame.subarray(14, 18)]).toEqual([0x60, 0, 0, 0]);
  });

  it('sends no traffic class and no flow label back', () => {
    const { frame } = bench.run(altered(neighborFrame(solicit), [14, 0x6e], [15, 0xab], [16, 0xcd], [17, 0xef]));
    expect([...frame.subarray(14, 18)]).toEqual([0x60, 0, 0, 0]);
    expect(decodeFrame(frame)).toEqual(advertisement);
  });

  const arpPassed: Record<string, Uint8Array> = {
    'L1 a reply': arpFrame({ ...ask, operation: 2 }),
    'L2 a request to another station': arpFrame({ ...ask, to: '02:00:00:00:00:77' }),
    'L5 a request for an address that is not owned': arpFrame({ ...ask, targetIp: '192.0.2.51' }),
    'L16 a short one': arpFrame({ ...ask, length: 42 }).subarray(0, 41),
    'L16 another hardware type': arpFrame({ ...ask, hardware: 6 }),
    'L16 a VLAN tag': arpFrame({ ...ask, tag: Uint8Array.of(0x81, 0, 0, 5) }),
    'L16 a priority tag': arpFrame({ ...ask, tag: Uint8Array.of(0x81, 0, 0, 0) }),
    'another protocol type': arpFrame({ ...ask, protocol: 0x86dd }),
    'another length of hardware address': altered(arpFrame(ask), [18, 8]),
    'another length of protocol address': altered(arpFrame(ask), [19, 16]),
    RARP: altered(arpFrame(ask), [21, 3]),
    'a request to a group that is not everybody': arpFrame({ ...ask, to: '01:00:5e:00:00:01' }),
    'a sender without a MAC': arpFrame({ ...ask, from: benchMac }),
    'a sender on loopback': arpFrame({ ...ask, senderIp: '127.0.0.1' }),
    'a group as the sender address': arpFrame({ ...ask, senderIp: '224.0.0.1' }),
    'everybody as the sender address': arpFrame({ ...ask, senderIp: '255.255.255.255' }),
    'an oversized one': arpFrame({ ...ask, length: 1514 }),
    'a sender that is not who sent it': arpFrame({ ...ask, senderMac: '02:00:00:00:00:02' }),
    'a group as the sender': arpFrame({ ...ask, from: broadcastMac }),
    'an announcement, which is a claim (RFC 5227 §3)': arpFrame({ ...ask, senderIp: ask.targetIp }),
  };

  const ndPassed: Record<string, Uint8Array> = {
    'L5 a solicitation for an address that is not owned': neighborFrame({ ...solicit, target: '2001:db8::13:3456' }),
    'L9 a solicitation without the source option': neighborFrame({ ...solicit, options: new Uint8Array(0) }),
    'L10 duplicate detection': neighborFrame({ ...solicit, source: '::', options: new Uint8Array(0) }),
    'duplicate detection with an option': neighborFrame({ ...solicit, source: '::' }),
    'hop limit 254 (RFC 4861 §7.1.1)': neighborFrame({ ...solicit, hopLimit: 254 }),
    'code 1': neighborFrame({ ...solicit, code: 1 }),
    'a false checksum': neighborFrame({ ...solicit, checksumError: 1 }),
    'an advertisement': neighborFrame({ ...solicit, type: 136 }),
    'a router solicitation': neighborFrame({ ...solicit, type: 133 }),
    'an option of length zero': neighborFrame({ ...solicit, options: Uint8Array.of(1, 0, 2, 0, 0, 0, 0, 1) }),
    'a target option': neighborFrame({ ...solicit, options: linkOption(2, askerMac) }),
    'two options': neighborFrame({
      ...solicit,
      options: Uint8Array.of(...linkOption(1, askerMac), ...linkOption(14, askerMac)),
    }),
    'an option that is not who sent it': neighborFrame({ ...solicit, options: linkOption(1, linkMac) }),
    'a multicast source': neighborFrame({ ...solicit, source: 'ff02::1' }),
    'a multicast target': neighborFrame({ ...solicit, target: 'ff02::1', destination: 'ff02::1:ff00:1' }),
    'the group of another address': neighborFrame({ ...solicit, destination: 'ff02::1:ff12:3457' }),
    'all nodes': neighborFrame({ ...solicit, destination: 'ff02::1' }),
    'another unicast destination': neighborFrame({ ...solicit, to: benchMac, destination: '2001:db8::12:3457' }),
    'to everybody': neighborFrame({ ...solicit, to: broadcastMac }),
    'to a group of IPv4': neighborFrame({ ...solicit, to: '01:00:5e:00:00:01' }),
    'a sender without a MAC': neighborFrame({ ...solicit, from: benchMac }),
    'another station': neighborFrame({ ...solicit, to: '02:00:00:00:00:77' }),
    'a fragment': altered(neighborFrame(solicit), [20, 44]),
    'hop-by-hop options': altered(neighborFrame(solicit), [20, 0]),
    'IPv4 in the version': altered(neighborFrame(solicit), [14, 0x40]),
    'octets after the message': neighborFrame({ ...solicit, length: 87 }),
    'fewer octets than the header says': neighborFrame(solicit).subarray(0, 85),
    'a longer payload than there is': altered(neighborFrame(solicit), [19, 40]),
    'the headers alone': neighborFrame(solicit).subarray(0, 54),
  };

  it.each(Object.entries(arpPassed))('passes on %s', (_, frame) => expectPassed(frame));
  it.each(Object.entries(ndPassed))('passes on %s', (_, frame) => expectPassed(frame));

  it.each(['session', 'hold', 'listen'] as const)('passes on what comes from an address of a row in mode %s', mode => {
    own(ask.senderIp, mode);
    own(solicit.source, mode);
    expectPassed(arpFrame(ask));
    expectPassed(neighborFrame(solicit));
  });

  const owner = { senderIp: ask.targetIp, from: '02:00:00:00:00:02' };
  const advertised = {
    from: owner.from,
    type: 136,
    source: 'fe80::2',
    target: solicit.target,
    options: linkOption(2, owner.from),
  } satisfies NeighborFields;
  const claims: readonly (readonly [name: string, frame: Uint8Array, question: Uint8Array])[] = [
    ['an announcement', arpFrame({ ...ask, ...owner }), arpFrame(ask)],
    ['an announcement as a reply', arpFrame({ ...ask, ...owner, operation: 2 }), arpFrame(ask)],
    ['a reply', arpFrame({ ...ask, ...owner, targetIp: '192.0.2.1', operation: 2 }), arpFrame(ask)],
    ['a request', arpFrame({ ...ask, ...owner, targetIp: '192.0.2.1' }), arpFrame(ask)],
    ['an advertisement', neighborFrame(advertised), neighborFrame(solicit)],
    [
      'a solicitation',
      neighborFrame({ ...solicit, from: owner.from, source: solicit.target, target: '2001:db8::1' }),
      neighborFrame(solicit),
    ],
  ];

  it.each(claims)('an address in hold is given up to who claims it by %s, at once', (_, claim, question) => {
    for (const text of [ask.targetIp, solicit.target]) own(text, 'hold');
    deadlines(0, forEver);
    expect(bench.run(question).verdict).toBe('sent');
    expectPassed(claim);
    expectPassed(question);
    for (const text of [ask.targetIp, solicit.target]) own(text, 'hold');
    expect(bench.run(question).verdict).toBe('sent');
  });

  it.each(claims)('an address in session is not given up for %s', (_, claim, question) => {
    expectPassed(claim);
    expect(bench.run(question).verdict).toBe('sent');
  });

  it.each(claims)('nor one in hold for %s of a link of this host', (_, claim, question) => {
    for (const text of [ask.targetIp, solicit.target]) own(text, 'hold');
    deadlines(0, forEver);
    bpf.update(maps.stations, macValue(mac(owner.from)), word(0));
    expectPassed(claim);
    expect(bench.run(question).verdict).toBe('sent');
    bpf.remove(maps.stations, macValue(mac(owner.from)));
  });

  it('passes on what is asked for a row in mode listen', () => {
    own(ask.targetIp, 'listen');
    own(solicit.target, 'listen');
    expectPassed(arpFrame(ask));
    expectPassed(neighborFrame(solicit));
  });

  it('passes on what a link of this host asks', () => {
    bpf.update(maps.stations, macValue(mac(askerMac)), word(0));
    expectPassed(arpFrame(ask));
    expectPassed(neighborFrame(solicit));
    bpf.remove(maps.stations, macValue(mac(askerMac)));
    expect(bench.run(arpFrame(ask)).verdict).toBe('sent');
  });

  it('L5 passes on what is owned on another link only', () => {
    own('192.0.2.60', 'session', benchLink + 1);
    expectPassed(arpFrame({ ...ask, targetIp: '192.0.2.60' }));
  });

  it('passes on what comes by a link whose MAC it was not told', () => {
    bpf.remove(maps.links, word(benchLink));
    expectPassed(arpFrame(ask));
  });

  it.each([
    { mode: 'session' },
    { mode: 'hold' },
  ] as const)('goes by the deadline of mode $mode for a row in it, not by the other', ({ mode }) => {
    own(ask.targetIp, mode);
    own(solicit.target, mode);
    deadlines(mode === 'session' ? forEver : 1, mode === 'session' ? 1 : forEver);
    expect(bench.run(arpFrame(ask)).verdict).toBe('sent');
    expect(bench.run(neighborFrame(solicit)).verdict).toBe('sent');
    deadlines(mode === 'session' ? 1 : forEver, mode === 'session' ? forEver : 1);
    expectPassed(arpFrame(ask));
    expectPassed(neighborFrame(solicit));
  });

  it('is silent while there is no deadline', () => {
    deadlines(0, 0);
    expectPassed(arpFrame(ask));
    expectPassed(neighborFrame(solicit));
  });

  it('counts what it answered for each row, and keeps who asked last', () => {
    expect(answersFor(ask.targetIp)).toEqual({ answers: 0, last: undefined });
    for (const last of ['192.0.2.1', '192.0.2.2', '192.0.2.3']) bench.run(arpFrame({ ...ask, senderIp: last }));
    bench.run(neighborFrame(solicit));
    bench.run(neighborFrame({ ...solicit, checksumError: 1 }));
    const [arp, nd] = [answersFor(ask.targetIp), answersFor(solicit.target)];
    expect(arp).toMatchObject({ answers: 3, last: { asker: address('192.0.2.3'), mac: mac(askerMac) } });
    expect(nd).toMatchObject({ answers: 1, last: { asker: address(solicit.source), mac: mac(askerMac) } });
    expect(nd.last?.atMs).toBeGreaterThanOrEqual(arp.last?.atMs ?? Number.POSITIVE_INFINITY);
  });

  it('answers any asker and any target with the right checksum', () => {
    const unicast = fc
      .bigInt({ min: 0n, max: 2n ** 128n - 1n })
      .filter(value => value >> 120n !== 0xffn && value !== 0n)
      .map(value => IpAddress.format({ family: 'ipv6', value }))
      .filter(text => !text.includes('.'));
    fc.assert(
      fc.property(unicast, unicast, (source, target) => {
        fc.pre(source !== target);
        own(target);
        const { verdict, frame } = bench.run(neighborFrame({ ...solicit, source, target }));
        const seen = decodeFrame(frame);
        expect(verdict).toBe('sent');
        expect(seen).toMatchObject({ isChecksumRight: true, flags: 3, option: linkMac });
        bpf.remove(maps.rows, keyOf({ link: benchLink, address: address(target) }));
      }),
      { numRuns: 500 },
    );
  });

  it('leaves a frame alone after any change of any octet that matters', () => {
    const [request, solicitation] = [arpFrame({ ...ask, length: 42 }), neighborFrame(solicit)];
    // Nothing says what they have to be: the Ethernet destination, who asks, and the target's MAC.
    const free = (at: number) => (at >= 28 && at < 38) || at < 6;
    for (const [at, octet] of request.entries())
      for (let bit = 0; bit < 8; bit++) if (!free(at)) expectPassed(altered(request, [at, octet ^ (1 << bit)]));
    // Traffic class and flow label, and the Ethernet destination, are in no checksum.
    const uncovered = (at: number) => at < 6 || (at >= 14 && at < 18);
    for (const [at, octet] of solicitation.entries())
      for (let bit = 0; bit < 8; bit++)
        if (!uncovered(at)) expectPassed(altered(solicitation, [at, octet ^ (1 << bit)]));
  });

  it('answers what the responder of the sockets answers or less, in the same octets', () => {
    // The loopback device is the link here, so its MAC is the link's.
    bpf.update(maps.links, word(benchLink), macValue(mac(benchMac)));
    const table = AddressTable.make();
    const link = respondingLink(benchLink, mac(benchMac), []);
    const rows = [ask.targetIp, solicit.target].map(text => ({ address: address(text), mode: 'session' as const }));
    table.replaceAll(rows.map(row => ({ ...row, link: benchLink })));
    table.setDeadlines({ sessionMs: forEver, holdMs: 0 });
    const out = new Uint8Array(REPLY_OCTETS_MAX);
    const templates = [
      arpFrame(ask),
      arpFrame({ ...ask, to: benchMac, length: 42 }),
      neighborFrame(solicit),
      neighborFrame({ ...solicit, to: benchMac, destination: solicit.target }),
    ];
    const bytes = fc.oneof(fc.constantFrom(0, 1, 2, 6, 58, 127, 128, 135, 224, 255), fc.nat(255));
    const change = fc.tuple(fc.nat(85), bytes);
    let sent = 0;
    fc.assert(
      fc.property(fc.constantFrom(...templates), fc.array(change, { maxLength: 3 }), (template, changes) => {
        const frame = altered(template, ...changes.filter(([at]) => at < template.length));
        const { verdict, frame: after } = bench.run(frame);
        if (verdict === 'passed') return;
        sent++;
        const length = respond(table, link, frame, frame.length, 0, out);
        expect(length).toBeGreaterThan(0);
        expect(Buffer.from(after.subarray(0, length)).toString('hex')).toBe(
          Buffer.from(out.subarray(0, length)).toString('hex'),
        );
      }),
      { numRuns: 20_000 },
    );
    expect(sent).toBeGreaterThan(1000);
  });
});
