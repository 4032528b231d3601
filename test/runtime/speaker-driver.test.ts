/** The driver between two speakers over connections in memory: what a socket that is often full does to it. */
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Announcement } from '../../src/bgp/announcement.ts';
import { Speaker } from '../../src/bgp/speaker.ts';
import type { Endpoint } from '../../src/bgp/speaker-effect.ts';
import { SpeakerDriver } from '../../src/runtime/speaker-driver.ts';
import type { Accept, Stream, StreamHandler, Transport } from '../../src/runtime/transport.ts';
import { ip, peerConfig, prefix, speakerConfig } from '../bgp/world.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { recordingLog } from '../support/recording-log.ts';

/** One end of a connection; octets arrive at the other in the next turn, a room's worth at a time. */
class End implements Stream {
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly localAddresses = [];
  readonly #room: number;
  other: End | undefined;
  handler: StreamHandler | undefined;
  #waiting: Uint8Array | undefined;
  /** Octets, a number a write. */
  readonly written: number[] = [];

  constructor(local: string, remote: string, room: number) {
    this.local = { address: ip(local), port: 179 };
    this.remote = { address: ip(remote), port: 179 };
    this.#room = room;
  }

  write(bytes: Uint8Array): boolean {
    if (this.#waiting !== undefined) throw new Error('written to before it drained');
    this.written.push(bytes.length);
    const now = bytes.slice(0, this.#room);
    setImmediate(() => this.other?.handler?.data(now));
    if (now.length === bytes.length) return true;
    this.#waiting = bytes.subarray(now.length);
    setImmediate(() => this.#drain());
    return false;
  }

  #drain(): void {
    const bytes = this.#waiting;
    this.#waiting = undefined;
    if (bytes !== undefined && !this.write(bytes)) return;
    setImmediate(() => this.handler?.drained());
  }

  pause(): void {}
  resume(): void {}
  finish(): void {
    this.handler = undefined;
    setImmediate(() => this.other?.handler?.closed('the peer closed the connection'));
  }
  adopt(): void {}
}

/** Two hosts, 10.0.0.1 (who calls) and 10.0.0.2 (who is called). */
function pair(room: number) {
  const clock = new ManualClock();
  const ends: End[] = [];
  let accept: Accept | undefined;
  const nothing = { listen: async () => [], discover: async () => [], dropped: () => undefined, close: () => {} };
  const calling: Transport = {
    ...nothing,
    connect(_to, handler) {
      const [near, far] = [new End('10.0.0.1', '10.0.0.2', room), new End('10.0.0.2', '10.0.0.1', room)];
      ends.push(near, far);
      near.other = far;
      far.other = near;
      setImmediate(() => {
        if (accept === undefined) {
          handler.failed('connection refused');
          return;
        }
        near.handler = handler.connected(near);
        far.handler = accept(far);
      });
      return () => {};
    },
  };
  const called: Transport = {
    ...nothing,
    connect: () => () => {},
    listen: async (_listeners, _keys, take) => {
      accept = take;
      return [];
    },
  };
  const make = (transport: Transport) => {
    const speaker = new Speaker({ random: () => 0.5 });
    return { speaker, driver: new SpeakerDriver({ speaker, transport, clock, log: recordingLog() }) };
  };
  const [a, b] = [make(calling), make(called)];
  b.driver.configure({
    ...speakerConfig(65002, '10.0.0.2', peerConfig('a', '10.0.0.1', { transport: { port: 179, passive: true } })),
    listen: [{ address: ip('10.0.0.2'), port: 179 }],
  });
  a.driver.configure(speakerConfig(65001, '10.0.0.1', peerConfig('b', '10.0.0.2')));
  return { a, b, clock, ends };
}

/** Turns of the event loop until it holds; a hundred times what it takes here. */
async function until(what: string, holds: () => boolean): Promise<void> {
  for (let turns = 0; !holds(); turns++) {
    if (turns > 10_000) throw new Error(`never: ${what}`);
    await turn();
  }
}

function announcements(count: number): Announcement[] {
  return Array.from({ length: count }, (_, i) => ({ prefix: prefix(`20.${i >> 8}.${i & 255}.0/24`), nextHop: 'self' }));
}

describe('SpeakerDriver', () => {
  it.each([1, 7, 100, 4096, 1_000_000])('tells every change through sockets that take %i octets', async room => {
    const { a, b, clock } = pair(room);
    const routes = () => b.speaker.rib?.counts('ipv4-unicast').locRib;
    await clock.advance(10_000);
    await until('the session is up', () => a.speaker.peers(0)[0]?.state === 'established');
    // The third would wait for ever behind a socket that filled up exactly with the last octet of the second.
    for (const count of [1, 700, 701, 3, 0, 500]) {
      a.driver.announce(announcements(count));
      await until(`${count} routes`, () => routes() === count);
    }
    expect(b.speaker.peers(0)[0]?.state).toBe('established');
  });

  it('reads what a caller has said before it answers: OPEN and KEEPALIVE leave together', async () => {
    const { a, clock, ends } = pair(4096);
    await clock.advance(10_000);
    await until('the session is up', () => a.speaker.peers(0)[0]?.state === 'established');
    const [near, far] = ends;
    // Both are configured alike, so their OPENs are of one length; a KEEPALIVE has 19 octets (RFC 4271 §4.4).
    const [open = 0] = near?.written ?? [];
    expect(far?.written[0]).toBe(open + 19);
  });

  it('after a stall reads what was said meanwhile before it looks at hold times', async () => {
    const { a, b, clock, ends } = pair(4096);
    await clock.advance(10_000);
    const states = () => [a, b].map(each => each.speaker.peers(0)[0]?.state);
    await until('the session is up', () => states().every(state => state === 'established'));
    // RFC 4271 §4.4: a KEEPALIVE, which waits in each socket while nothing runs for longer than the hold time.
    const keepalive = Uint8Array.from([...new Array(16).fill(0xff), 0, 19, 4]);
    for (const end of ends) setImmediate(() => end.handler?.data(keepalive));
    clock.stall(91_000);
    for (let turns = 0; turns < 10; turns++) await turn();
    expect(states()).toEqual(['established', 'established']);
  });
});
