/**
 * A lab's file, read field by field: YAML to values with their lines, and every fault in it, not only the first. What
 * is not known is refused; what cannot matter is passed over with a note.
 */
import { locator, parseYaml, YamlError } from '../directory/yaml.ts';
import type { LabFault, LabNote, LabRead, LabReason } from './topology.ts';

/** What is done with a field: read it, pass it over, or refuse it, for the reason given. */
export type FieldRule = 'read' | 'passed' | { readonly refused: string };
export type FieldRules = Readonly<Record<string, FieldRule>>;

export interface Sited<T> {
  readonly value: T;
  readonly line: number;
}

/** One file while it is read. */
export class LabFile {
  readonly faults: LabFault[] = [];
  readonly notes: LabNote[] = [];
  readonly #locate: (path: string) => number;
  readonly #firstLine: number;

  constructor(text: string, firstLine = 1) {
    this.#locate = locator(text);
    this.#firstLine = firstLine;
  }

  line(path: string): number {
    return this.#locate(path) + this.#firstLine - 1;
  }

  fault(path: string, reason: LabReason, message: string): undefined {
    this.faults.push({ line: this.line(path), reason, message: path === '' ? message : `${path}: ${message}` });
    return undefined;
  }

  note(path: string, message: string): void {
    this.notes.push({ line: this.line(path), message: `${path}: ${message}` });
  }

  /** Nothing for what is not there; a fault for what is no mapping. */
  section(value: unknown, path: string): Section | undefined {
    if (value === undefined || value === null) return undefined;
    if (isMapping(value)) return new Section(this, path, value);
    return this.fault(path, 'bad-value', 'this is no mapping; write fields below it, each with a colon');
  }

  result<T>(value: T | undefined): LabRead<T> {
    const notes = [...this.notes].sort((a, b) => a.line - b.line);
    if (value !== undefined && this.faults.length === 0) return { value, notes };
    return { faults: [...this.faults].sort((a, b) => a.line - b.line), notes };
  }
}

/** One mapping of a file. A field without a value is as good as not there. */
export class Section {
  readonly file: LabFile;
  readonly path: string;
  readonly #fields: Readonly<Record<string, unknown>>;

  constructor(file: LabFile, path: string, fields: Readonly<Record<string, unknown>>) {
    this.file = file;
    this.path = path;
    this.#fields = fields;
  }

  get line(): number {
    return this.file.line(this.path);
  }

  get keys(): readonly string[] {
    return Object.keys(this.#fields);
  }

  at(key: string): string {
    return this.path === '' ? key : `${this.path}.${key}`;
  }

  raw(key: string): unknown {
    return Object.hasOwn(this.#fields, key) ? (this.#fields[key] ?? undefined) : undefined;
  }

  /** Says what is wrong with the names of the fields. */
  hold(rules: FieldRules): this {
    for (const key of this.keys) {
      const rule = Object.hasOwn(rules, key) ? rules[key] : undefined;
      if (rule === undefined) {
        const read = Object.keys(rules).filter(each => rules[each] === 'read');
        this.fault(key, 'unknown-field', `this field is not known; known are ${read.join(', ')}`);
      } else if (rule === 'passed') this.file.note(this.at(key), 'passed over: it changes nothing here');
      else if (rule !== 'read') this.fault(key, 'unknown-field', rule.refused);
    }
    return this;
  }

  fault(key: string, reason: LabReason, message: string): undefined {
    return this.file.fault(this.at(key), reason, message);
  }

  section(key: string): Section | undefined {
    return this.file.section(this.raw(key), this.at(key));
  }

  /** A scalar as text: `5` and `true` are their own. */
  text(key: string): Sited<string> | undefined {
    return this.#scalar(this.raw(key), this.at(key));
  }

  texts(key: string): readonly Sited<string>[] {
    return this.list(key).flatMap(({ value, path }) => this.#scalar(value, path) ?? []);
  }

  list(key: string): readonly { readonly value: unknown; readonly path: string }[] {
    const value = this.raw(key);
    if (Array.isArray(value)) return value.map((each, i) => ({ value: each, path: `${this.at(key)}[${i}]` }));
    if (value !== undefined) this.fault(key, 'bad-value', 'this is no list; begin each item with a dash');
    return [];
  }

  /** A mapping of scalars. */
  pairs(key: string): Readonly<Record<string, string>> {
    const section = this.section(key);
    const names = section?.keys ?? [];
    return Object.fromEntries(names.map(name => [name, section?.text(name)?.value ?? '']));
  }

  /** One of the values, or a fault that lists them. */
  choice<const T extends string>(key: string, allowed: readonly T[]): T | undefined {
    const text = this.text(key);
    if (text === undefined) return undefined;
    const found = allowed.find(each => each === text.value);
    return found ?? this.fault(key, 'bad-value', `'${text.value}' is not one of ${allowed.join(', ')}`);
  }

  /** A whole number not below `min`. */
  count(key: string, min: number): number | undefined {
    const text = this.text(key);
    if (text === undefined) return undefined;
    if (/^[0-9]{1,9}$/.test(text.value) && Number(text.value) >= min) return Number(text.value);
    return this.fault(key, 'bad-value', `'${text.value}' is no whole number from ${min} on`);
  }

  #scalar(value: unknown, path: string): Sited<string> | undefined {
    if (value === undefined || value === null) return undefined;
    if (typeof value === 'object') return this.file.fault(path, 'bad-value', 'a single value is wanted here');
    return { value: String(value), line: this.file.line(path) };
  }
}

/** A file's text as the mapping that it must be. */
export function openFile(text: string): { readonly file: LabFile; readonly root: Section | undefined } {
  try {
    const value = parseYaml(text);
    const file = new LabFile(text);
    if (value === undefined || value === null) file.fault('', 'not-yaml', 'there is nothing in this file');
    return { file, root: file.section(value, '') };
  } catch (error) {
    if (!(error instanceof YamlError)) throw error;
    const file = new LabFile('');
    file.faults.push({
      line: error.fault.line,
      reason: 'not-yaml',
      message: `${error.fault.message}; ${error.fault.fix}`,
    });
    return { file, root: undefined };
  }
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
