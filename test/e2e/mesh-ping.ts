/** A ping that goes on while something happens, and how many answers never came. */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Namespace } from '../support/netns.ts';
import { eventually } from '../support/wait.ts';

export class PingRun {
  readonly #child: ChildProcess;
  #said = '';

  /** One every 50 ms. */
  constructor(namespace: Namespace, address: string) {
    const [command = '', ...rest] = namespace.inside('ping', '-i', '0.05', '-W', '1', address);
    this.#child = spawn(command, rest, { stdio: ['ignore', 'pipe', 'ignore'] });
    this.#child.stdout?.on('data', (text: Buffer) => {
      this.#said += text.toString();
    });
  }

  /** Of all up to one that is answered now; what is sent after that may be on its way when ping is told to end. */
  async end(): Promise<{ readonly sent: number; readonly lost: number }> {
    const before = this.#answered().size;
    await eventually('one more is answered', () => this.#answered().size > before, { detail: () => this.#said });
    const answered = this.#answered();
    const ended = new Promise(resolve => this.#child.once('close', resolve));
    this.#child.kill('SIGINT');
    await ended;
    const sent = Math.max(...answered);
    return { sent, lost: sent - answered.size };
  }

  /** Numbers of the questions, from 1. */
  #answered(): ReadonlySet<number> {
    return new Set([...this.#said.matchAll(/bytes from .* icmp_seq=(\d+) /g)].map(([, number]) => Number(number)));
  }
}
