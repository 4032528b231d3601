/**
 * A speaker with its driver and real sockets on loopback, in this process: configured with the words of the speaker's
 * file.
 */
import { readSpeakerFile } from '../../src/api/speaker-file.ts';
import type { Announcement } from '../../src/bgp/announcement.ts';
import { Speaker } from '../../src/bgp/speaker.ts';
import { loadLibc } from '../../src/linux/libc.ts';
import { TcpTransport } from '../../src/linux/tcp-transport.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { SpeakerDriver } from '../../src/runtime/speaker-driver.ts';
import { type PeerJson, summaryJson } from '../../src/runtime/speaker-views.ts';
import { type Line, recordingLog } from './recording-log.ts';

const libc = await loadLibc();

export class SpeakerNode {
  readonly speaker = new Speaker({ random: Math.random });
  readonly #log = recordingLog();
  readonly #driver: SpeakerDriver;

  constructor(file: object) {
    const transport = new TcpTransport(libc, systemClock);
    this.#driver = new SpeakerDriver({ speaker: this.speaker, transport, clock: systemClock, log: this.#log });
    this.configure(file);
  }

  configure(words: object): void {
    const { file, faults } = readSpeakerFile(words);
    if (file === undefined) throw new Error(JSON.stringify(faults));
    this.#driver.configure(file.config);
    this.announce(
      file.originate.flatMap(({ attributes, source }) =>
        'prefixes' in source ? source.prefixes.map(prefix => ({ ...attributes, prefix })) : [],
      ),
    );
  }

  announce(all: readonly Announcement[]): void {
    this.#driver.announce(all);
  }

  listening(): Promise<void> {
    return this.#driver.listening();
  }

  get lines(): readonly Line[] {
    return this.#log.lines;
  }

  peers(): readonly PeerJson[] {
    const shown = {
      node: '',
      instance: '',
      asn: 0,
      speaker: this.speaker,
      policies: {},
      originatedMs: () => new Map(),
    };
    return summaryJson([shown], systemClock.nowMs()).peers;
  }

  peer(key: string): PeerJson {
    const found = this.peers().find(each => each.peer === key);
    if (found === undefined) throw new Error(`no peer ${key}`);
    return found;
  }

  isUp(key: string): boolean {
    return this.peer(key).state === 'established';
  }

  stop(): void {
    this.#driver.stop({ kind: 'shutdown', reason: '' });
  }
}
