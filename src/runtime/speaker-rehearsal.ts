/**
 * Sessions with nobody, on a speaker of their own, before the first real ones: after a restart all peers come back
 * within a moment, and code that has never run takes twice as long for each of them. The far end of such a session is a
 * mirror, with an identifier of its own, behind a connection that never leaves the process.
 */
import { capabilityDefaults, type PeerConfig, timerDefaults } from '../bgp/config.ts';
import { messageTypes } from '../bgp/message.ts';
import { Policy } from '../bgp/policy.ts';
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
const ASN = 64_496;
/** Of RFC 5737 and, for so many peers, RFC 2544. */
const local = { address: IpAddress.of('ipv4', 0xc000_0201n), port: 179 };
const remoteOf = (i: number) => ({ address: IpAddress.of('ipv4', 0xc612_0000n + BigInt(i)), port: 50_000 });

/** The lines are made, and go nowhere. */
const nowhere = { write() {} };

/** Where the message says its type, and where an OPEN says its sender's identifier (RFC 4271 §4.1, §4.2). */
const TYPE_AT = 18;
const IDENTIFIER_AT = 24;

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
  const speaker = new Speaker({ random: () => 0.5 });
  let up = 0;
  const onEvent = ({ kind }: SpeakerEvent) => {
    if (kind === 'up') up++;
  };
  const log = createLog({ level: 'info', pretty: false, to: nowhere });
  const driver = new SpeakerDriver({ speaker, transport, clock, log, onEvent });
  const peers = Array.from({ length: SESSIONS }, (_, i) => peerConfig(i));
  driver.configure({ asn: ASN, routerId: Number(local.address.value), listen: [{ port: local.port }], peers });
  await driver.listening();
  try {
    for (let begun = 0; begun < SESSIONS + LAST_TURNS * AT_ONCE && isAlone(); begun++) {
      if (accept !== undefined && begun < SESSIONS) connect({ near: local, far: remoteOf(begun) }, accept, mirror);
      if (begun % AT_ONCE === 0) await new Promise(resolve => setImmediate(resolve));
    }
  } finally {
    driver.stop({ kind: 'shutdown', reason: '' });
  }
  return up;
}

function peerConfig(i: number): PeerConfig {
  return {
    key: String(i),
    remote: { kind: 'address', address: remoteOf(i).address },
    asn: 'any',
    transport: { port: local.port, passive: true },
    timers: timerDefaults,
    families: [{ family: 'ipv4-unicast' }, { family: 'ipv6-unicast' }],
    capabilities: capabilityDefaults,
    routeReflectorClient: false,
    routeServerClient: false,
    nextHop: 'default',
    enforceFirstAs: true,
    allowOwnAs: 0,
    import: Policy.all,
    export: Policy.all,
    gracefulShutdown: false,
  };
}

/** Says what it is told. */
function mirror(stream: Stream): StreamHandler {
  return {
    data(bytes) {
      const said = bytes.slice();
      if (said[TYPE_AT] === messageTypes.open.type) said[IDENTIFIER_AT] = (said[IDENTIFIER_AT] ?? 0) ^ 1;
      stream.write(said);
    },
    drained() {},
    closed() {},
  };
}
