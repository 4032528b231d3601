/**
 * The Log port over pino: JSON lines for machines, one short line an event on a terminal. Field names that hold secrets
 * are struck out whatever they contain, on top of Secret values never being printable in the first place.
 */
import { type DestinationStream, destination, type LevelWithSilent, pino, stdTimeFunctions } from 'pino';
import type { Log, LogFields } from './ports.ts';

export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const satisfies readonly LevelWithSilent[];
export type LogLevel = (typeof logLevels)[number];

const secretNames = ['password', 'passwd', 'secret', 'token', 'key', 'privateKey', 'authKey', 'md5'];
const redactPaths = secretNames.flatMap(name => [name, `*.${name}`, `*.*.${name}`]);

export interface LogOptions {
  readonly level: LogLevel;
  readonly pretty: boolean;
  /** Where lines go; standard error when absent. */
  readonly to?: { write(line: string): void };
}

export function createLog(options: LogOptions): Log {
  const sink: DestinationStream = options.to ?? destination({ fd: 2, sync: true });
  const to = options.pretty ? { write: (line: string) => sink.write(prettyLine(line)) } : sink;
  const logger = pino(
    {
      level: options.level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: label => ({ level: label }) },
      redact: { paths: redactPaths, censor: '(hidden)' },
    },
    to,
  );
  return {
    debug: (event, fields) => logger.debug(fields ?? {}, event),
    info: (event, fields) => logger.info(fields ?? {}, event),
    warn: (event, fields) => logger.warn(fields ?? {}, event),
    error: (event, fields) => logger.error(fields ?? {}, event),
  };
}

/** `12:00:01.123 warn  target failed  target=ipam error="no route"` */
function prettyLine(line: string): string {
  const { level, time, msg, ...fields } = JSON.parse(line) as { level: string; time: string; msg: string } & LogFields;
  const text = Object.entries(fields).map(([name, value]) => `${name}=${prettyValue(value)}`);
  const head = [time.slice(11, 23), level.padEnd(5), msg.replace(/\p{Cc}/gu, ' ')].join(' ');
  return `${text.length > 0 ? `${head}  ${text.join(' ')}` : head}\n`;
}

function prettyValue(value: unknown): string {
  return typeof value === 'string' && /^[^\s"=\p{Cc}]+$/u.test(value) ? value : JSON.stringify(value);
}
