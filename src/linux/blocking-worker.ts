/**
 * A thread that waits in the kernel, and how it ends. A worker in a blocking call keeps process.exit(), an uncaught
 * exception and terminate() waiting for ever, so each has a stop flag in shared memory, an eventfd that is among what
 * it waits for, and a timeout of its own as a belt; the flag and the eventfd are raised when the process exits,
 * whatever makes it. Main talks to it by messages and the eventfd; it answers by messages alone.
 */
import { type MessagePort, parentPort, receiveMessageOnPort, Worker, workerData } from 'node:worker_threads';
import type { Libc } from './libc.ts';

/** Longest that a worker may wait in one call. */
export const WAIT_MAX_MS = 250;

/** What every worker finds in its workerData. */
interface Reins {
  readonly stop: Int32Array<SharedArrayBuffer>;
  readonly wakeFd: number;
  readonly data: unknown;
}

export interface BlockingWorkerHandlers<Out> {
  message(message: Out): void;
  /** It threw. Nothing of it runs any more. */
  failed(error: Error): void;
}

/** The main thread's side. `In` and `Out` are what structured clone takes. */
export class BlockingWorker<In, Out> {
  readonly #libc: Libc;
  readonly #worker: Worker;
  readonly #reins: Reins;
  readonly #exited: Promise<void>;
  readonly #atExit = () => this.#stop();
  #ended = false;

  /** `entry` is the file of the worker; `data` is handed to it. */
  constructor(libc: Libc, entry: URL, data: unknown, handlers: BlockingWorkerHandlers<Out>) {
    this.#libc = libc;
    this.#reins = { stop: new Int32Array(new SharedArrayBuffer(4)), wakeFd: libc.eventfd(), data };
    // No execArgv of the process: a flag such as --input-type is none of the worker's.
    this.#worker = new Worker(entry, { workerData: this.#reins, execArgv: [] });
    this.#worker.on('message', (message: Out) => handlers.message(message));
    this.#worker.on('error', (error: Error) => handlers.failed(error));
    this.#exited = new Promise(resolve => {
      this.#worker.once('exit', () => {
        this.#ended = true;
        process.off('exit', this.#atExit);
        libc.close(this.#reins.wakeFd);
        resolve();
      });
    });
    process.on('exit', this.#atExit);
    // It keeps no process alive: whoever has work for it does.
    this.#worker.unref();
  }

  post(message: In): void {
    if (this.#ended) return;
    this.#worker.postMessage(message);
    this.#libc.wake(this.#reins.wakeFd);
  }

  /** While it is held, it keeps the process alive: somebody waits for what it will say. */
  hold(held: boolean): void {
    if (held) this.#worker.ref();
    else this.#worker.unref();
  }

  /** Resolves when the thread is gone. */
  async close(): Promise<void> {
    this.#worker.ref();
    this.#stop();
    await this.#exited;
  }

  #stop(): void {
    if (this.#ended) return;
    Atomics.store(this.#reins.stop, 0, 1);
    this.#libc.wake(this.#reins.wakeFd);
  }
}

/** The worker's side: poll `wakeFd`, and call `turn` each time round. */
export class WorkerReins<In, Out> {
  readonly data: unknown;
  readonly wakeFd: number;
  readonly #port: MessagePort;
  readonly #libc: Libc;
  readonly #stop: Int32Array;

  /** Throws outside of a worker that BlockingWorker made. */
  constructor(libc: Libc) {
    if (parentPort === null) throw new Error('not in a worker');
    const reins: Reins = workerData;
    this.#libc = libc;
    this.#port = parentPort;
    this.#stop = reins.stop;
    this.data = reins.data;
    this.wakeFd = reins.wakeFd;
  }

  get stopped(): boolean {
    return Atomics.load(this.#stop, 0) !== 0;
  }

  /** What main has posted since, after `wakeFd` was ready. */
  *messages(): Iterable<In> {
    this.#libc.rest(this.wakeFd);
    for (;;) {
      const received: { message: In } | undefined = receiveMessageOnPort(this.#port);
      if (received === undefined) return;
      yield received.message;
    }
  }

  post(message: Out): void {
    this.#port.postMessage(message);
  }
}

/**
 * Where a worker's file is: beside the one that starts it, under the extension that one has. Sources run as they are,
 * and the package has them compiled.
 */
export function workerEntry(name: string, beside: string): URL {
  return new URL(`./${name}${beside.endsWith('.ts') ? '.ts' : '.js'}`, beside);
}
