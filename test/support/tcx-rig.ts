/**
 * The in-kernel responder on a node of its own, in this process or in others, and a machine on the other end of the
 * node's only link, which asks.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import type { OwnedRow } from '../../src/l2/address-table.ts';
import type { PinPlaces } from '../../src/linux/bpf-filesystem.ts';
import { loadLibc } from '../../src/linux/libc.ts';
import { removeTcx, TcxDatapath } from '../../src/linux/tcx.ts';
import { IpAddress } from '../../src/net/ip.ts';
import { Mac } from '../../src/net/mac.ts';
import type { ResponderLink } from '../../src/runtime/responder.ts';
import { arpFrame, neighborFrame, type Seen } from './l2-frames.ts';
import { Station } from './l2-station.ts';
import { type Namespace, Net } from './netns.ts';
import type { TcxAgentWord, TcxAgentWork } from './tcx-agent.ts';
import { within } from './within-namespace.ts';

const libc = await loadLibc();
/** Owned by every rig that answers. */
export const address4 = '192.0.2.50';
export const address6 = '2001:db8::50';

/** Asks, and owns nothing. */
const asker4 = '192.0.2.1';
const asker6 = '2001:db8::1';
/** Far in the future of any test. */
const LONG_MS = 600_000;

export function address(text: string): IpAddress {
  const parsed = IpAddress.parse(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
}

/** CLOCK_BOOTTIME so many milliseconds from now. */
export function later(ms: number): number {
  return libc.boottimeMs() + ms;
}

export class TcxRig {
  readonly net = new Net();
  readonly node: Namespace;
  readonly folder = mkdtempSync(join(tmpdir(), 'herald-tcx-'));
  /** No bpffs of the host's; one may be mounted. */
  readonly places: PinPlaces;
  /** Done in reverse order when the rig closes. */
  readonly ends: (() => unknown)[] = [];
  station: Station;
  /** The node's, as `look` last found it. */
  link: ResponderLink;

  constructor() {
    this.node = this.net.namespace('node');
    const other = this.net.namespace('other');
    this.net.link({ in: this.node, link: 'va' }, { in: other, link: 'vb' });
    this.link = this.look();
    this.station = new Station(libc, other, 'vb');
    this.places = { host: join(this.folder, 'none'), own: join(this.folder, 'bpf'), name: 'herald' };
  }

  async close(): Promise<void> {
    for (const end of this.ends.splice(0).reverse()) await end();
    await removeTcx(this.places);
    this.station.close();
    this.net.close();
    rmSync(this.folder, { recursive: true });
  }

  look(name = 'va'): ResponderLink {
    const text = this.node.ip('-o', 'link', 'show', name);
    const [, index = '', mac = ''] = /^([0-9]+):.*link\/ether (\S+)/.exec(text) ?? [];
    this.link = { name, index: Number(index), mac: Mac.parse(mac) ?? Mac.broadcast };
    return this.link;
  }

  async open(): Promise<TcxDatapath> {
    const datapath = await TcxDatapath.open(this.places);
    this.ends.push(() => datapath.close({ keep: true }));
    return datapath;
  }

  /** Closes what this process has open, as an agent does that ends. */
  async leave(datapath: TcxDatapath, how: { readonly keep: boolean }): Promise<void> {
    this.ends.length = 0;
    await datapath.close(how);
  }

  attach(datapath: TcxDatapath, ...links: readonly ResponderLink[]): ReadonlyMap<number, string> {
    return within(this.node, () => datapath.links(links));
  }

  rows(mode: OwnedRow['mode'] = 'session', ...texts: readonly string[]): OwnedRow[] {
    const all = texts.length > 0 ? texts : [address4, address6];
    return all.map(text => ({ link: this.link.index, address: address(text), mode }));
  }

  /** A responder at work. */
  async answering(): Promise<TcxDatapath> {
    const datapath = await this.open();
    expect(this.attach(datapath, this.link)).toEqual(new Map());
    datapath.program(this.rows());
    datapath.deadlines({ sessionMs: later(LONG_MS), holdMs: later(LONG_MS) });
    return datapath;
  }

  ask(text: string): void {
    const { mac } = this.station;
    this.station.forget();
    if (text.includes(':')) this.station.send(neighborFrame({ from: mac, source: asker6, target: text }));
    else this.station.send(arpFrame({ from: mac, senderIp: asker4, targetIp: text }));
  }

  async expectAnswer(text: string): Promise<void> {
    this.ask(text);
    const seen = await this.station.sees(`an answer for ${text}`, isAnswer);
    expect(seen).toMatchObject({ from: Mac.format(this.link.mac) });
  }

  /** Asks for a second address after it, which another responder on the link has: that answer would be the later. */
  async expectSilence(text: string): Promise<void> {
    const witness = '192.0.2.99';
    const places = { ...this.places, own: join(this.folder, 'witness') };
    const datapath = await TcxDatapath.open(places);
    this.attach(datapath, this.link);
    datapath.program(this.rows('session', witness));
    datapath.deadlines({ sessionMs: later(LONG_MS), holdMs: 0 });
    this.ask(text);
    this.station.send(arpFrame({ from: this.station.mac, senderIp: asker4, targetIp: witness }));
    await this.station.sees('the witness', (seen): seen is Seen => seen.kind === 'arp' && seen.senderIp === witness);
    expect(this.station.seen.filter(isAnswer)).toHaveLength(1);
    await datapath.close({ keep: false });
  }

  /** Starts test/support/tcx-agent.ts in the node's namespace, by way of another command if need be; its line. */
  async agent(work: Partial<TcxAgentWork>, ...via: readonly string[]): Promise<[ChildProcess, TcxAgentWord]> {
    const whole = { places: this.places, index: this.link.index, mac: Mac.format(this.link.mac), ...work };
    // Not by `ip netns exec`, which gives each process mounts of its own.
    const rest = [`--net=/run/netns/${this.node.name}`, ...via, process.execPath];
    const script = new URL('./tcx-agent.ts', import.meta.url).pathname;
    const child = spawn('nsenter', [...rest, script, JSON.stringify(whole)], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.ends.push(() => this.kill(child));
    const [line] = await once(createInterface({ input: child.stdout }), 'line');
    return [child, JSON.parse(line)];
  }

  async kill(child: ChildProcess): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise(resolve => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }
}

/** Of ARP or neighbour discovery. */
export function isAnswer(seen: Seen): seen is Seen {
  return (seen.kind === 'arp' && seen.operation === 2) || seen.kind === 'advertisement';
}

interface Probe {
  /** CLOCK_BOOTTIME before and after it was sent. */
  readonly askedMs: number;
  readonly sentMs: number;
  isAnswered: boolean;
}

/** A question each millisecond, every one from another address, and which of them were answered. */
export class Probing {
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
