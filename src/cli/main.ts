/** The frame around every command: finding it, help, errors in one line, signals, the exit status. */
import { type Command, CommandError, type ExitCode, type Streams, UsageError } from './command.ts';
import { commands, type Listed } from './commands.ts';
import { commandHelp, overview } from './help.ts';

/** From the first signal until the process is ended whatever still runs. */
const drainMaxMs = 5000;
const signalExit = { SIGINT: 130, SIGTERM: 143 } as const;

export async function main(words: readonly string[], listed = commands): Promise<void> {
  const abort = new AbortController();
  let signalled = false;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (signalled) process.exit(signalExit[signal]);
      signalled = true;
      setTimeout(() => {
        process.stderr.write(`herald: still busy ${drainMaxMs / 1000} s after ${signal}; leaving\n`);
        process.exit(1);
      }, drainMaxMs).unref();
      abort.abort(signal);
    });
  }
  // A reader that went away (`herald … | head`) is the end of the work, not an error.
  process.stdout.on('error', error => process.exit('code' in error && error.code === 'EPIPE' ? 0 : 1));
  // Not process.exit(): it would cut off what stdout still has to write to a pipe.
  process.exitCode = await run(words, processStreams(), abort.signal, listed);
}

/** Finds and runs a command. Never rejects: whatever goes wrong is one line on `err` and a status. */
export async function run(
  words: readonly string[],
  streams: Streams,
  signal: AbortSignal,
  listed: Readonly<Record<string, Listed>> = commands,
): Promise<ExitCode> {
  try {
    const [first] = words;
    if (first === undefined || first === '--help' || first === '-h' || first === 'help') {
      const about = first === 'help' && words.length > 1 ? await find(words.slice(1), listed) : undefined;
      streams.out(about === undefined ? overview() : commandHelp(about.command));
      return first === undefined ? 2 : 0;
    }
    if (first === '--version' || first === 'version') {
      const { version } = await import('./version.ts');
      streams.out(`herald ${version()}\n`);
      return 0;
    }
    const { command, rest } = await find(words, listed);
    const own = command.verbatim ? rest.slice(0, 1) : rest;
    if (own.includes('--help') || own.includes('-h')) {
      streams.out(commandHelp(command));
      return 0;
    }
    return await command.run(rest, streams, signal);
  } catch (error) {
    return report(error, streams);
  }
}

/** The longest name that the words begin with: `ipam plan` before `ipam`. */
async function find(
  words: readonly string[],
  all: Readonly<Record<string, Listed>>,
): Promise<{ command: Command; rest: readonly string[] }> {
  for (const length of [3, 2, 1]) {
    const name = words.slice(0, length).join(' ');
    const listed = words.length >= length && Object.hasOwn(all, name) ? all[name] : undefined;
    if (listed !== undefined) return { command: await listed.load(), rest: words.slice(length) };
  }
  const [first = ''] = words;
  const below = Object.keys(all).filter(name => name.startsWith(`${first} `));
  if (below.length > 0) throw new UsageError(`${first} what? ${below.join(', ')}`);
  throw new UsageError(`no command '${first}'; \`herald --help\` lists them`);
}

function report(error: unknown, streams: Streams): ExitCode {
  if (error instanceof UsageError) {
    streams.err(`herald: ${error.message}\n`);
    return 2;
  }
  if (error instanceof CommandError || isSystemError(error)) {
    streams.err(`herald: ${error.message}\n`);
    return 1;
  }
  // A mistake of ours: the stack says where.
  streams.err(`herald: internal error: ${error instanceof Error ? error.stack : String(error)}\n`);
  return 1;
}

function isSystemError(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && 'syscall' in error;
}

function processStreams(): Streams {
  return {
    out: text => void process.stdout.write(text),
    err: text => void process.stderr.write(text),
    isTerminal: process.stdout.isTTY === true,
    width: process.stdout.columns ?? 120,
  };
}
