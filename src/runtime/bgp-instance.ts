/**
 * One BGP instance of the node while it runs: its speaker, the sockets and the clock it is bound to, and what was last
 * asked of it. Reference §2.1, §2.2, §2.7.
 */
import type { Announcement } from '../bgp/announcement.ts';
import type { SpeakerConfig } from '../bgp/config.ts';
import { Speaker } from '../bgp/speaker.ts';
import type { SpeakerEvent } from '../bgp/speaker-effect.ts';
import { speakerConfig } from '../control/bgp-config.ts';
import { asLastChoice, lastChoice, withHeld } from '../control/bgp-leave.ts';
import type { DesiredInstance } from '../control/desired.ts';
import { commonEnds } from '../net/equal.ts';
import { Prefix } from '../net/prefix.ts';
import type { Clock, Log } from './ports.ts';
import { SpeakerDriver } from './speaker-driver.ts';
import type { Transport } from './transport.ts';

export interface BgpInstanceOptions {
  readonly transport: Transport;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  /** OPENs say that we restarted: peers that kept our routes wait for End-of-RIB (RFC 4724 §4.1). */
  readonly restarting: boolean;
  /** How long a node that leaves keeps its routes as the last choice. */
  readonly leaveMs: number;
  readonly onEvent: (event: SpeakerEvent) => void;
  readonly onSent: () => void;
  readonly onTurn?: (() => void) | undefined;
}

export class BgpInstance {
  readonly speaker: Speaker;
  readonly #options: BgpInstanceOptions;
  readonly #driver: SpeakerDriver;
  #desired: DesiredInstance;
  #config: SpeakerConfig | undefined;
  #announced: readonly Announcement[] = [];
  #leaving = false;
  /** Routes that are about to be withdrawn, and how not to. */
  #held: { readonly announcements: readonly Announcement[]; readonly cancel: () => void } | undefined;
  readonly #sinceMs = new WeakMap<Announcement, number>();
  /** Wall time at which sessions that stand came up, by the peer's key. */
  readonly establishedMs = new Map<string, number>();

  constructor(desired: DesiredInstance, leaving: boolean, options: BgpInstanceOptions) {
    const { transport, clock, log, random, restarting, onSent, onTurn } = options;
    const onEvent = (event: SpeakerEvent) => {
      if (event.kind === 'up') this.establishedMs.set(event.peer, clock.wallMs());
      else if (event.kind === 'down') this.establishedMs.delete(event.peer);
      options.onEvent(event);
    };
    this.#options = options;
    this.#desired = desired;
    this.speaker = new Speaker({ random, restarting });
    this.#driver = new SpeakerDriver({ speaker: this.speaker, transport, clock, log, onEvent, onSent, onTurn });
    this.#leaving = leaving;
    this.apply(desired, leaving);
  }

  get desired(): DesiredInstance {
    return this.#desired;
  }

  /** What the speaker was last told to be; undefined as long as it could not be. */
  get config(): SpeakerConfig | undefined {
    return this.#config;
  }

  get announced(): readonly Announcement[] {
    return this.#announced;
  }

  /** By prefix, the wall time at which what is announced for it was handed to the speaker. */
  originatedMs(): ReadonlyMap<string, number> {
    return new Map(this.#announced.map(each => [Prefix.format(each.prefix), this.#sinceMs.get(each) ?? 0]));
  }

  /** Hands over what differs. True when other routes are originated than before. */
  apply(desired: DesiredInstance, leaving: boolean): boolean {
    if (leaving && !this.#leaving) this.#hold(lastChoice(this.#desired.routes));
    else if (!leaving) this.#release();
    this.#leaving = leaving;
    const planned = desired.plan !== this.#desired.plan || this.#config === undefined;
    this.#desired = desired;
    // Routes first: a peer that comes up is told all of them before End-of-RIB.
    const changed = this.#announce();
    if (planned) this.#configure();
    return changed;
  }

  reset(peer: string, how: 'hard' | 'soft-in' | 'soft-out'): boolean {
    return this.#driver.reset(peer, how);
  }

  /** All routes become the last choice. */
  leave(): void {
    this.#release();
    this.#tell(this.#announced.map(asLastChoice));
  }

  /** Withdraws everything; sessions stay. */
  withdraw(): void {
    this.#release();
    this.#tell([]);
  }

  get hasUnsent(): boolean {
    return this.#driver.hasUnsent;
  }

  /** `restart`: peers that negotiated graceful restart keep our routes. Else they are told `reason` (RFC 9003). */
  close(how: Parameters<Speaker['stop']>[0]): void {
    this.#release();
    this.#driver.stop(how);
  }

  #configure(): void {
    const config = speakerConfig(this.#desired.plan, this.#config);
    if (config === undefined || config === this.#config) return;
    this.#config = config;
    this.#driver.configure(config);
  }

  #announce(): boolean {
    return this.#tell(withHeld(this.#desired.announcements, this.#held?.announcements ?? []));
  }

  #tell(all: readonly Announcement[]): boolean {
    if (all === this.#announced) return false;
    const nowMs = this.#options.clock.wallMs();
    const added = additions(this.#announced, all);
    for (const announcement of added) this.#sinceMs.set(announcement, nowMs);
    const changed = added.length > 0 || all.length !== this.#announced.length;
    this.#announced = all;
    this.#driver.announce(all);
    return changed;
  }

  #hold(announcements: readonly Announcement[]): void {
    if (announcements.length === 0) return;
    const { clock, log, leaveMs } = this.#options;
    log.info('node leaves: routes of services are the last choice now, and go soon', {
      routes: announcements.length,
      withdrawMs: leaveMs,
    });
    const cancel = clock.after(leaveMs, () => {
      this.#held = undefined;
      this.#announce();
    });
    this.#held = { announcements, cancel };
  }

  #release(): void {
    this.#held?.cancel();
    this.#held = undefined;
  }
}

/**
 * Those of `after` that were not in `before`: an unchanged one is the same value, most at the same place from either
 * end.
 */
function additions(before: readonly Announcement[], after: readonly Announcement[]): readonly Announcement[] {
  const { head, tail } = commonEnds(before, after);
  const known = new Set(before.slice(head, before.length - tail));
  return after.slice(head, after.length - tail).filter(each => !known.has(each));
}
