/**
 * The Log port over pino: JSON lines for machines, one short line an event on a terminal. Field names that hold secrets
 * are struck out whatever they contain, on top of Secret values never being printable in the first place.
 */
import { type DestinationStream, destination, type LevelWithSilent, pino } from 'pino';
import type { Log, LogFields } from './ports.ts';

export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const satisfies readonly LevelWithSilent[];
export type LogLevel = (typeof logLevels)[number];

const secretNames = new Set(['password', 'passwd', 'secret', 'token', 'key', 'privateKey', 'authKey', 'md5']);
/** Fields nested deeper than this are not logged. */
const depthMax = 4;
/** Characters: a turn that has more to say writes more than once. */
const LINES_MAX = 8 * 1024;

export interface LogOptions {
  readonly level: LogLevel;
  readonly pretty: boolean;
  /** Where lines go; standard error when absent. */
  readonly to?: { write(line: string): void };
}

export function createLog(options: LogOptions): Log {
  const sink: DestinationStream = options.to ?? standardError();
  const to = options.pretty ? { write: (line: string) => sink.write(prettyLine(line)) } : sink;
  const logger = pino(
    {
      level: options.level,
      base: null,
      timestamp: timeField(),
      formatters: { level: label => ({ level: label }) },
    },
    to,
  );
  const write = (level: Exclude<LogLevel, 'silent'>, event: string, fields: LogFields = {}) => {
    if (logger.isLevelEnabled(level)) logger[level](withoutSecrets(fields, 1), event);
  };
  return {
    debug: (event, fields) => write('debug', event, fields),
    info: (event, fields) => write('info', event, fields),
    warn: (event, fields) => write('warn', event, fields),
    error: (event, fields) => write('error', event, fields),
  };
}

/** Lines of one turn of the event loop in one write, and at the end whatever is left. */
function standardError(): DestinationStream {
  const sink = destination({ fd: 2, sync: true });
  let [lines, isDue] = ['', false];
  const flush = () => {
    if (lines !== '') sink.write(lines);
    lines = '';
  };
  const atTurnsEnd = () => {
    isDue = false;
    flush();
  };
  process.on('exit', flush);
  return {
    write(line) {
      lines += line;
      if (lines.length >= LINES_MAX) flush();
      if (!isDue) setImmediate(atTurnsEnd);
      isDue = true;
    },
  };
}

/** The time as pino wants it. Lines come in bursts, and writing a date costs as much as the rest of a line. */
function timeField(): () => string {
  let [second, head] = [Number.NaN, ''];
  return () => {
    const nowMs = Date.now();
    const ms = nowMs % 1000;
    if (nowMs - ms !== second) [second, head] = [nowMs - ms, `,"time":"${new Date(nowMs).toISOString().slice(0, -4)}`];
    return `${head}${ms < 10 ? '00' : ms < 100 ? '0' : ''}${ms}Z"`;
  };
}

/** By our own walk: pino's redaction by paths costs more than the line itself. */
function withoutSecrets(fields: LogFields, depth: number): LogFields {
  return isPlain(fields)
    ? fields
    : Object.fromEntries(
        Object.entries(fields).map(([name, value]) => [
          name,
          secretNames.has(name) ? '(hidden)' : withoutNested(value, depth),
        ]),
      );
}

/** Nothing in it is to be struck out, and nothing has an inside: most lines. */
function isPlain(fields: LogFields): boolean {
  for (const name in fields) if (secretNames.has(name) || typeof fields[name] === 'object') return false;
  return true;
}

function withoutNested(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Error) return value;
  if ('toJSON' in value) return value;
  if (depth >= depthMax) return '(deeper)';
  if (Array.isArray(value)) return value.map(each => withoutNested(each, depth + 1));
  return withoutSecrets(value as LogFields, depth + 1);
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
