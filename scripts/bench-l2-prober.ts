/**
 * Asks on an Ethernet link and times the answers: one question at a time, spinning on the socket so that only the
 * answerer's time is measured, or as many as the answerer takes with a window of questions on their way.
 */
import type { Libc } from '../src/linux/libc.ts';
import { openPacketSocket, type PacketKind } from '../src/linux/packet-socket.ts';

/** An answer that takes longer is lost. */
const LOST_MS = 1000;
const WINDOW = 32;

export interface Question {
  readonly frame: Uint8Array;
  readonly isAnswer: (frame: Uint8Array) => boolean;
}

export interface Latency {
  readonly p50Us: number;
  readonly p99Us: number;
  readonly maxUs: number;
  readonly lost: number;
  readonly samples: number;
}

export class Prober {
  readonly #libc: Libc;
  readonly #fd: number;
  readonly #frame = new Uint8Array(2048);
  readonly #from = new Uint8Array(20);

  constructor(libc: Libc, ifindex: number, kind: PacketKind) {
    this.#libc = libc;
    this.#fd = openPacketSocket(libc, ifindex, kind);
  }

  /** Microseconds from question to answer, `pauseMs` between one and the next; what was lost is Infinity. */
  ask({ frame, isAnswer }: Question, samples: number, pauseMs: number): Float64Array {
    const took = new Float64Array(samples);
    this.#begin();
    for (let i = 0; i < samples; i++) {
      const startMs = performance.now();
      this.#send(frame);
      took[i] = this.#await(isAnswer, startMs + LOST_MS)
        ? (performance.now() - startMs) * 1000
        : Number.POSITIVE_INFINITY;
      // Not asleep: a core that wakes up would be measured too.
      for (const untilMs = performance.now() + pauseMs; performance.now() < untilMs; );
    }
    this.#libc.realtime(0);
    return took;
  }

  /** Answers in a second, and the share of questions that got none. */
  flood({ frame, isAnswer }: Question, forMs: number): { readonly perSecond: number; readonly lostShare: number } {
    this.#begin();
    const startMs = performance.now();
    let [sent, answered, lastMs] = [0, 0, startMs];
    for (let nowMs = startMs; nowMs < startMs + forMs; nowMs = performance.now()) {
      // A window that stands still has lost all that is on its way.
      const open = nowMs - lastMs > 10 ? WINDOW : WINDOW - (sent - answered);
      for (let i = 0; i < open; i++, sent++) this.#send(frame);
      for (let i = 0; i < WINDOW && this.#receive(isAnswer); i++) [answered, lastMs] = [answered + 1, nowMs];
    }
    const tookMs = performance.now() - startMs;
    while (this.#await(isAnswer, performance.now() + 20)) answered++;
    this.#libc.realtime(0);
    return { perSecond: (answered / tookMs) * 1000, lostShare: 1 - answered / sent };
  }

  close(): void {
    this.#libc.close(this.#fd);
  }

  #await(isAnswer: (frame: Uint8Array) => boolean, untilMs: number): boolean {
    while (!this.#receive(isAnswer)) if (performance.now() > untilMs) return false;
    return true;
  }

  #receive(isAnswer: (frame: Uint8Array) => boolean): boolean {
    return this.#libc.recvfrom(this.#fd, this.#frame, this.#from) !== undefined && isAnswer(this.#frame);
  }

  /** As another machine, which shares no core with the answerer's. */
  #begin(): void {
    this.#libc.realtime(1);
    while (this.#libc.recvfrom(this.#fd, this.#frame, this.#from) !== undefined);
  }

  #send(frame: Uint8Array): void {
    const errno = this.#libc.send(this.#fd, frame, frame.length);
    if (errno !== 0) throw new Error(`sending: errno ${errno}`);
  }
}

/** Of several rounds, the medians of what each round had: one that something else disturbed does not count. */
export function latencyOf(rounds: readonly Float64Array[]): Latency {
  const sorted = rounds.map(round => round.filter(Number.isFinite).sort());
  const at = (share: number) =>
    median(sorted.map(round => round[Math.min(round.length - 1, Math.floor(round.length * share))] ?? Number.NaN));
  const samples = rounds.reduce((sum, round) => sum + round.length, 0);
  return {
    p50Us: at(0.5),
    p99Us: at(0.99),
    maxUs: Math.max(...sorted.map(round => round.at(-1) ?? 0)),
    lost: samples - sorted.reduce((sum, round) => sum + round.length, 0),
    samples,
  };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}
