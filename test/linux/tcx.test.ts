/**
 * The in-kernel responder on a link of its own: attached, told rows and deadlines, taken over by another process, killed,
 * cleaned away, refused. A machine on the other end of the link asks.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PinPlaces } from '../../src/linux/bpf-filesystem.ts';
import { loadLibc } from '../../src/linux/libc.ts';
import { openPacketSocket } from '../../src/linux/packet-socket.ts';
import { removeTcx, rowClearer, TcxDatapath } from '../../src/linux/tcx.ts';
import { IpAddress } from '../../src/net/ip.ts';
import { Mac } from '../../src/net/mac.ts';
import type { OwnedRow, ResponderLink } from '../../src/runtime/responder.ts';
import { arpFrame, neighborFrame, type Seen } from '../support/l2-frames.ts';
import { Station } from '../support/l2-station.ts';
import { type Namespace, Net, namespacesMissing } from '../support/netns.ts';
import type { TcxAgentWord, TcxAgentWork } from '../support/tcx-agent.ts';
import { bpfMissing } from '../support/tcx-bench.ts';
import { eventually } from '../support/wait.ts';
import { within } from '../support/within-namespace.ts';

const libc = await loadLibc();
const missing = namespacesMissing() ?? (await bpfMissing());
const address4 = '192.0.2.50';
const address6 = '2001:db8::50';

function address(text: string): IpAddress {
  const parsed = IpAddress.parse(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
}

interface Probe {
  /** CLOCK_BOOTTIME before and after it was sent. */
  readonly askedMs: number;
  readonly sentMs: number;
  isAnswered: boolean;
}

/** A question each millisecond, every one from another address, and which of them were answered. */
class Probing {
  readonly probes: Probe[] = [];
  readonly #station: Station;
  #isStopped = false;

  constructor(station: Station) {
    this.#station = station;
    station.forget();
  }

  async run(endMs: number): Promise<void> {
    for (let i = 0; libc.boottimeMs() < endMs && !this.#isStopped; i++) {
      const senderIp = `10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`;
      const askedMs = libc.boottimeMs();
      this.#station.send(arpFrame({ from: this.#station.mac, senderIp, targetIp: address4 }));
      this.probes.push({ askedMs, sentMs: libc.boottimeMs(), isAnswered: false });
      await delay(1);
      this.#collect();
    }
  }

  stop(): void {
    this.#isStopped = true;
  }

  unanswered(): number {
    this.#collect();
    return this.probes.filter(probe => !probe.isAnswered).length;
  }

  #collect(): void {
    for (const seen of this.#station.seen) {
      if (seen.kind !== 'arp' || seen.operation !== 2) continue;
      const [, a = 0, b = 0, c = 0] = seen.targetIp.split('.').map(Number);
      const probe = this.probes[(a << 16) | (b << 8) | c];
      if (probe !== undefined) probe.isAnswered = true;
    }
    this.#station.forget();
  }
}

