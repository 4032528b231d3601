/** A node with a responder on an Ethernet link; at its other end a station that asks, and one that contradicts. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { expect } from 'vitest';
import type { OwnedRow } from '../../src/l2/address-table.ts';
import type { Heard } from '../../src/l2/responder.ts';
import { type Libc, loadLibc } from '../../src/linux/libc.ts';
import { type DatapathChoice, NdResponder } from '../../src/linux/nd-responder.ts';
import { IpAddress } from '../../src/net/ip.ts';
import { Mac } from '../../src/net/mac.ts';
import type { ResponderLink } from '../../src/runtime/responder.ts';
import { type ArpSeen, arpFrame, decodeFrame, type NeighborSeen, neighborFrame, type Seen } from './l2-frames.ts';
import { Station } from './l2-station.ts';
import { type Namespace, Net } from './netns.ts';
import { eventually } from './wait.ts';
import { within } from './within-namespace.ts';

const HOUR_MS = 3_600_000;

export class WireBench {
  readonly libc: Libc;
  readonly net = new Net();
  readonly node: Namespace;
  readonly asker: Namespace;
  readonly link: ResponderLink;
  readonly responder: NdResponder;
  /** Asks, from 10.9.0.2 and fd09::2. */
  readonly station: Station;
  /** Where frames of another machine than the asker come from. */
  readonly rivalMac = '02:00:00:00:00:03';
  readonly heard: Heard[] = [];
  readonly #directory: string;

  static async open(datapath: DatapathChoice): Promise<WireBench> {
    const directory = mkdtempSync(`${tmpdir()}/herald-wire-`);
    const heard: Heard[] = [];
    const places = { host: `${directory}/none`, own: directory, name: 'wire' };
    const events = { heard: (each: Heard) => void heard.push(each), changed: () => {} };
    const responder = await NdResponder.open({ datapath, places }, events);
    return new WireBench(await loadLibc(), responder, heard, directory);
  }

  private constructor(libc: Libc, responder: NdResponder, heard: Heard[], directory: string) {
    this.libc = libc;
    this.responder = responder;
    this.heard = heard;
    this.#directory = directory;
    const { node, asker } = { node: this.net.namespace('node'), asker: this.net.namespace('asker') };
    [this.node, this.asker] = [node, asker];
    // No bridge between: one with netfilter drops what is malformed before it gets here.
    this.net.link(
      { in: node, link: 'eth0', addresses: ['10.9.0.1/24', 'fd09::1/64'] },
      { in: asker, link: 'eth0', addresses: ['10.9.0.2/24', 'fd09::2/64'] },
    );
    this.station = new Station(libc, asker, 'eth0');
    this.link = this.linkOf('eth0');
    within(node, () => responder.links([this.link]));
  }

  /** A link of the node. */
  linkOf(name: string): ResponderLink {
    const mac = Mac.parse(/link\/ether (\S+)/.exec(this.node.ip('link', 'show', 'dev', name))?.[1] ?? '');
    if (mac === undefined) throw new Error(`${name} has no MAC`);
    return { name, index: within(this.node, () => this.libc.ifNameToIndex(name)), mac };
  }

  get mac(): string {
    return Mac.format(this.link.mac);
  }

  /** These rows, on the segment, until an hour from now. */
  own(...rows: readonly (string | Partial<OwnedRow>)[]): void {
    const full = rows.map((row): OwnedRow => {
      const given = typeof row === 'string' ? { address: parse(row) } : row;
      return { link: this.link.index, address: parse('0.0.0.0'), mode: 'session', ...given };
    });
    within(this.node, () => this.responder.own(full));
    this.until(HOUR_MS, HOUR_MS);
  }

  /** Deadlines, from now. */
  until(sessionMs: number, holdMs: number): void {
    const nowMs = this.libc.boottimeMs();
    this.responder.deadlines({ sessionMs: nowMs + sessionMs, holdMs: nowMs + holdMs });
  }

  drops(reason: string): number {
    return within(this.node, () => this.responder.status()).drops[reason] ?? 0;
  }

  /** A question that is answered once, by the one answer this resolves to; nothing else comes of it. */
  async answered(frame: Uint8Array): Promise<Answer> {
    const is = isAnswerTo(frame);
    this.station.forget();
    this.station.send(frame);
    const answer = await this.station.sees('an answer', is);
    await this.#settle(frame);
    expect(this.station.seen.filter(is)).toEqual([answer]);
    return answer;
  }

  /** A frame that is not answered, and counted under this name. */
  async dropped(frame: Uint8Array, reason: string): Promise<void> {
    this.station.forget();
    const before = this.drops(reason);
    this.station.send(frame);
    await eventually(`dropped as ${reason}`, () => this.drops(reason) === before + 1, {
      limitMs: 10_000,
      detail: () => JSON.stringify([this.responder.status().drops, this.station.seen]),
    });
    expect(this.station.seen.filter(isAnswerTo(frame))).toEqual([]);
  }

  async close(): Promise<void> {
    await this.responder.close({ keep: false });
    this.station.close();
    this.net.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** Until the sockets have seen all that was sent before: they see it in order, each protocol's apart. */
  async #settle(frame: Uint8Array): Promise<void> {
    const isArp = frame[13] === 0x06;
    const { mac: from } = this.station;
    const before = this.drops('not-owned');
    this.station.send(
      isArp
        ? arpFrame({ from, senderIp: '10.9.0.2', targetIp: '10.9.0.222' })
        : neighborFrame({ from, source: 'fd09::2', target: 'fd09::222' }),
    );
    await eventually('all was seen', () => this.drops('not-owned') > before);
  }
}

export type Answer = ArpSeen | NeighborSeen;

export function isAnswer(seen: Seen): seen is Answer {
  return (seen.kind === 'arp' && seen.operation === 2) || seen.kind === 'advertisement';
}

/** Answers to this question; the kernels at both ends have questions and answers of their own. */
function isAnswerTo(question: Uint8Array): (seen: Seen) => seen is Answer {
  const asked = question.length < 42 ? undefined : decodeFrame(question);
  const subject = asked?.kind === 'arp' ? asked.targetIp : asked?.kind === 'solicitation' ? asked.target : undefined;
  return (seen): seen is Answer =>
    isAnswer(seen) && (subject === undefined || subject === (seen.kind === 'arp' ? seen.senderIp : seen.target));
}

export function parse(text: string): IpAddress {
  const address = IpAddress.parse(text);
  if (address === undefined) throw new Error(text);
  return address;
}
