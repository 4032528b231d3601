/** Collects what is wrong with one object while it is parsed, and puts zod's issues into words a user can act on. */
import type { z } from 'zod';
import type { Fault, FaultCode } from './object.ts';

/** More than anybody reads: what comes after is counted, so that one broken object cannot fill memory. */
const faultsMax = 100;
const shownMax = 60;

export type Path = readonly PropertyKey[];

/** The faults of one object, in the order in which they were found. */
export class Notes {
  readonly #faults: Fault[] = [];
  #dropped = 0;
  #refused = false;

  /** Refuses the object. `message` says what is wrong, `fix` what would be right; neither repeats the path. */
  error(code: FaultCode, path: string, message: string, fix: string): void {
    this.#refused = true;
    this.#add({ severity: 'error', code, path, message, fix });
  }

  warn(code: FaultCode, path: string, message: string, fix: string): void {
    this.#add({ severity: 'warning', code, path, message, fix });
  }

  add(faults: readonly Fault[], severity: Fault['severity']): void {
    for (const { code, path, message, fix } of faults)
      this[severity === 'error' ? 'error' : 'warn'](code, path, message, fix);
  }

  get refused(): boolean {
    return this.#refused;
  }

  get faults(): readonly Fault[] {
    if (this.#dropped === 0) return this.#faults;
    const severity = this.#refused ? 'error' : 'warning';
    const message = `${this.#dropped} more faults are not listed`;
    return [
      ...this.#faults,
      { severity, code: 'too-many-faults', path: '', message, fix: 'correct the ones above first' },
    ];
  }

  #add(fault: Fault): void {
    if (this.#faults.length < faultsMax) this.#faults.push(fault);
    else this.#dropped++;
  }
}

/** `spec.blocks[0].cidr`, and `metadata.labels["a.b/c"]` where a key is no plain word. */
export function formatPath(path: Path): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else if (/^[A-Za-z_][A-Za-z0-9_-]{0,62}$/.test(String(step)))
      text += text === '' ? String(step) : `.${String(step)}`;
    else text += `["${shorten(String(step))}"]`;
  }
  return text;
}

/** A value as a person would name it, never longer than a line. */
function shown(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return `'${shorten(value)}'`;
    case 'number':
    case 'bigint':
    case 'boolean':
      return String(value);
    default:
      return typeName(value);
  }
}

/** The value's type in YAML's words. */
export function typeName(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  const names: Readonly<Record<string, string>> = { object: 'a mapping', string: 'text', boolean: 'a boolean' };
  return names[typeof value] ?? 'a number';
}

export function shorten(text: string): string {
  const oneLine = text.length > shownMax ? `${text.slice(0, shownMax)}…` : text;
  // Control characters would let a value draw on the reader's terminal.
  return oneLine.replace(/\p{Cc}/gu, ' ');
}

/**
 * zod's issues as faults. Every schema here carries, as its zod message, a noun phrase for what would be right ("a
 * whole number from 1 to 9"); rules carry their own sentence (see fields.ts). `quiet` keeps the values out: secrets.
 */
export function faultsOf(issues: readonly z.core.$ZodIssue[], root: unknown, prefix: Path, quiet: boolean): Fault[] {
  return issues.slice(0, faultsMax * 2).map(issue => {
    const path = formatPath([...prefix, ...issue.path]);
    const value = valueAt(root, issue.path);
    return { severity: 'error', path, ...inWords(issue, value, quiet ? typeName(value) : shown(value)) };
  });
}

type Words = Pick<Fault, 'code' | 'message' | 'fix'>;

function inWords(issue: z.core.$ZodIssue, value: unknown, text: string): Words {
  const right = issue.message;
  if (issue.code === 'custom') {
    const { code, fix } = issue.params as { readonly code: FaultCode; readonly fix: string };
    return { code, message: right, fix };
  }
  if (value === undefined) return { code: 'missing', message: 'is missing', fix: `add ${right}` };
  switch (issue.code) {
    case 'invalid_type': {
      const quotable = issue.expected === 'string' && (typeof value === 'number' || typeof value === 'boolean');
      const quoted = text === typeName(value) ? '' : `: "${text}"`;
      const fix = quotable ? `put it in quotes, so that it is text${quoted}` : `write ${right}`;
      // A number that is not whole, or is NaN, has the right type and a wrong value.
      if (issue.expected === 'int' || issue.expected === 'number')
        return { code: 'wrong-type', message: `${text} is not a whole number`, fix };
      return { code: 'wrong-type', message: `is ${typeName(value)}`, fix };
    }
    case 'too_small':
    case 'too_big':
      return { code: 'out-of-range', message: sizeInWords(issue, value, text), fix: `write ${right}` };
    case 'invalid_value':
      return { code: 'not-allowed-value', message: `${text} is not allowed`, fix: `write ${right}` };
    case 'invalid_format':
      return { code: 'bad-format', message: `${text} is not readable`, fix: `write ${right}` };
    default:
      return { code: 'wrong-type', message: `is ${typeName(value)}`, fix: `write ${right}` };
  }
}

function sizeInWords(issue: z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig, value: unknown, text: string): string {
  const few = issue.code === 'too_small';
  if (Array.isArray(value)) return `has ${value.length} entries, too ${few ? 'few' : 'many'}`;
  if (typeof value === 'string') return value === '' ? 'is empty' : `is too ${few ? 'short' : 'long'}`;
  return `${text} is out of range`;
}

function valueAt(root: unknown, path: Path): unknown {
  let value = root;
  for (const step of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
    value = (value as Readonly<Record<PropertyKey, unknown>>)[step];
  }
  return value;
}
