/**
 * The main thread's end of the thread `nl`, which watches the host and writes routes. One for the process: whoever
 * needs it shares it.
 */
import type { HostFacts } from '../control/settings.ts';
import { BlockingWorker, workerEntry } from './blocking-worker.ts';
import type { FromRoutes, ToRoutes } from './kernel-routes-message.ts';
import type { Libc } from './libc.ts';

/** What the thread is started with. */
export interface NetlinkWork {
  /** Path of a network namespace to work in; the process's own where there is none. */
  readonly namespace: string | undefined;
  /** What marks our own routes (rtm_protocol). */
  readonly protocol: number;
  /** Room for events that nobody has read yet. */
  readonly queueBytes: number | undefined;
}

export type ToNetlink = ToRoutes;

export type FromNetlink = { readonly about: 'host'; readonly facts: HostFacts } | FromRoutes;

/** rtm_protocol of everything Herald writes: 174, which nobody else has in iproute2's rt_protos. */
export const heraldProtocol = 174;

export interface HostListener {
  facts(facts: HostFacts): void;
  /** The thread is no more: netlink cannot be opened here, or it broke. */
  failed(error: Error): void;
}

export interface RoutesListener {
  answer(answer: FromRoutes): void;
  /** As for the host. */
  failed(error: Error): void;
}

export interface NetlinkThreadOptions {
  readonly namespace?: string;
  readonly protocol?: number;
  readonly queueBytes?: number;
}

export class NetlinkThread {
  readonly #worker: BlockingWorker<ToNetlink, FromNetlink>;
  readonly #listeners = new Set<HostListener>();
  #routes: RoutesListener | undefined;
  #facts: HostFacts | undefined;
  #failure: Error | undefined;
  #holds = 0;

  constructor(libc: Libc, { namespace, protocol = heraldProtocol, queueBytes }: NetlinkThreadOptions = {}) {
    const work: NetlinkWork = { namespace, protocol, queueBytes };
    this.#worker = new BlockingWorker(libc, workerEntry('nl-worker', import.meta.url), work, {
      message: message => this.#message(message),
      failed: error => this.#fail(error),
    });
    // Until it has said how the host looks.
    this.hold(true);
  }

  /** Keeps the process alive while somebody waits for an answer; held as often as it is let go. */
  hold(held: boolean): void {
    this.#holds += held ? 1 : -1;
    this.#worker.hold(this.#holds > 0);
  }

  /** Tells how the host looks, at once where that is known, and whenever that changes. The result ends it. */
  watch(listener: HostListener): () => void {
    this.#listeners.add(listener);
    if (this.#failure !== undefined) listener.failed(this.#failure);
    else if (this.#facts !== undefined) listener.facts(this.#facts);
    return () => this.#listeners.delete(listener);
  }

  /** Who is told what becomes of routes: one, for the process. */
  routes(listener: RoutesListener): void {
    this.#routes = listener;
    if (this.#failure !== undefined) listener.failed(this.#failure);
  }

  post(message: ToRoutes): void {
    this.#worker.post(message);
  }

  /** Resolves when the thread is gone. */
  close(): Promise<void> {
    return this.#worker.close();
  }

  #message(message: FromNetlink): void {
    if (message.about === 'routes') {
      this.#routes?.answer(message);
      return;
    }
    if (this.#facts === undefined) this.hold(false);
    this.#facts = message.facts;
    for (const listener of this.#listeners) listener.facts(message.facts);
  }

  #fail(error: Error): void {
    this.#failure = error;
    for (const listener of this.#listeners) listener.failed(error);
    this.#routes?.failed(error);
  }
}