describe.skipIf(missing !== undefined)(`the in-kernel responder${missing ? ` (${missing})` : ''}`, () => {
  let net: Net;
  let node: Namespace;
  let station: Station;
  let link: ResponderLink;
  let folder: string;
  let places: PinPlaces;
  const ends: (() => Promise<unknown> | unknown)[] = [];

  beforeEach(() => {
    net = new Net();
    node = net.namespace('node');
    const other = net.namespace('other');
    net.link({ in: node, link: 'va' }, { in: other, link: 'vb' });
    link = linkNow();
    station = new Station(libc, other, 'vb');
    folder = mkdtempSync(join(tmpdir(), 'herald-tcx-'));
    places = { host: join(folder, 'none'), own: join(folder, 'bpf'), name: 'herald' };
  });

  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
    await removeTcx(places);
    station.close();
    net.close();
    rmSync(folder, { recursive: true });
  });

  function linkNow(): ResponderLink {
    const [, index = '', mac = ''] = /^([0-9]+):.*link\/ether (\S+)/.exec(node.ip('-o', 'link', 'show', 'va')) ?? [];
    return { name: 'va', index: Number(index), mac: Mac.parse(mac) ?? Mac.broadcast };
  }

  async function open(): Promise<TcxDatapath> {
    const datapath = await TcxDatapath.open(places);
    ends.push(() => datapath.close({ keep: true }));
    return datapath;
  }

  function attach(datapath: TcxDatapath, ...links: readonly ResponderLink[]): ReadonlyMap<number, string> {
    return within(node, () => datapath.links(links));
  }

  function rows(mode: OwnedRow['mode'] = 'session', ...texts: readonly string[]): OwnedRow[] {
    const all = texts.length > 0 ? texts : [address4, address6];
    return all.map(text => ({ link: link.index, address: address(text), mode }));
  }

  const later = (ms: number) => libc.boottimeMs() + ms;

  /** A responder at work. */
  async function answering(): Promise<TcxDatapath> {
    const datapath = await open();
    expect(attach(datapath, link)).toEqual(new Map());
    datapath.program(rows());
    datapath.deadlines({ sessionMs: later(600_000), holdMs: later(600_000) });
    return datapath;
  }

  function ask(text: string): void {
    station.forget();
    if (text.includes(':')) station.send(neighborFrame({ from: station.mac, source: '2001:db8::1', target: text }));
    else station.send(arpFrame({ from: station.mac, senderIp: '192.0.2.1', targetIp: text }));
  }

  async function expectAnswer(text: string): Promise<void> {
    ask(text);
    const is = (seen: Seen): seen is Seen =>
      (seen.kind === 'arp' && seen.operation === 2) || seen.kind === 'advertisement';
    const seen = await station.sees(`an answer for ${text}`, is);
    expect(seen).toMatchObject({ from: Mac.format(link.mac) });
  }

  /** An answer to a later question would have come after one to this. */
  async function expectSilence(text: string): Promise<void> {
    const datapath = await TcxDatapath.open({ ...places, own: join(folder, 'witness') });
    const witness = '192.0.2.99';
    within(node, () => datapath.links([link]));
    datapath.program([{ link: link.index, address: address(witness), mode: 'session' }]);
    datapath.deadlines({ sessionMs: later(600_000), holdMs: 0 });
    ask(text);
    station.send(arpFrame({ from: station.mac, senderIp: '192.0.2.1', targetIp: witness }));
    await station.sees('the witness', (seen): seen is Seen => seen.kind === 'arp' && seen.senderIp === witness);
    expect(station.seen.filter(seen => seen.kind === 'arp' && seen.operation === 2)).toHaveLength(1);
    expect(station.seen.filter(seen => seen.kind === 'advertisement')).toEqual([]);
    await datapath.close({ keep: false });
  }

  /** The agent of test/support/tcx-agent.ts in the node's namespace, once it has spoken. */
  async function agent(work: Partial<TcxAgentWork>, ...via: readonly string[]): Promise<[ChildProcess, TcxAgentWord]> {
    const whole = { places, index: link.index, mac: Mac.format(link.mac), ...work };
    const [command = '', ...rest] = ['nsenter', `--net=/run/netns/${node.name}`, ...via, process.execPath];
    const script = new URL('../support/tcx-agent.ts', import.meta.url).pathname;
    const child = spawn(command, [...rest, script, JSON.stringify(whole)], { stdio: ['pipe', 'pipe', 'inherit'] });
    ends.push(() => kill(child));
    const { value } = await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next();
    return [child, JSON.parse(value)];
  }

  async function kill(child: ChildProcess): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise(resolve => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }

  it('answers ARP and solicitations for its rows on the link, and for nothing else', async () => {
    await answering();
    await expectAnswer(address4);
    await expectAnswer(address6);
    await expectSilence('192.0.2.51');
    await expectSilence('2001:db8::51');
  });

  it('leaves what it answers to sockets of every protocol alone, and what it does not to those of one as well', async () => {
    await answering();
    const sockets = within(node, () => [
      openPacketSocket(libc, link.index, 'arp'),
      openPacketSocket(libc, link.index, 'neighbor'),
    ]);
    ends.push(() => sockets.map(fd => libc.close(fd)));
    const heard = () => {
      const frame = new Uint8Array(2048);
      const from = new Uint8Array(20);
      return sockets.map(fd => {
        let count = 0;
        while (libc.recvfrom(fd, frame, from) !== undefined) count++;
        return count;
      });
    };
    const every = new Station(libc, node, 'va');
    ends.push(() => every.close());
    await expectAnswer(address4);
    await expectAnswer(address6);
    const asked = (seen: Seen) => seen.kind === 'solicitation' || (seen.kind === 'arp' && seen.operation === 1);
    await eventually('both at the socket of every protocol', () => every.seen.filter(asked).length === 2);
    expect(heard()).toEqual([0, 0]);
    station.send(arpFrame({ from: station.mac, senderIp: address4, targetIp: address4 }));
    station.send(neighborFrame({ from: station.mac, source: '2001:db8::1', target: address6, checksumError: 1 }));
    const total = [0, 0];
    await eventually('both at the sockets of one', () => {
      for (const [i, count] of heard().entries()) total[i] = (total[i] ?? 0) + count;
      return total.every(count => count === 1);
    });
  });

  it('L16 passes on what has a VLAN tag', async () => {
    await answering();
    const tagged = arpFrame({
      from: station.mac,
      senderIp: '192.0.2.1',
      targetIp: address4,
      tag: Uint8Array.of(0x81, 0, 0, 5),
    });
    station.send(tagged);
    await expectAnswer(address4);
    expect(station.seen.filter(seen => seen.kind === 'arp' && seen.operation === 2)).toHaveLength(1);
  });

  it('changes with its rows, modes and deadlines, from the next frame on', async () => {
    const datapath = await answering();
    datapath.program(rows('hold', address4));
    expect(datapath.rows()).toEqual(rows('hold', address4));
    await expectAnswer(address4);
    await expectSilence(address6);
    datapath.deadlines({ sessionMs: later(600_000), holdMs: later(-1) });
    await expectSilence(address4);
    datapath.program(rows());
    await expectAnswer(address4);
    datapath.deadlines({ sessionMs: 0, holdMs: 0 });
    await expectSilence(address4);
    await expectSilence(address6);
  });

  it('counts answers by row over a change of mode, and anew for a row that was gone', async () => {
    const datapath = await answering();
    await expectAnswer(address4);
    await expectAnswer(address4);
    datapath.program(rows('hold', address4));
    await expectAnswer(address4);
    const [counter] = datapath.counters();
    expect(counter).toMatchObject({ link: link.index, address: address(address4), answers: 3 });
    expect(counter?.last).toMatchObject({ asker: address('192.0.2.1'), mac: Mac.parse(station.mac) });
    datapath.program([]);
    datapath.program(rows('session', address4));
    expect(datapath.counters()).toEqual([{ ...rows()[0], mode: undefined, answers: 0, last: undefined }]);
  });

  it('drops a row that another thread cleared, and has it again once it is told so', async () => {
    const datapath = await answering();
    const clear = await rowClearer(datapath.rowsFd);
    clear(link.index, IpAddress.toBytes(address(address4)));
    await expectSilence(address4);
    clear(link.index, IpAddress.toBytes(address(address4)));
    datapath.yielded(link.index, address(address4));
    expect(datapath.rows()).toEqual(rows('session', address6));
    datapath.program(rows());
    await expectAnswer(address4);
  });

  it('L12 answers on a link that came again under its old name and index, with its new MAC', async () => {
    const datapath = await answering();
    node.ip('link', 'del', 'va');
    expect([...attach(datapath, link).keys()]).toEqual([link.index]);
    const other = net.namespace('again');
    node.ip('link', 'add', 'va', 'index', String(link.index), 'type', 'veth', 'peer', 'vb', 'netns', other.name);
    node.ip('link', 'set', 'va', 'up');
    other.ip('link', 'set', 'vb', 'up');
    link = linkNow();
    station.close();
    station = new Station(libc, other, 'vb');
    await eventually('the carrier', () => node.ip('link', 'show', 'dev', 'va').includes('LOWER_UP'));
    expect(attach(datapath, link)).toEqual(new Map());
    await expectAnswer(address4);
    node.ip('link', 'set', 'va', 'address', '02:00:00:00:00:42');
    link = linkNow();
    expect(attach(datapath, link)).toEqual(new Map());
    await expectAnswer(address6);
    expect(attach(datapath)).toEqual(new Map());
    await expectSilence(address4);
  });

  it('says which link it cannot have, and has the others', async () => {
    const datapath = await open();
    const problems = attach(datapath, link, { ...link, name: 'gone', index: 4000 });
    expect([...problems]).toEqual([[4000, expect.stringContaining('LINK_CREATE')]]);
    datapath.program(rows());
    datapath.deadlines({ sessionMs: later(600_000), holdMs: 0 });
    await expectAnswer(address4);
  });

  it('goes on answering when its process is killed, until the deadline, and is silent after it by itself', async () => {
    const deadlineMs = later(3000);
    const [child] = await agent({ rows: [address4, address6], sessionMs: deadlineMs });
    await expectAnswer(address4);
    await kill(child);
    const probing = new Probing(station);
    await probing.run(deadlineMs + 200);
    const { probes } = probing;
    const before = probes.filter(probe => probe.sentMs < deadlineMs - 100);
    expect(before.length).toBeGreaterThan(0);
    expect(before.filter(probe => !probe.isAnswered)).toEqual([]);
    expect(probes.filter(probe => probe.askedMs >= deadlineMs && probe.isAnswered)).toEqual([]);
  });

  it('loses no question at 1 ms spacing while its process is killed and another one takes over', async () => {
    const endMs = later(1_000_000);
    const [first, told] = await agent({ rows: [address4, address6], sessionMs: endMs });
    expect(told).toEqual({ pins: { directory: join(places.own, 'herald', 'v1') }, found: [] });
    const probing = new Probing(station);
    ends.push(() => probing.stop());
    const done = probing.run(endMs);
    await kill(first);
    // It writes nothing: rows and deadlines of the one before go on.
    const [second, word] = await agent({});
    expect([...(word.found ?? [])].sort()).toEqual([address4, address6]);
    await kill(second);
    const [, third] = await agent({ rows: [address4, address6, '192.0.2.60'], sessionMs: endMs + 1000 });
    expect(third.problem).toBeUndefined();
    probing.stop();
    await done;
    expect(probing.probes.length).toBeGreaterThan(100);
    await eventually('every answer', () => probing.unanswered() === 0, {
      detail: () => `${probing.unanswered()} lost`,
    });
    await expectAnswer('192.0.2.60');
  });

  it('ends with its process when there is no bpffs and none may be mounted, and says so', async () => {
    const [child, { pins }] = await agent(
      { rows: [address4], sessionMs: later(600_000) },
      ...['setpriv', '--bounding-set=-sys_admin', '--inh-caps=-sys_admin'],
    );
    expect(pins).toEqual({ unpinned: expect.stringMatching(/no bpffs is mounted at .*; mount\(bpf, .*EPERM/) });
    await expectAnswer(address4);
    await kill(child);
    await expectSilence(address4);
  });

  it('wants CAP_BPF and CAP_NET_ADMIN, no other user and no other capability', async () => {
    const datapath = await answering();
    await datapath.close({ keep: true });
    ends.length = 0;
    const user = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
    const has = (caps: string) => [...user, `--inh-caps=-all,${caps}`, `--ambient-caps=-all,${caps}`];
    // A directory in the bpffs that is the user's.
    const own = join(places.own, 'theirs');
    mkdirSync(own);
    node.run('chown', '65534:65534', own);
    node.run('chmod', '755', folder, places.own);
    const theirs: PinPlaces = { host: places.own, own: join(folder, 'other'), name: 'theirs' };
    const work = { places: theirs, rows: [address4], sessionMs: later(600_000) };
    const [child, word] = await agent(work, ...has('+bpf,+net_admin'));
    expect(word).toEqual({ pins: { directory: join(own, 'v1') }, found: [] });
    await kill(child);
    await removeTcx(places);
    await expectAnswer(address4);
    for (const caps of ['+net_admin', '+bpf']) {
      const [, refused] = await agent(work, ...has(caps));
      expect(refused).toEqual({ unavailable: 'bpf-denied' });
    }
    await removeTcx(theirs);
  });

  it('leaves nothing: not on close, not after a cleanup beside a living agent', async () => {
    const datapath = await answering();
    expect(readdirSync(join(places.own, 'herald', 'v1')).sort()).toEqual(
      ['answers', 'deadlines', `link-${link.index}`, 'links', 'rows'].sort(),
    );
    await datapath.close({ keep: false });
    ends.length = 0;
    expect(existsSync(places.own)).toBe(false);
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(folder);
    await expectSilence(address4);

    await agent({ rows: [address4], sessionMs: later(600_000) });
    await expectAnswer(address4);
    const gone = await removeTcx(places);
    expect(gone).toContain(join(places.own, 'herald', 'v1', `link-${link.index}`));
    await expectSilence(address4);
    expect(existsSync(places.own)).toBe(false);
    expect(await removeTcx(places)).toEqual([]);
  });

  it('takes the place of one with another layout once it has its own rows, and not before', async () => {
    const datapath = await answering();
    await datapath.close({ keep: true });
    ends.length = 0;
    const root = join(places.own, 'herald');
    node.run('mv', join(root, 'v1'), join(root, 'v0'));
    const next = await open();
    expect(next.rows()).toEqual([]);
    attach(next, link);
    await expectAnswer(address4);
    next.program(rows('session', address6));
    next.deadlines({ sessionMs: later(600_000), holdMs: 0 });
    expect(readdirSync(root)).toEqual(['v1']);
    await expectSilence(address4);
    await expectAnswer(address6);
  });
});
