/**
 * A speaker's events as lines of the log. Strangers can cause refusals, and peers malformed messages, as often as they
 * like: of each kind a few lines a minute are written, the rest is counted and told with the next one.
 */
import type { AttributeFault } from '../bgp/attribute.ts';
import { describeDown } from '../bgp/peer-status.ts';
import type { Endpoint, SpeakerEvent } from '../bgp/speaker-effect.ts';
import { IpAddress } from '../net/ip.ts';
import type { Clock, Log, LogFields } from './ports.ts';

const WINDOW_MS = 60_000;
const LINES_MAX = 20;

export class SpeakerLog {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #noise = new Map<SpeakerEvent['kind'] | 'dropped', { sinceMs: number; lines: number; left: number }>();

  constructor(log: Log, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  write(event: SpeakerEvent): void {
    switch (event.kind) {
      case 'up':
        this.#log.info('session up', { peer: event.peer, families: event.families.join(',') });
        return;
      case 'down':
        this.#log.warn('session down', { peer: event.peer, reason: describeDown(event.reason) });
        return;
      case 'failed':
        this.#bounded(event.kind, 'no session', {
          peer: event.peer,
          remote: event.remote && formatEndpoint(event.remote),
          reason: describeDown(event.reason),
        });
        return;
      case 'malformed':
        this.#bounded(event.kind, 'malformed update', {
          peer: event.peer,
          messages: event.messages,
          faults: event.faults.map(describeFault).join('; '),
        });
        return;
      case 'end-of-rib':
        this.#log.debug('end of rib', { peer: event.peer, family: event.family });
        return;
      default:
        event satisfies never;
    }
  }

  /** What the kernel dropped, in words. */
  dropped(words: string): void {
    this.#bounded('dropped', words, {});
  }

  #bounded(kind: SpeakerEvent['kind'] | 'dropped', words: string, fields: LogFields): void {
    const nowMs = this.#clock.nowMs();
    let noise = this.#noise.get(kind);
    if (noise === undefined || nowMs - noise.sinceMs > WINDOW_MS) {
      const left = noise?.left ?? 0;
      noise = { sinceMs: nowMs, lines: 0, left: 0 };
      this.#noise.set(kind, noise);
      if (left > 0) this.#log.warn(`${words}: more of these were not written`, { count: left });
    }
    if (noise.lines < LINES_MAX) this.#log.warn(words, fields);
    else noise.left++;
    noise.lines++;
  }
}

/** `192.0.2.1:179`, `[fe80::1%eth0]:179`. */
export function formatEndpoint({ address, zone, port }: Endpoint): string {
  const text = IpAddress.format(address) + (zone === undefined ? '' : `%${zone}`);
  return address.family === 'ipv6' ? `[${text}]:${port}` : `${text}:${port}`;
}

function describeFault({ code, kind, treatment }: AttributeFault): string {
  return `attribute ${code}: ${kind} (${treatment})`;
}
