/**
 * JSON as the state's other writers and readers have it: field names in any case, and text escaped the way theirs is,
 * so that equal values are equal bytes. Reference §1.4.
 */

/** What a field of a value may be; `undefined` leaves the field out. A map is an object whose names are sorted. */
export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | ReadonlyMap<string, string>
  | { readonly [name: string]: Json | undefined };

const decoder = new TextDecoder('utf-8', { fatal: true });
const encoder = new TextEncoder();

/** Undefined for what is no JSON text in UTF-8. */
export function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(bytes));
  } catch {
    return undefined;
  }
}

/** Fields in the order given. What HTML would read as markup is written as escapes, as the other writers do. */
export function writeJson(value: Json): Uint8Array {
  const text = textOf(value).replace(
    /[<>&\u2028\u2029]/g,
    sign => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return encoder.encode(text);
}

/** By our own walk: an object of this language would put names that are numbers first. */
function textOf(value: Json): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(textOf).join(',')}]`;
  const fields = value instanceof Map ? [...value].sort(([a], [b]) => (a < b ? -1 : 1)) : Object.entries(value);
  const pairs = fields.flatMap(([name, each]) => (each === undefined ? [] : `${JSON.stringify(name)}:${textOf(each)}`));
  return `{${pairs.join(',')}}`;
}

/** A JSON object whose fields are found whatever the case of their names; one that is spelled as asked goes first. */
export class Fields {
  readonly #object: Readonly<Record<string, unknown>>;
  #folded: Map<string, unknown> | undefined;

  private constructor(object: object) {
    this.#object = object as Readonly<Record<string, unknown>>;
  }

  /** Undefined for what is no object. */
  static of(value: unknown): Fields | undefined {
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? new Fields(value) : undefined;
  }

  /** Undefined when absent or null, which are the same to those who write it. */
  get(name: string): unknown {
    if (Object.hasOwn(this.#object, name)) return this.#object[name] ?? undefined;
    // Nearly all writers spell names the same way: the others are worth a table, of which the last one counts.
    this.#folded ??= new Map(Object.entries(this.#object).map(([each, value]) => [each.toLowerCase(), value]));
    return this.#folded.get(name.toLowerCase()) ?? undefined;
  }
}
