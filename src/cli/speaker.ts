/** `herald speaker`: a bare BGP speaker from one file, in the foreground. */

import { Speaker } from '../bgp/speaker.ts';
import { loadLibc } from '../linux/libc.ts';
import { connectPair } from '../linux/stream-pair.ts';
import { TcpTransport } from '../linux/tcp-transport.ts';
import { systemClock } from '../runtime/clock.ts';
import { HttpServer } from '../runtime/http.ts';
import { createLog, logLevels } from '../runtime/log.ts';
import type { Log } from '../runtime/ports.ts';
import { SpeakerDriver } from '../runtime/speaker-driver.ts';
import { type ConnectPair, rehearseSessions } from '../runtime/speaker-rehearsal.ts';
import { speakerRoutes } from '../runtime/speaker-routes.ts';
import type { ShownSpeaker } from '../runtime/speaker-views.ts';
import { CommandError, defineCommand } from './command.ts';
import { fingerprint, type LoadedSpeaker, type LoadResult, loadSpeaker } from './speaker-config.ts';

/** How often the file, and the lists it names, are looked at. */
const WATCH_MS = 1000;

export const speaker = defineCommand({
  name: 'speaker',
  about: `Speaks BGP as one YAML file says: its peers, their policies, what is originated. Runs in the foreground until
SIGTERM. The file is read again on SIGHUP and when it changes; sessions that did not change are not
touched, and a file with faults leaves everything as it was.

  herald speaker --config speaker.yaml --socket /run/herald/speaker.sock
  herald bgp summary --socket /run/herald/speaker.sock`,
  options: {
    config: { type: 'string', value: 'FILE', about: 'the speaker, its peers and routes' },
    socket: { type: 'string', value: 'PATH', about: 'unix socket for `herald bgp`; none without it' },
    'log-level': {
      type: 'string',
      oneOf: logLevels,
      default: 'info',
      value: 'LEVEL',
      about: 'least level that is written',
    },
  },
  async run({ options, streams, signal }) {
    if (options.config === undefined) throw new CommandError('which file? name it with --config');
    const first = await loadSpeaker(options.config);
    if (first.loaded === undefined) throw new CommandError(first.faults.join('\nherald: '));
    const level = logLevels.find(each => each === options['log-level']) ?? 'info';
    const log = createLog({ level, pretty: streams.isTerminal });
    const running = new Running(options.config, first, first.loaded, await loadKernel(), log);
    const server = new HttpServer(speakerRoutes(() => [running.shown()], systemClock));
    if (options.socket !== undefined) await server.listenUnix(options.socket);
    const reload = () => running.reload();
    process.on('SIGHUP', reload);
    const timer = setInterval(() => running.lookForChange(), WATCH_MS);
    await new Promise<void>(resolve => {
      if (signal.aborted) resolve();
      else signal.addEventListener('abort', () => resolve(), { once: true });
    });
    clearInterval(timer);
    process.off('SIGHUP', reload);
    running.stop();
    await server.close();
    return 0;
  },
});

async function loadKernel(): Promise<TcpTransport> {
  return new TcpTransport(await loadLibc(), systemClock);
}

/** What goes wrong with it is no fault of what it prepares for. */
async function rehearse(isAlone: () => boolean, log: Log): Promise<void> {
  try {
    const libc = await loadLibc();
    const connect: ConnectPair = (ends, near, far) => connectPair(libc, ends, near, far);
    await rehearseSessions(systemClock, connect, isAlone);
  } catch (error) {
    log.debug('no rehearsal', { error: error instanceof Error ? error.message : String(error) });
  }
}

class Running {
  readonly speaker: Speaker;
  file: LoadedSpeaker['file'];
  readonly #driver: SpeakerDriver;
  readonly #path: string;
  readonly #log: Log;
  #paths: readonly string[];
  #fingerprint: string;
  #loading: Promise<void> = Promise.resolve();

  constructor(
    path: string,
    result: LoadResult,
    { file, announcements }: LoadedSpeaker,
    transport: TcpTransport,
    log: Log,
  ) {
    this.#path = path;
    this.#log = log;
    this.#paths = result.paths;
    this.#fingerprint = fingerprint(result.paths);
    this.file = file;
    // Whether a predecessor's routes are still kept the peers alone know: where they may be, we say that we restarted.
    const restarting = file.config.peers.some(peer => peer.gracefulRestart !== undefined);
    this.speaker = new Speaker({ random: Math.random, restarting });
    this.#driver = new SpeakerDriver({ speaker: this.speaker, transport, clock: systemClock, log });
    this.#driver.configure(file.config);
    this.#driver.announce(announcements);
    void rehearse(() => this.#driver.isAlone, log);
  }

  shown(): ShownSpeaker {
    const { policies, config } = this.file;
    const originatedMs = () => new Map<string, number>();
    return { node: '', instance: '', asn: config.asn, speaker: this.speaker, policies, originatedMs };
  }

  lookForChange(): void {
    if (fingerprint(this.#paths) !== this.#fingerprint) this.reload();
  }

  /** One after the other. */
  reload(): void {
    this.#loading = this.#loading.then(() => this.#load());
  }

  async #load(): Promise<void> {
    // Taken before reading: what changes meanwhile is seen the next time.
    const before = fingerprint(this.#paths);
    const { loaded, faults, paths } = await loadSpeaker(this.#path);
    this.#fingerprint = paths.length === this.#paths.length ? before : fingerprint(paths);
    this.#paths = paths;
    for (const fault of faults) this.#log.error('configuration refused, the running one stays', { fault });
    if (loaded === undefined) return;
    this.file = loaded.file;
    this.#driver.configure(loaded.file.config);
    this.#driver.announce(loaded.announcements);
    this.#log.info('configuration loaded', {
      peers: loaded.file.config.peers.length,
      originated: loaded.announcements.length,
    });
  }

  stop(): void {
    this.#driver.stop(this.file.onExit === 'restart' ? { kind: 'restart' } : { kind: 'shutdown', reason: '' });
  }
}
