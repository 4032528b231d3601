/**
 * What a responder does on the wire, whichever path answers: L1-L10 and L16 of the reference, RFC 826, RFC 5227, RFC
 * 4861 §7, and the programs people use, arping(8) and ndisc6(8). Both paths pass all of it.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gratuitousArp } from '../../src/l2/arp.ts';
import { unsolicitedAdvertisement } from '../../src/l2/ndp.ts';
import type { Datapath } from '../../src/runtime/responder.ts';
import {
  type ArpFields,
  arpFrame,
  linkOption,
  type NeighborFields,
  neighborFrame,
  type Seen,
  solicitedNode,
} from './l2-frames.ts';
import { isAnswer, parse, WireBench } from './l2-wire-bench.ts';
import { namespacesMissing } from './netns.ts';
import { eventually } from './wait.ts';
import { within } from './within-namespace.ts';

const V4 = '10.9.0.99';
const V6 = 'fd09::99';
/** In no subnet of the node: its kernel would say at once that there is no way there. */
const FAR_V6 = 'fd77::99';
const SOMEBODY = '02:00:00:00:00:77';

export function wireSuite(datapath: Datapath): void {
  const missing = namespacesMissing();
  describe.skipIf(missing !== undefined)(`on the wire, ${datapath}${missing ? ` (${missing})` : ''}`, () => {
    let bench: WireBench;
    const arp = (fields: Partial<ArpFields> = {}) =>
      arpFrame({ from: bench.station.mac, senderIp: '10.9.0.2', targetIp: V4, ...fields });
    const ns = (fields: Partial<NeighborFields> = {}) =>
      neighborFrame({ from: bench.station.mac, source: 'fd09::2', target: V6, ...fields });

    beforeAll(async () => {
      bench = await WireBench.open(datapath);
      bench.own(V4, V6);
      expect(bench.responder.status().links).toMatchObject([{ name: 'eth0', datapath, problem: undefined }]);
    });
    afterAll(() => bench?.close());

    describe('ARP questions', () => arpQuestions(() => bench, arp));
    describe('solicitations', () => solicitations(() => bench, ns));
    describe('beside answers', () => besides(() => bench, arp, ns));
    describe('what is malformed or meant for others', () => strangers(() => bench, arp, ns));
    describe('what is not owned, or no longer', () => notOwned(() => bench, arp, ns));
    describe('other stations', () => stations(() => bench, arp, ns));
    describe('other stations, many times', () => claimFlood(() => bench));
    describe('programs', () => programs(() => bench));
  });
}

type Arp = (fields?: Partial<ArpFields>) => Uint8Array;
type Ns = (fields?: Partial<NeighborFields>) => Uint8Array;

function arpQuestions(on: () => WireBench, arp: Arp): void {
  const replied = (bench: WireBench) => {
    const [to, from] = [bench.station.mac, bench.mac];
    return { kind: 'arp', to, from, operation: 2, senderMac: from, senderIp: V4, targetMac: to, targetIp: '10.9.0.2' };
  };

  it('L3: a broadcast request gets one reply, from the MAC of the link, to the asker alone', async () => {
    expect(await on().answered(arp())).toEqual(replied(on()));
  });

  it('L4: a request to our MAC (a probe of a known neighbour) is answered', async () => {
    expect(await on().answered(arp({ to: on().mac, targetMac: on().mac }))).toEqual(replied(on()));
  });

  it('RFC 5227 §2.1.1: a probe, whose sender has no address yet, is answered', async () => {
    expect(await on().answered(arp({ senderIp: '0.0.0.0' }))).toEqual({ ...replied(on()), targetIp: '0.0.0.0' });
  });

  it('L16: octets behind the packet are padding, however many', async () => {
    expect(await on().answered(arp({ length: 1500 }))).toEqual(replied(on()));
    expect(await on().answered(arp({ length: 42 }))).toEqual(replied(on()));
  });
}

