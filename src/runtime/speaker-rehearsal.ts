/**
 * Sessions with nobody, on a speaker of their own, before the first real ones: after a restart all peers come back
 * within a moment, and code that has never run takes twice as long for each of them. The peers say what every peer
 * says, over connections that never leave the process; the configuration is read as people's are, so that its values
 * have the same shape.
 */
import { readSpeakerFile } from '../api/speaker-file.ts';
import type { SpeakerConfig } from '../bgp/config.ts';
import { encodeMessage, messageTypes } from '../bgp/message.ts';
import { encodeOpen } from '../bgp/open.ts';
import { Speaker } from '../bgp/speaker.ts';
import type { Endpoint, SpeakerEvent } from '../bgp/speaker-effect.ts';
import { IpAddress } from '../net/ip.ts';
import { createLog } from './log.ts';
import type { Clock } from './ports.ts';
import { SpeakerDriver } from './speaker-driver.ts';
import type { Accept, Stream, StreamHandler, Transport } from './transport.ts';

const SESSIONS = 300;
/** Begun in one turn of the event loop, some 2 ms. */
const AT_ONCE = 10;
/** From the last one's beginning until it is up. */
const LAST_TURNS = 10;
/** Of RFC 5398, RFC 5737 and, for so many peers, RFC 2544. */
const NEAR_ASN = 64_496;
const FAR_ASN = 64_497;
const near = { address: IpAddress.of('ipv4', 0xc000_0201n), port: 179 };
const farOf = (i: number) => ({ address: IpAddress.of('ipv4', 0xc612_0000n + BigInt(i)), port: 50_000 });

/** The lines are made, and go nowhere. */
const nowhere = { write() {} };

/** RFC 4271 §4.1: where the message says its type. */
const TYPE_AT = 18;
const open = encodeOpen({
  asn16: FAR_ASN,
  holdSeconds: 90,
  routerId: 0xc612_0000,
  capabilities: [
    { kind: 'multiprotocol', afi: 1, safi: 1 },
    { kind: 'multiprotocol', afi: 2, safi: 1 },
    { kind: 'route refresh' },
    { kind: 'four-octet AS', asn: FAR_ASN },
  ],
});
/** End-of-RIB for IPv4 is an UPDATE with nothing in it (RFC 4724 §2). */
const keepaliveAndEnd = [encodeMessage('keepalive', new Uint8Array()), encodeMessage('update', new Uint8Array(4))];

/** Connects two streams that say they are at these addresses. */
export type ConnectPair = (ends: Record<'near' | 'far', Endpoint>, near: Accept, far: Accept) => void;

/** Until real peers are there, by `isAlone`. Resolves to how many sessions came up. */
export async function rehearseSessions(clock: Clock, connect: ConnectPair, isAlone: () => boolean): Promise<number> {
  let accept: Accept | undefined;
  const transport: Transport = {
    connect: () => () => {},
    async listen(_listeners, _keys, accepted) {
      accept = accepted;
      return [];
    },
    discover: async () => [],
    dropped: () => undefined,
    close() {},
  };
  const speaker = new Speaker({ random: Math.random });
  let up = 0;
  const onEvent = ({ kind }: SpeakerEvent) => {
    if (kind === 'up') up++;
  };
  const log = createLog({ level: 'info', pretty: false, to: nowhere });
  const driver = new SpeakerDriver({ speaker, transport, clock, log, onEvent });
  driver.configure(readConfig());
  await driver.listening();
  try {
    for (let begun = 0; begun < SESSIONS + LAST_TURNS * AT_ONCE && isAlone(); begun++) {
      if (accept !== undefined && begun < SESSIONS) connect({ near, far: farOf(begun) }, accept, callingPeer);
      if (begun % AT_ONCE === 0) await new Promise(resolve => setImmediate(resolve));
    }
  } finally {
    driver.stop({ kind: 'shutdown', reason: '' });
  }
  return up;
}

function readConfig(): SpeakerConfig {
  const { file, faults } = readSpeakerFile({
    asn: NEAR_ASN,
    routerId: IpAddress.format(near.address),
    listen: [{ address: IpAddress.format(near.address), port: near.port }],
    peers: Array.from({ length: SESSIONS }, (_, i) => ({
      address: IpAddress.format(farOf(i).address),
      asn: FAR_ASN,
      passive: true,
      import: 'all',
      export: 'all',
    })),
  });
  if (file === undefined) throw new Error(faults.map(({ path, message }) => `${path} ${message}`).join('; '));
  return file.config;
}

function callingPeer(stream: Stream): StreamHandler {
  stream.write(open.slice());
  return {
    data(bytes) {
      if (bytes[TYPE_AT] === messageTypes.open.type) for (const each of keepaliveAndEnd) stream.write(each.slice());
    },
    drained() {},
    closed() {},
  };
}
