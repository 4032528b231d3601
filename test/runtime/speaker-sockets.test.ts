/** The speaker on real sockets: sessions, reload, and what bad peers can do to the others, which is nothing. */
import { afterEach, describe, expect, it } from 'vitest';
import { encodeMessage } from '../../src/bgp/message.ts';
import { IpAddress } from '../../src/net/ip.ts';
import { Prefix } from '../../src/net/prefix.ts';
import { RawPeer } from '../support/raw-peer.ts';
import { SpeakerNode } from '../support/speaker-node.ts';
import { eventually } from '../support/wait.ts';

const [HUB, GOOD, BAD] = ['127.0.21.1', '127.0.21.2', '127.0.21.3'] as const;
const PORT = 21_179;
const open: { stop(): void }[] = [];
afterEach(() => {
  for (const each of open.splice(0)) each.stop();
});

function node(file: object): SpeakerNode {
  const made = new SpeakerNode(file);
  open.push(made);
  return made;
}

function raw(from: string): RawPeer {
  const made = RawPeer.open({ from, to: HUB, port: PORT });
  open.push({ stop: () => made.close() });
  return made;
}

/** Loopback addresses are no next hops (RFC 4271 §6.3). */
const nextHop = '203.0.113.1';
const passive = { passive: true, import: 'all', export: 'all', timers: { holdSeconds: 9 } };
const hubFile = {
  asn: 65000,
  routerId: HUB,
  listen: [{ address: HUB, port: PORT }],
  peers: [
    { address: GOOD, asn: 65002, ...passive },
    { address: BAD, asn: 65003, ...passive },
  ],
  originate: [{ prefixes: ['192.0.2.0/24'], nextHop }],
};
const goodFile = {
  asn: 65002,
  routerId: GOOD,
  peers: [
    {
      address: HUB,
      port: PORT,
      source: GOOD,
      asn: 65000,
      import: 'all',
      timers: { holdSeconds: 9, connectRetrySeconds: 1, idleHoldSeconds: 0 },
    },
  ],
  originate: [{ prefixes: ['198.51.100.0/24'], nextHop }],
};

/** The hub and its good peer, established. */
async function pair() {
  const hub = node(hubFile);
  await hub.listening();
  const good = node(goodFile);
  await eventually('established', () => hub.isUp(GOOD) && good.isUp(HUB));
  return { hub, good };
}

describe('two speakers', () => {
  it('exchange routes, follow changes, and part with a word', async () => {
    const { hub, good } = await pair();
    const has = (each: SpeakerNode, count: number) => each.speaker.rib?.counts('ipv4-unicast').locRib === count;
    await eventually('both have both', () => has(hub, 2) && has(good, 2));
    hub.configure({ ...hubFile, originate: [{ prefixes: ['192.0.2.0/24', '192.0.3.0/24'], nextHop }] });
    await eventually('the new one arrives', () => has(good, 3));
    expect(good.peer(HUB)).toMatchObject({ established: 1, dropped: 0 });
    hub.stop();
    await eventually('the good one saw the end', () => good.peer(HUB).dropped === 1 && has(good, 1));
    expect(good.lines.find(line => line.event === 'session down')?.fields['reason']).toContain(
      'administrative shutdown',
    );
  });

  it('a changed peer is reset, its neighbour in the file is not', async () => {
    const { hub } = await pair();
    const [first, second] = hubFile.peers;
    hub.configure({ ...hubFile, peers: [first, { ...second, timers: { holdSeconds: 30 } }] });
    expect(hub.peer(GOOD)).toMatchObject({ state: 'established', dropped: 0 });
    hub.configure({ ...hubFile, peers: [{ ...first, timers: { holdSeconds: 30 } }] });
    await eventually('reset', () => hub.peer(GOOD).dropped === 1);
    await eventually('and back', () => hub.isUp(GOOD));
  });
});

