/**
 * The in-kernel responder on a link of its own: rows, modes and deadlines as they change, links that come and go, what
 * the packet sockets beside it see. L12, L16.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadLibc } from '../../src/linux/libc.ts';
import { openPacketSocket } from '../../src/linux/packet-socket.ts';
import { rowClearer } from '../../src/linux/tcx.ts';
import { mapShapes } from '../../src/linux/tcx-maps.ts';
import { IpAddress } from '../../src/net/ip.ts';
import { Mac } from '../../src/net/mac.ts';
import { arpFrame, neighborFrame, type Seen } from '../support/l2-frames.ts';
import { Station } from '../support/l2-station.ts';
import { namespacesMissing } from '../support/netns.ts';
import { bpfMissing } from '../support/tcx-bench.ts';
import { address, address4, address6, isAnswer, later, TcxRig } from '../support/tcx-rig.ts';
import { eventually } from '../support/wait.ts';
import { within } from '../support/within-namespace.ts';

const libc = await loadLibc();
const missing = namespacesMissing() ?? (await bpfMissing());

describe.skipIf(missing !== undefined)(`the in-kernel responder${missing ? ` (${missing})` : ''}`, () => {
  let rig: TcxRig;
  beforeEach(() => {
    rig = new TcxRig();
  });
  afterEach(() => rig.close());

  it('answers ARP and solicitations for its rows on the link, and for nothing else', async () => {
    await rig.answering();
    await rig.expectAnswer(address4);
    await rig.expectAnswer(address6);
    await rig.expectSilence('192.0.2.51');
    await rig.expectSilence('2001:db8::51');
  });

  it('leaves what it answers to sockets of every protocol alone, the rest to those of one as well', async () => {
    await rig.answering();
    const sockets = within(rig.node, () => [
      openPacketSocket(libc, rig.link.index, 'arp'),
      openPacketSocket(libc, rig.link.index, 'neighbor'),
    ]);
    rig.ends.push(() => sockets.map(fd => libc.close(fd)));
    const heard = () => {
      const frame = new Uint8Array(2048);
      const from = new Uint8Array(20);
      return sockets.map(fd => {
        let count = 0;
        while (libc.recvfrom(fd, frame, from) !== undefined) count++;
        return count;
      });
    };
    const every = new Station(libc, rig.node, 'va');
    rig.ends.push(() => every.close());
    await rig.expectAnswer(address4);
    await rig.expectAnswer(address6);
    const asked = (seen: Seen) => seen.kind === 'solicitation' || (seen.kind === 'arp' && seen.operation === 1);
    await eventually('both at the socket of every protocol', () => every.seen.filter(asked).length === 2);
    expect(heard()).toEqual([0, 0]);
    rig.station.send(arpFrame({ from: rig.station.mac, senderIp: address4, targetIp: address4 }));
    rig.station.send(
      neighborFrame({ from: rig.station.mac, source: '2001:db8::1', target: address6, checksumError: 1 }),
    );
    const total = [0, 0];
    await eventually('both at the sockets of one', () => {
      for (const [i, count] of heard().entries()) total[i] = (total[i] ?? 0) + count;
      return total.every(count => count === 1);
    });
  });

  it('L16 passes on what has a VLAN tag', async () => {
    await rig.answering();
    const tagged = arpFrame({
      from: rig.station.mac,
      senderIp: '192.0.2.1',
      targetIp: address4,
      tag: Uint8Array.of(0x81, 0, 0, 5),
    });
    rig.station.send(tagged);
    await rig.expectAnswer(address4);
    expect(rig.station.seen.filter(isAnswer)).toHaveLength(1);
  });

  it('changes with its rows, modes and deadlines, from the next frame on', async () => {
    const datapath = await rig.answering();
    datapath.program(rig.rows('hold', address4));
    expect(datapath.rows()).toEqual(rig.rows('hold', address4));
    await rig.expectAnswer(address4);
    await rig.expectSilence(address6);
    datapath.deadlines({ sessionMs: later(600_000), holdMs: later(-1) });
    await rig.expectSilence(address4);
    datapath.program(rig.rows());
    await rig.expectAnswer(address4);
    datapath.deadlines({ sessionMs: 0, holdMs: 0 });
    await rig.expectSilence(address4);
    await rig.expectSilence(address6);
  });

  it('lowers deadlines that it finds to what it is told, and raises none', async () => {
    const first = await rig.answering();
    first.program([...rig.rows('session', address4), ...rig.rows('hold', address6)]);
    first.deadlines({ sessionMs: 0, holdMs: later(600_000) });
    await rig.leave(first, { keep: true });
    const next = await rig.open();
    next.cap(later(500_000));
    await rig.expectSilence(address4);
    await rig.expectAnswer(address6);
    next.cap(0);
    await rig.expectSilence(address6);
  });

  it('counts answers by row over a change of mode, and anew for a row that was gone', async () => {
    const datapath = await rig.answering();
    await rig.expectAnswer(address4);
    await rig.expectAnswer(address4);
    datapath.program(rig.rows('hold', address4));
    await rig.expectAnswer(address4);
    const [counter] = datapath.counters();
    expect(counter).toMatchObject({ link: rig.link.index, address: address(address4), answers: 3 });
    expect(counter?.last).toMatchObject({ asker: address('192.0.2.1'), mac: Mac.parse(rig.station.mac) });
    datapath.program([]);
    datapath.program(rig.rows('session', address4));
    expect(datapath.counters()).toEqual([{ ...rig.rows()[0], mode: undefined, answers: 0, last: undefined }]);
  });

  it('leaves more rows than its maps hold to the sockets', async () => {
    const datapath = await rig.answering();
    const { entriesMax } = mapShapes.rows;
    const many = Array.from({ length: entriesMax + 10 }, (_, i) => ({
      link: rig.link.index,
      mode: 'session' as const,
      address: IpAddress.of('ipv4', 0x0a00_0000n + BigInt(i)),
    }));
    datapath.program(many);
    expect(datapath.rows()).toHaveLength(entriesMax);
    datapath.program(rig.rows());
    await rig.expectAnswer(address4);
    await rig.expectSilence('10.0.0.1');
  });

  it('drops a row that another thread cleared, and has it again once it is told so', async () => {
    const datapath = await rig.answering();
    const clear = await rowClearer(datapath.rowsFd);
    clear(rig.link.index, IpAddress.toBytes(address(address4)));
    await rig.expectSilence(address4);
    clear(rig.link.index, IpAddress.toBytes(address(address4)));
    datapath.yielded(rig.link.index, address(address4));
    expect(datapath.rows()).toEqual(rig.rows('session', address6));
    datapath.program(rig.rows());
    await rig.expectAnswer(address4);
  });

  it('L12 answers on a link that came again under its old name and index, with its new MAC', async () => {
    const datapath = await rig.answering();
    rig.node.ip('link', 'del', 'va');
    expect([...rig.attach(datapath, rig.link).keys()]).toEqual([rig.link.index]);
    const other = rig.net.namespace('again');
    rig.node.ip(
      ...['link', 'add', 'va', 'index', `${rig.link.index}`, 'type', 'veth', 'peer', 'vb', 'netns', other.name],
    );
    rig.node.ip('link', 'set', 'va', 'up');
    other.ip('link', 'set', 'vb', 'up');
    rig.look();
    rig.station.close();
    rig.station = new Station(libc, other, 'vb');
    await eventually('the carrier', () => rig.node.ip('link', 'show', 'dev', 'va').includes('LOWER_UP'));
    expect(rig.attach(datapath, rig.link)).toEqual(new Map());
    await rig.expectAnswer(address4);
    rig.node.ip('link', 'set', 'va', 'address', '02:00:00:00:00:42');
    rig.look();
    expect(rig.attach(datapath, rig.link)).toEqual(new Map());
    await rig.expectAnswer(address6);
    expect(rig.attach(datapath)).toEqual(new Map());
    await rig.expectSilence(address4);
  });

  it('says which link it cannot have, and has the others', async () => {
    const datapath = await rig.open();
    const problems = rig.attach(datapath, rig.link, { ...rig.link, name: 'gone', index: 4000 });
    expect([...problems]).toEqual([[4000, expect.stringContaining('LINK_CREATE')]]);
    datapath.program(rig.rows());
    datapath.deadlines({ sessionMs: later(600_000), holdMs: 0 });
    await rig.expectAnswer(address4);
  });
});