function solicitations(on: () => WireBench, ns: Ns): void {
  const advertised = (bench: WireBench) => {
    const [to, from] = [bench.station.mac, bench.mac];
    const ends = { to, from, source: V6, destination: 'fd09::2', hopLimit: 255, target: V6, option: from };
    // Solicited and override, RFC 4861 §7.2.4.
    return { kind: 'advertisement', ...ends, flags: 3, isChecksumRight: true };
  };

  it('L8: a solicitation to the group of the address is answered, solicited and overriding', async () => {
    expect(await on().answered(ns())).toEqual(advertised(on()));
  });

  it('L9: a unicast solicitation without link-layer option is answered to where it came from', async () => {
    const bare = { to: on().mac, destination: V6, options: new Uint8Array(0) };
    expect(await on().answered(ns(bare))).toEqual(advertised(on()));
    expect(await on().answered(ns({ ...bare, options: linkOption(1, on().station.mac) }))).toEqual(advertised(on()));
  });

  it('L10: a probe of duplicate address detection is answered to all nodes (RFC 4861 §7.2.4)', async () => {
    const toAll = { to: '33:33:00:00:00:01', destination: 'ff02::1', flags: 1 };
    expect(await on().answered(ns({ source: '::', options: new Uint8Array(0) }))).toEqual({
      ...advertised(on()),
      ...toAll,
    });
  });

  it('RFC 4861 §4.6: options that mean nothing to us are passed over', async () => {
    const unknown = Uint8Array.from([14, 1, 1, 2, 3, 4, 5, 6, ...linkOption(1, on().station.mac)]);
    expect(await on().answered(ns({ options: unknown }))).toEqual(advertised(on()));
  });
}

function besides(on: () => WireBench, arp: Arp, ns: Ns): void {
  it('counts answers, and knows who asked last', async () => {
    const row = () =>
      on()
        .responder.status()
        .rows.find(each => each.address.value === parse(V4).value);
    const before = row()?.answers ?? 0;
    for (let i = 0; i < 3; i++) await on().answered(arp({ senderIp: `10.9.0.${70 + i}` }));
    expect(row()).toMatchObject({ answers: before + 3, lastAsker: parse('10.9.0.72') });
  });

  it('a main thread that does not come back changes nothing', () => {
    const { station } = on();
    for (const question of [arp(), ns()]) {
      station.forget();
      station.send(question);
      // Not a turn of the event loop between question and answer.
      for (const endMs = performance.now() + 30_000; !station.seen.some(isAnswer); )
        if (performance.now() > endMs) throw new Error('no answer while the main thread is busy');
    }
  });

  it('L7: sends gratuitous ARP in both forms and the unsolicited advertisement as they were made', async () => {
    const { station, responder, link, mac } = on();
    station.forget();
    const frames = [...gratuitousArp(link.mac, parse(V4)), unsolicitedAdvertisement(link.mac, parse(V6))];
    for (const frame of frames) responder.send(link.index, frame);
    const arps = () => station.seen.filter(seen => seen.kind === 'arp');
    await eventually('both forms', () => arps().length === 2);
    const said = { from: mac, to: 'ff:ff:ff:ff:ff:ff', senderMac: mac, senderIp: V4, targetIp: V4 };
    expect(arps()).toMatchObject([
      { ...said, operation: 1 },
      { ...said, operation: 2 },
    ]);
    const isSaid = (seen: Seen) => seen.kind === 'advertisement';
    await eventually('the advertisement', () => station.seen.some(isSaid));
    expect(station.seen.find(isSaid)).toMatchObject({ from: mac, destination: 'ff02::1', target: V6, flags: 1 });
  });

  it('the kernel does not refuse what we answer: no ICMPv6 unreachable beside the advertisement', async () => {
    const bench = on();
    bench.node.run('sysctl', '-qw', 'net.ipv6.conf.all.forwarding=1');
    bench.own(V4, V6, FAR_V6);
    const isRefusal = (seen: Seen) => seen.kind === 'other' && seen.icmp === 1;
    const unicast = (target: string, options: Uint8Array) =>
      ns({ to: bench.mac, destination: target, target, options });
    await bench.answered(unicast(FAR_V6, new Uint8Array(0)));
    await bench.answered(unicast(FAR_V6, linkOption(1, bench.station.mac)));
    // What is not owned is refused, after all that was sent before: it would have been seen.
    bench.station.send(unicast('fd77::98', new Uint8Array(0)));
    await eventually('the refusal', () => bench.station.seen.some(isRefusal));
    expect(bench.station.seen.filter(isRefusal)).toHaveLength(1);
    bench.own(V4, V6);
  });
}

