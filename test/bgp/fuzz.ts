/**
 * Mutated conversations against a speaker with three peers: whatever comes in, nothing but BgpError is thrown inside
 * and nothing at all comes out, memory stays bounded, and the other sessions stand. The seed says everything about a
 * run.
 */
import type { Capability } from '../../src/bgp/capability.ts';
import { encodeMessage } from '../../src/bgp/message.ts';
import { encodeOpen, type Open } from '../../src/bgp/open.ts';
import { encodeRouteRefresh } from '../../src/bgp/route-refresh.ts';
import type { ConnectionId } from '../../src/bgp/speaker-effect.ts';
import { Random } from '../sim/random.ts';
import { Bench, keepalive, words } from './bench.ts';
import { hex, toHex } from './hex.ts';
import { peerConfig, prefix, speakerConfig } from './world.ts';

const capabilities: readonly Capability[] = [
  { kind: 'multiprotocol', afi: 1, safi: 1 },
  { kind: 'multiprotocol', afi: 2, safi: 1 },
  { kind: 'route refresh' },
  { kind: 'enhanced refresh' },
  { kind: 'extended message' },
  { kind: 'four-octet AS', asn: 65002 },
  {
    kind: 'graceful restart',
    restarting: false,
    notification: true,
    seconds: 60,
    families: [{ afi: 1, safi: 1, forwarding: true }],
  },
  { kind: 'FQDN', host: 'fuzz', domain: 'test' },
];
const open: Open = { asn16: 65002, holdSeconds: 90, routerId: 0x0a000002, capabilities };
const twoOctets: Open = { ...open, capabilities: capabilities.filter(each => each.kind !== 'four-octet AS') };

const head = '40 01 01 00 40 02 0a 02 02 0000fdea 0000fdeb';
const rich = `${head} 40 03 04 0a000002 80 04 04 00000001 40 06 00 c0 07 08 0000fdea 0a000002 c0 08 08 fdea0001 ffffff01
  c0 10 08 0002fdea00000001 c0 20 0c 0000fdea 00000001 00000002 c0 23 04 0000fdea e0 63 03 010203`;

/** UPDATEs with everything an UPDATE can have in it: withdrawn routes, attributes, NLRI. */
const updates: readonly (readonly [withdrawn: string, attributes: string, nlri: string])[] = [
  ['', rich, '18 c00002 20 c6336401 00 11 0a8000'],
  ['18 c00002 10 0a00', '', ''],
  ['', `${head} 40 03 04 0a000002`, '18 c00003'],
  ['', `${head} 80 0e 1a 0002 01 10 20010db8000000000000000000000002 00 20 20010db8`, ''],
  [
    '',
    `80 0e 31 0002 01 20 20010db8000000000000000000000002 fe800000000000000000000000000002 00
     20 20010db8 30 20010db80001 ${head}`,
    '',
  ],
  ['', '80 0f 08 0002 01 20 20010db8', ''],
  ['', '80 0f 03 0002 01', ''],
  ['', '40 02 06 02 02 fdea 5ba0 40 01 01 02 40 03 04 0a000002 c0 11 06 02 01 fa56ea00', '20 c0000201'],
];
const parts = updates.map(update => update.map(hex) as [Uint8Array, Uint8Array, Uint8Array]);

/** Whole messages: one of every kind, and the UPDATEs. */
const corpus: readonly Uint8Array[] = [
  encodeOpen(open),
  keepalive,
  encodeMessage('notification', Uint8Array.of(6, 2, 3, 0x62, 0x79, 0x65)),
  encodeRouteRefresh({ afi: 1, safi: 1, subtype: 0 }),
  encodeRouteRefresh({ afi: 2, safi: 1, subtype: 1 }),
  encodeRouteRefresh({ afi: 2, safi: 1, subtype: 2 }),
  ...parts.map(assemble),
];

function assemble([withdrawn, attributes, nlri]: readonly [Uint8Array, Uint8Array, Uint8Array]): Uint8Array {
  const size = (part: Uint8Array) => [part.length >>> 8, part.length & 255];
  return encodeMessage(
    'update',
    Uint8Array.of(...size(withdrawn), ...withdrawn, ...size(attributes), ...attributes, ...nlri),
  );
}

/**
 * The next thing to be said: a whole message with anything in it changed, or an UPDATE whose lengths still fit
 * together.
 */
function next(random: Random): Uint8Array {
  if (random.chance(0.2)) return mutate(random, random.pick(corpus), 19);
  const [withdrawn, attributes, nlri] = random.pick(parts);
  const touched = random.between(0, 9);
  return assemble([
    touched === 0 ? mutate(random, withdrawn, 0) : withdrawn,
    touched < 7 ? mutate(random, attributes, 0) : attributes,
    touched === 9 ? mutate(random, nlri, 0) : nlri,
  ]);
}

