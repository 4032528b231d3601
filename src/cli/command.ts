/**
 * What a command is, and how its words become values: one command a file, its options a table that parsing, `--help`
 * and the types are all read from. Usage errors end with status 2 and one line that says what to do.
 */
import { parseArgs } from 'node:util';

/** 0 all is well, 1 faults were found (or the work failed), 2 the words of the call are wrong. */
export type ExitCode = 0 | 1 | 2;

export interface Option {
  readonly type: 'string' | 'boolean';
  readonly short?: string;
  /** Another name, for those who know it from elsewhere. */
  readonly alias?: string;
  /** May be given several times. */
  readonly multiple?: true;
  readonly default?: string;
  /** Allowed values, where they can be listed. */
  readonly oneOf?: readonly string[];
  /** How `--help` names the value: `DIR`. */
  readonly value?: string;
  readonly about: string;
}
export type Options = Readonly<Record<string, Option>>;

type OptionValue<O extends Option> = O extends { readonly type: 'boolean' }
  ? boolean
  : O extends { readonly multiple: true }
    ? readonly string[]
    : O extends { readonly default: string }
      ? string
      : string | undefined;
export type OptionValues<T extends Options> = { readonly [K in keyof T]: OptionValue<T[K]> };

/** Where a command writes. `out` is what was asked for, `err` is everything else. */
export interface Streams {
  out(text: string): void;
  err(text: string): void;
  readonly isTerminal: boolean;
  /** Columns of the terminal, or 120. */
  readonly width: number;
}

export interface Context<T extends Options = Options> {
  readonly args: readonly string[];
  readonly options: OptionValues<T>;
  readonly streams: Streams;
  /** Aborted by SIGTERM and SIGINT: finish what must be finished, then return. */
  readonly signal: AbortSignal;
}

export interface Command {
  /** As typed: `ipam plan`. */
  readonly name: string;
  /** What follows the name: `FILE|DIR…`; empty when nothing does. */
  readonly operands: string;
  /** How many operands there may be. */
  readonly count: { readonly min: number; readonly max: number };
  /** For a person who has never used it: what it does, what it prints, an example. */
  readonly about: string;
  readonly options: Options;
  /** Words after the first operand are another program's: `--help` among them is not for us. */
  readonly verbatim?: true;
  run(words: readonly string[], streams: Streams, signal: AbortSignal): Promise<ExitCode>;
}

/** The words of the call are wrong. The message says what to do instead. */
export class UsageError extends Error {
  override name = 'UsageError';
}

/** Something outside failed in a way that is no bug of ours: shown as one line, status 1. */
export class CommandError extends Error {
  override name = 'CommandError';
}

/** For what can only fail because of the world: its error becomes one line. */
export async function orCommandError<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw new CommandError(error instanceof Error ? error.message : String(error));
  }
}

/** For every command that prints data. */
export const outputOption = {
  type: 'string',
  short: 'o',
  oneOf: ['table', 'json'],
  default: 'table',
  value: 'FORMAT',
  about: 'table for people, json for programs',
} as const satisfies Option;

/** Builds a command whose `run` sees its options typed after the table it declares. */
export function defineCommand<const T extends Options>(definition: {
  readonly name: string;
  readonly operands?: string;
  readonly count?: { readonly min: number; readonly max: number };
  readonly about: string;
  readonly options: T;
  readonly run: (context: Context<T>) => Promise<ExitCode>;
}): Command {
  const count = definition.count ?? { min: 0, max: 0 };
  return {
    name: definition.name,
    operands: definition.operands ?? '',
    count,
    about: definition.about,
    options: definition.options,
    run(words, streams, signal) {
      const { args, options } = parseWords(definition.name, definition.options, count, words);
      return definition.run({ args, options, streams, signal });
    },
  };
}

function parseWords<T extends Options>(name: string, table: T, count: Command['count'], words: readonly string[]) {
  const config = Object.fromEntries(
    Object.entries(table).flatMap(([key, option]) => {
      const more = option.multiple === undefined ? {} : { multiple: true };
      const main = { type: option.type, ...(option.short === undefined ? {} : { short: option.short }), ...more };
      return [[key, main], ...(option.alias === undefined ? [] : [[option.alias, { type: option.type, ...more }]])];
    }),
  );
  const { values, positionals } = parseStrictly(name, config, words);
  if (positionals.length < count.min) throw new UsageError(`too few operands; see \`herald ${name} --help\``);
  if (positionals.length > count.max)
    throw new UsageError(`unexpected operand '${positionals[count.max]}'; see \`herald ${name} --help\``);
  const options: Record<string, unknown> = {};
  for (const [key, option] of Object.entries(table)) {
    const value =
      values[key] ??
      values[option.alias ?? key] ??
      option.default ??
      (option.type === 'boolean' ? false : option.multiple ? [] : undefined);
    for (const each of Array.isArray(value) ? value : [value]) {
      if (typeof each === 'string' && option.oneOf !== undefined && !option.oneOf.includes(each))
        throw new UsageError(`--${key} takes ${option.oneOf.join(', ')}, not '${each}'`);
    }
    options[key] = value;
  }
  // The table decided both the parsing and the type.
  return { args: positionals, options: options as OptionValues<T> };
}

function parseStrictly(
  name: string,
  options: NonNullable<Parameters<typeof parseArgs>[0]>['options'],
  words: readonly string[],
) {
  try {
    return parseArgs({ args: [...words], options: options ?? {}, strict: true, allowPositionals: true });
  } catch (error) {
    if (!(error instanceof TypeError) || !('code' in error)) throw error;
    const first = error.message.split('. ')[0] ?? error.message;
    throw new UsageError(`${first.charAt(0).toLowerCase()}${first.slice(1)}; see \`herald ${name} --help\``);
  }
}

/** A whole number within bounds, or a UsageError that names the option. */
export function numberOption(
  name: string,
  text: string,
  bounds: { readonly min: number; readonly max: number },
): number {
  const value = Number(text);
  if (!/^[0-9]+$/.test(text) || value < bounds.min || value > bounds.max)
    throw new UsageError(`--${name} takes a whole number from ${bounds.min} to ${bounds.max}, not '${text}'`);
  return value;
}

/** `15s`, `200ms`, `2m` in milliseconds, or a UsageError that names the option. */
export function durationOption(name: string, text: string): number {
  const parts = /^([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)$/.exec(text);
  const unit = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[parts?.[2] ?? ''];
  if (parts === null || unit === undefined)
    throw new UsageError(`--${name} takes a duration such as 200ms, 15s or 2m, not '${text}'`);
  return Number(parts[1]) * unit;
}