function strangers(on: () => WireBench, arp: Arp, ns: Ns): void {
  const vlan = Uint8Array.from([0x81, 0x00, 0x00, 0x07]);

  it.each<[string, string, () => Uint8Array]>([
    ['L1: a reply', 'reply', () => arp({ operation: 2 })],
    ['L2: a request to another station', 'not-for-us', () => arp({ to: SOMEBODY })],
    ['L5: an address that is not owned', 'not-owned', () => arp({ targetIp: '10.9.0.98' })],
    ['L5: its solicitation', 'not-owned', () => ns({ target: 'fd09::98' })],
    ['L16: a request cut short', 'truncated', () => arp().subarray(0, 30)],
    ['L16: of another hardware type', 'wrong-hardware-type', () => arp({ hardware: 6 })],
    ['L16: of another protocol', 'wrong-protocol-type', () => arp({ protocol: 0x86dd })],
    ['L16: neither request nor reply', 'other-operation', () => arp({ operation: 3 })],
    ['L16: in a VLAN that is not ours', 'vlan-tagged', () => arp({ tag: vlan, length: 64 })],
    ['L16: a sender that is a group', 'bad-sender', () => arp({ senderMac: '01:00:5e:00:00:01' })],
    ['L16: a solicitation cut short', 'truncated', () => ns().subarray(0, 70)],
    ['RFC 4861 §7.1.1: from beyond a router', 'hop-limit', () => ns({ hopLimit: 64 })],
    ['RFC 4861 §7.1.1: a wrong checksum', 'bad-checksum', () => ns({ checksumError: 1 })],
    ['RFC 4861 §7.1.1: a code', 'bad-code', () => ns({ code: 1 })],
    ['RFC 4861 §7.1.1: an option of no length', 'zero-length-option', () => ns({ options: new Uint8Array(8) })],
    [
      'RFC 4861 §7.1.1: a probe that names its link-layer address',
      'probe-with-link-option',
      () => ns({ source: '::', options: linkOption(1, SOMEBODY) }),
    ],
    [
      'RFC 4861 §7.1.1: a probe that is not sent to the group',
      'bad-destination',
      () => ns({ source: '::', destination: V6, to: on().mac, options: new Uint8Array(0) }),
    ],
    [
      'RFC 4861 §4.6: an option that ends behind the packet',
      'truncated-option',
      () => ns({ options: Uint8Array.from([1, 2, 0, 0, 0, 0, 0, 0]) }),
    ],
    ['a group as target', 'bad-target', () => ns({ target: 'ff02::99', destination: solicitedNode(V6) })],
    [
      'an advertisement for an address of somebody else',
      'reply',
      () => ns({ type: 136, target: 'fd09::2', destination: 'ff02::1', options: linkOption(2, SOMEBODY) }),
    ],
  ])('%s: %s', (_, reason, frame) => on().dropped(frame(), reason));

  it('L16: a solicitation in a VLAN that is not ours', async () => {
    const plain = ns();
    const tagged = new Uint8Array(plain.length + 4);
    tagged.set(plain.subarray(0, 12));
    tagged.set(vlan, 12);
    tagged.set(plain.subarray(12), 16);
    await on().dropped(tagged, 'vlan-tagged');
  });
}

function notOwned(on: () => WireBench, arp: Arp, ns: Ns): void {
  it('L5: an address that is owned on another link', async () => {
    on().own({ address: parse(V4), link: on().link.index + 1000 }, V6);
    await on().dropped(arp(), 'other-link');
    on().own(V4, V6);
    await on().answered(arp());
  });

  it('L6: an address as long as it is owned, and no longer', async () => {
    on().own(V6);
    await on().dropped(arp(), 'not-owned');
    on().own(V4);
    await on().answered(arp());
    await on().dropped(ns(), 'not-owned');
    on().own(V4, V6);
    await on().answered(ns());
  });

  it('beyond the deadline, by the frame; each mode by its own', async () => {
    on().until(0, 3_600_000);
    await on().dropped(arp(), 'deadline-passed');
    await on().dropped(ns(), 'deadline-passed');
    on().own({ address: parse(V4), mode: 'hold' }, V6);
    on().until(3_600_000, 0);
    await on().dropped(arp(), 'deadline-passed');
    await on().answered(ns());
    on().own(V4, V6);
    await on().answered(arp());
  });

  it('a row that only listens', async () => {
    on().own({ address: parse(V4), mode: 'listen' }, { address: parse(V6), mode: 'listen' });
    await on().dropped(arp(), 'listening');
    await on().dropped(ns(), 'listening');
    on().own(V4, V6);
  });

  it('a flood of anything, after which it answers as before', async () => {
    const { station } = on();
    const counted = () => Object.values(on().responder.status().drops).reduce((sum, each) => sum + each, 0);
    const before = counted();
    let sent = 0;
    for (let i = 0; i < 10_000; i++, sent += 2) {
      station.send(arp({ targetIp: `10.8.${i & 255}.${i >> 8}` }));
      station.send(ns({ target: `fd08::${i.toString(16)}`, checksumError: i & 1 }));
    }
    await eventually('every frame counted', () => counted() - before >= sent, {
      detail: () => `${counted() - before} of ${sent}`,
    });
    await on().answered(arp());
    await on().answered(ns());
  });
}