/**
 * Octets, bits, lengths, cuts, repeats, noise and splices. `head` octets are a header, which is mended most of the
 * time.
 */
function mutate(random: Random, original: Uint8Array, head: 0 | 19): Uint8Array {
  let octets = Uint8Array.from(original);
  for (let times = random.between(0, 3); times > 0 && octets.length > 0; times--)
    octets = mutateOnce(random, octets, head);
  if (head > 0 && octets.length >= head && random.chance(0.9)) {
    octets.fill(0xff, 0, 16);
    octets[16] = octets.length >>> 8;
    octets[17] = octets.length;
  }
  return octets;
}

function mutateOnce(random: Random, octets: Uint8Array, head: number): Uint8Array<ArrayBuffer> {
  const out = Uint8Array.from(octets);
  const at = Math.min(out.length - 1, random.between(random.chance(0.9) ? head : 0, out.length));
  switch (random.between(0, 6)) {
    case 0:
      out[at] = random.between(0, 255);
      return out;
    case 1:
      out[at] = (out[at] ?? 0) ^ (1 << random.between(0, 7));
      return out;
    case 2:
      out[at] = random.pick([0, 1, 0x7f, 0x80, 0xfe, 0xff]);
      return out;
    case 3:
      return out.slice(0, at);
    case 4: {
      const noise = Uint8Array.from({ length: random.between(1, 40) }, () => random.between(0, 255));
      return join(out.subarray(0, at), noise, out.subarray(at));
    }
    case 5:
      return join(out.subarray(0, at), out.subarray(random.between(0, at)));
    default:
      return join(out.subarray(0, at), random.pick(corpus).subarray(random.between(19, 30)));
  }
}

function join(...pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    out.set(piece, at);
    at += piece.length;
  }
  return out;
}

export interface FuzzResult {
  readonly messages: number;
  /** Sessions that got as far as Established with the peer that misbehaves. */
  readonly established: number;
  /** NOTIFICATIONs we answered with, by code and subcode. */
  readonly notifications: ReadonlyMap<string, number>;
}

/** Throws, with seed and octets in the message, when anything but the peer's session suffers. */
export function fuzz(seed: number, messages: number): FuzzResult {
  const random = new Random(seed);
  const bench = new Bench({ random: () => random.next() });
  const passive = { port: 179, passive: true };
  const hostile = peerConfig('hostile', '10.0.0.2', {
    transport: passive,
    gracefulRestart: { restartMs: 60_000, staleMs: 60_000, notification: true },
    timers: { ...peerConfig('', '10.0.0.2').timers, idleHoldMs: 1, idleHoldMaxMs: 1 },
    enforceFirstAs: false,
    families: [
      { family: 'ipv4-unicast', maxPrefixes: { limit: 6, restartMs: 1 } },
      { family: 'ipv6-unicast', maxPrefixes: { limit: 6, restartMs: 1 } },
    ],
  });
  const witness = peerConfig('witness', '10.0.0.3', { transport: passive });
  bench.speaker.configure(speakerConfig(65001, '10.0.0.1', hostile, witness), 0);
  bench.speaker.announce([{ prefix: prefix('203.0.113.0/24') }], 0);
  const watching = bench.establish(bench.call('10.0.0.3'), { ...open, routerId: 3, holdSeconds: 0 });
  const notifications = new Map<string, number>();
  let connection: ConnectionId | undefined;
  let established = 0;

  const hear = () => {
    for (const effect of bench.take()) {
      if (effect.kind !== 'close') continue;
      if (effect.connection === watching) throw new Error('the witness lost its session');
      if (effect.connection === connection) connection = undefined;
      const told = words(effect.last ?? new Uint8Array(0))
        .at(-1)
        ?.split(' ')[1];
      if (told === undefined) continue;
      const name = `${Number.parseInt(told.slice(0, 2), 16)}/${Number.parseInt(told.slice(2, 4), 16)}`;
      notifications.set(name, (notifications.get(name) ?? 0) + 1);
    }
  };
  for (let count = 0; count < messages; count++) {
    if (connection === undefined) {
      bench.wait(2);
      connection = bench.call('10.0.0.2');
      const start = random.chance(0.95);
      if (start) bench.send(connection, encodeOpen(random.chance(0.9) ? open : twoOctets), keepalive);
      hear();
      if (bench.speaker.peers(bench.nowMs)[0]?.state === 'established') established++;
      if (connection === undefined) continue;
    }
    const octets = next(random);
    try {
      bench.send(connection, octets);
      hear();
      if (count % 64 === 0) {
        if (connection !== undefined) bench.drain(connection);
        bench.drain(watching);
      }
    } catch (error) {
      throw new Error(`seed ${seed}, message ${count}: ${toHex(octets)}`, { cause: error });
    }
  }
  const { state } = bench.status('witness');
  if (state !== 'established') throw new Error(`seed ${seed}: the witness is in ${state}`);
  return { messages, established, notifications };
}
