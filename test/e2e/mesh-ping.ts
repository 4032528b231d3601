/** A ping that goes on while something happens, and how many answers never came. */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Namespace } from '../support/netns.ts';

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

  async end(): Promise<{ readonly sent: number; readonly lost: number }> {
    const ended = new Promise(resolve => this.#child.once('close', resolve));
    // What was sent last may still be on its way.
    await new Promise(resolve => setTimeout(resolve, 200));
    this.#child.kill('SIGINT');
    await ended;
    const [, sent, received] = /(\d+) packets transmitted, (\d+) received/.exec(this.#said) ?? [];
    if (sent === undefined) throw new Error(`ping said ${this.#said.slice(-300)}`);
    return { sent: Number(sent), lost: Number(sent) - Number(received) };
  }
}