describe('bad peers', () => {
  it.each([
    ['no marker', () => Buffer.alloc(64), [1, 1]],
    ['a length below the header', () => message(10, 4), [1, 2]],
    ['a length above the largest', () => message(5000, 1), [1, 2]],
    ['a type nobody knows', () => message(19, 77), [1, 3]],
    ['a KEEPALIVE before OPEN', () => encodeMessage('keepalive'), [5, 1]],
    ['BGP version 3', () => openOf({ version: 3 }), [2, 1]],
    ['the wrong AS', () => openOf({ asn: 64999 }), [2, 2]],
    ['BGP identifier zero', () => openOf({ id: 0 }), [2, 3]],
    ['W5 hold time 1', () => openOf({ hold: 1 }), [2, 6]],
  ])('%s: the right NOTIFICATION, and the good session stays', async (_, octets, [code, subcode]) => {
    const { hub } = await pair();
    const bad = raw(BAD);
    bad.send(octets());
    const said = await bad.notification();
    expect([said[0], said[1]]).toEqual([code, subcode]);
    await eventually('closed', () => bad.ended);
    expect(hub.peer(GOOD)).toMatchObject({ state: 'established', dropped: 0 });
    await eventually('the reason is kept', () => hub.peer(BAD).lastError !== undefined);
  });

  it('a thousand connections from strangers: all closed, few lines, the good session undisturbed', async () => {
    const { hub } = await pair();
    const strangers = Array.from({ length: 1000 }, (_, i) => raw(`127.0.22.${1 + (i % 250)}`));
    await eventually('all closed', () => strangers.every(each => each.ended), { limitMs: 15_000 });
    expect(hub.peer(GOOD)).toMatchObject({ state: 'established', dropped: 0 });
    expect(hub.lines.filter(line => line.event === 'no session').length).toBeLessThanOrEqual(20);
  });

  it('a connection that never speaks does not disturb the good session, and a second one gets an answer', async () => {
    const { hub } = await pair();
    const silent = raw(BAD);
    await eventually('heard', () => silent.messages().length > 0);
    const again = raw(BAD);
    again.sendOpen(65003);
    await eventually('an answer', () => again.ended || again.messages().some(({ type }) => type === 4));
    expect(hub.peer(GOOD)).toMatchObject({ state: 'established', dropped: 0 });
  });

  it('a peer that stops reading costs bounded memory, and the others get everything meanwhile', async () => {
    const { hub, good } = await pair();
    const bad = raw(BAD);
    bad.sendOpen(65003);
    await eventually('OPEN and KEEPALIVE', () => bad.messages().length >= 2);
    bad.sendKeepalive();
    await eventually('established', () => hub.isUp(BAD));
    bad.socket.pause();
    const many = Array.from({ length: 40_000 }, (_, i) => prefixAt(i));
    const before = process.memoryUsage().arrayBuffers;
    // Each prefix with an attribute of its own and anew every round, until the kernel takes no more for the one that
    // does not read.
    let round = 0;
    for (; pendingFor(hub, BAD) === 0 && round < 20; round++) {
      hub.announce(many.map((prefix, i) => ({ prefix, med: i + round, nextHop: address(nextHop) })));
      // It only does not read: it is there.
      bad.sendKeepalive();
      const count = many.length * (round + 1);
      await eventually('the good one hears it all', () => good.peer(HUB).messages.received.update > count, {
        limitMs: 15_000,
      });
    }
    expect(pendingFor(hub, BAD)).toBeGreaterThan(0);
    expect(pendingFor(hub, GOOD)).toBe(0);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(96 * 2 ** 20);
    expect(hub.peer(GOOD)).toMatchObject({ state: 'established', dropped: 0 });
  }, 60_000);
});

function prefixAt(i: number): Prefix {
  return Prefix.of(IpAddress.of('ipv4', BigInt(0x1400_0000 + i * 256)), 24);
}

function address(text: string): IpAddress {
  const parsed = IpAddress.parse(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
}

function pendingFor(of: SpeakerNode, key: string): number {
  const slot = of.speaker.peers(0).find(each => each.key === key)?.slot ?? -1;
  let pending = 0;
  for (const route of of.speaker.rib?.adjOut(slot, 'ipv4-unicast') ?? []) if (route.pending) pending++;
  return pending;
}

function message(length: number, type: number): Buffer {
  const bytes = Buffer.alloc(Math.max(19, Math.min(length, 64)), 0xff);
  bytes.writeUInt16BE(length, 16);
  bytes.writeUInt8(type, 18);
  return bytes;
}

function openOf({ version = 4, asn = 65003, hold = 90, id = 0x0a00_0001 }): Buffer {
  const body = Buffer.alloc(10);
  body.writeUInt8(version, 0);
  body.writeUInt16BE(asn, 1);
  body.writeUInt16BE(hold, 3);
  body.writeUInt32BE(id, 5);
  return Buffer.from(encodeMessage('open', body));
}
