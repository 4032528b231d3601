/** Secret (v1). Its values never show themselves: not in a log, a table, JSON, an inspection or an error. */
import { object, text, textMap } from './fields.ts';
import { defineKind } from './kind.ts';
import { formatPath, type Notes } from './notes.ts';
import type { ObjectMeta } from './object.ts';

/** Octets that somebody wants kept. */
export interface SecretValue {
  /** The octets themselves, for whoever configures the thing that needs them. */
  reveal(): Uint8Array;
  /** Whether two secrets hold the same octets. */
  equals(other: SecretValue): boolean;
}

export interface Secret {
  readonly kind: 'Secret';
  readonly metadata: ObjectMeta;
  readonly type: string;
  readonly data: ReadonlyMap<string, SecretValue>;
}

const HIDDEN = '(hidden)';

/** A private field and no way to print it: string conversion, JSON and Node's inspection all say `(hidden)`. */
class HiddenOctets implements SecretValue {
  readonly #decode: () => Uint8Array;

  /** `decode` is called when somebody asks, which for most secrets of a cluster nobody does. */
  constructor(decode: () => Uint8Array) {
    this.#decode = decode;
  }

  reveal(): Uint8Array {
    return this.#decode();
  }

  equals(other: SecretValue): boolean {
    const mine = this.#decode();
    const theirs = other.reveal();
    return mine.length === theirs.length && mine.every((octet, i) => octet === theirs[i]);
  }

  toString(): string {
    return HIDDEN;
  }

  toJSON(): string {
    return HIDDEN;
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return HIDDEN;
  }
}

export const SecretValue = {
  of(octets: Uint8Array): SecretValue {
    const copy = octets.slice();
    return new HiddenOctets(() => copy.slice());
  },
};

/** kubectl apply leaves the whole object in here, values and all. */
const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration';

export const secretKind = defineKind({
  kind: 'Secret',
  group: '',
  versions: ['v1'],
  plural: 'secrets',
  scope: 'Namespaced',
  quiet: true,
  body: object('A Secret.', {
    type: text('What is in it.').default('Opaque'),
    data: textMap('Values in base64.').default({}),
    stringData: textMap('Values as text, which win.').default({}),
  }),
  status: object('Secrets have none.', {}),
  read: ({ body, metadata, notes }): Secret => {
    const { [lastApplied]: _, ...annotations } = metadata.annotations;
    return {
      kind: 'Secret',
      metadata: { ...metadata, annotations },
      type: body.type,
      data: new Map([
        ...Object.entries(body.data).flatMap(([key, base64]) => readBase64(key, base64, notes)),
        ...Object.entries(body.stringData).map(
          ([key, value]) => [key, SecretValue.of(new TextEncoder().encode(value))] as const,
        ),
      ]),
    };
  },
});

function readBase64(key: string, base64: string, notes: Notes): [string, SecretValue][] {
  // RFC 4648 §4; line breaks are what `base64` writes and the API server accepts.
  const joined = base64.replace(/[\r\n]/g, '');
  if (/^[A-Za-z0-9+/]*={0,2}$/.test(joined) && joined.length % 4 === 0)
    return [[key, new HiddenOctets(() => Uint8Array.from(atob(joined), char => char.charCodeAt(0)))]];
  const fix = 'encode it with base64, or write it as it is under stringData';
  notes.error('bad-base64', formatPath(['data', key]), 'is not base64', fix);
  return [];
}