function stations(on: () => WireBench, arp: Arp, ns: Ns): void {
  const claim = () => arpFrame({ from: on().rivalMac, senderIp: V4, targetIp: V4 });
  const claim6 = () => {
    const options = linkOption(2, on().rivalMac);
    const fields = { type: 136, target: V6, destination: 'ff02::1', flags: 0x20, options };
    return neighborFrame({ from: on().rivalMac, source: V6, ...fields });
  };
  const heardOf = async (text: string) => {
    const { value } = parse(text);
    return eventually('heard', () => on().heard.find(each => each.address.value === value));
  };

  it('a claim for an address in session is told, and the address kept', async () => {
    on().heard.length = 0;
    on().station.send(claim());
    on().station.send(claim6());
    expect(await heardOf(V4)).toMatchObject({ kind: 'claim', yielded: false, link: on().link.index });
    expect(await heardOf(V6)).toMatchObject({ kind: 'claim', yielded: false });
    await on().answered(arp());
    await on().answered(ns());
  });

  it.each([
    ['a gratuitous request', claim, 'claim'],
    ['a gratuitous reply', () => arpFrame({ from: on().rivalMac, senderIp: V4, targetIp: V4, operation: 2 }), 'claim'],
    [
      'a reply to somebody',
      () => arpFrame({ from: on().rivalMac, to: on().mac, senderIp: V4, targetIp: '10.9.0.1', operation: 2 }),
      'answer',
    ],
    ['a question in its name', () => arpFrame({ from: on().rivalMac, senderIp: V4, targetIp: '10.9.0.2' }), 'claim'],
  ] as const)('an address in hold is given up at once on %s, until it is owned anew', async (_, frame, kind) => {
    on().heard.length = 0;
    on().own({ address: parse(V4), mode: 'hold' }, V6);
    await on().answered(arp());
    on().station.send(frame());
    expect(await heardOf(V4)).toMatchObject({ kind, yielded: true });
    await on().dropped(arp(), 'listening');
    // Said again, it is still given up; and it is no row that answers.
    on().own({ address: parse(V4), mode: 'hold' }, V6);
    await on().dropped(arp(), 'listening');
    expect(
      on()
        .responder.status()
        .rows.map(row => row.address),
    ).toEqual([parse(V6)]);
    on().own(V4, V6);
    await on().answered(arp());
  });

  it('so is an IPv6 one on an unsolicited advertisement', async () => {
    on().heard.length = 0;
    on().own(V4, { address: parse(V6), mode: 'hold' });
    await on().answered(ns());
    on().station.send(claim6());
    expect(await heardOf(V6)).toMatchObject({ kind: 'claim', yielded: true });
    await on().dropped(ns(), 'listening');
    on().own(V4, V6);
    await on().answered(ns());
  });
}

function claimFlood(on: () => WireBench): void {
  const claim = () => arpFrame({ from: on().rivalMac, senderIp: V4, targetIp: V4 });

  it('a flood of claims is told a few times, not a thousand', async () => {
    on().heard.length = 0;
    const before = on().drops('heard-claim');
    for (let i = 0; i < 1000; i++) on().station.send(claim());
    await eventually('all heard', () => on().drops('heard-claim') >= before + 1000);
    // Told now and then as long as it lasts.
    await eventually('told', () => {
      on().station.send(claim());
      return on().heard.length > 0;
    });
    expect(on().heard.length).toBeLessThan(10);
  });
}

function programs(on: () => WireBench): void {
  it('arping sees the MAC of the link, once for each question', () => {
    const said = on().asker.run('arping', '-c', '2', '-W', '0.5', '-I', 'eth0', V4);
    expect(said).toMatch(/2 packets transmitted, 2 packets received,\s+0% unanswered \(0 extra\)/);
    expect(said).toContain(`from ${on().mac}`);
  });

  it('ndisc6 sees the MAC of the link, once', () => {
    const said = on().asker.run('ndisc6', '-m', '-r', '1', '-w', '200', V6, 'eth0');
    expect(said.match(/Target link-layer address: (\S+)/g)).toEqual([
      `Target link-layer address: ${on().mac.toUpperCase()}`,
    ]);
  });

  it('the kernel of another station reaches it, and stays reachable (RFC 4861 §7.3)', async () => {
    const { asker, mac } = on();
    const neighbour = (...words: string[]) => asker.run('ip', 'neigh', ...words).toLowerCase();
    const probe = (address: string) =>
      within(asker, () => neighbour('replace', address, 'lladdr', mac, 'dev', 'eth0', 'nud', 'probe'));
    for (const address of [V4, V6]) {
      probe(address);
      await eventually(`${address} is reachable`, () => /reachable/.test(neighbour('show', address, 'dev', 'eth0')));
    }
  });
}
