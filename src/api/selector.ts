/**
 * Label selectors (metav1.LabelSelector). What an absent selector means differs from field to field (reference §1), so
 * whoever reads a field says it: `LabelSelector.everything` or `LabelSelector.nothing`. An empty one matches all.
 */

export type Labels = Readonly<Record<string, string>>;

type SelectorOperator = 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';

/** `values` is empty for Exists and DoesNotExist. `matchLabels` entries are In with one value. */
export interface Requirement {
  readonly key: string;
  readonly operator: SelectorOperator;
  readonly values: readonly string[];
}

export interface LabelSelector {
  /** All must hold. `nothing` stands for a selector that is absent where absent means nothing. */
  readonly requirements: readonly Requirement[] | 'nothing';
  /** In words: `color is red and env is none of dev, test`. */
  readonly text: string;
  matches(labels: Labels): boolean;
}

/** A value with one method, so that code left of `api/` can ask for no more than `{ matches(labels): boolean }`. */
class Selector implements LabelSelector {
  readonly requirements: readonly Requirement[] | 'nothing';

  constructor(requirements: readonly Requirement[] | 'nothing') {
    this.requirements = requirements;
  }

  get text(): string {
    if (this.requirements === 'nothing') return 'nothing';
    return this.requirements.length === 0 ? 'everything' : this.requirements.map(inWords).join(' and ');
  }

  matches(labels: Labels): boolean {
    return this.requirements !== 'nothing' && this.requirements.every(requirement => holds(requirement, labels));
  }
}

export const LabelSelector = {
  everything: new Selector([]) as LabelSelector,
  nothing: new Selector('nothing') as LabelSelector,

  of(requirements: readonly Requirement[]): LabelSelector {
    return requirements.length === 0 ? LabelSelector.everything : new Selector(requirements);
  },

  /** The selector as a manifest spells it; undefined for `nothing`, whose spelling is absence. */
  toRaw(selector: LabelSelector): { readonly matchExpressions?: readonly Requirement[] } | undefined {
    if (selector.requirements === 'nothing') return undefined;
    return selector.requirements.length === 0 ? {} : { matchExpressions: selector.requirements };
  },
};

/** The magic keys under which selectors see who an object is. */
const magicKeys = {
  service: { namespace: 'io.kubernetes.service.namespace', name: 'io.kubernetes.service.name' },
  podPool: { namespace: 'io.cilium.podippool.namespace', name: 'io.cilium.podippool.name' },
} as const;

/**
 * What a selector over services or pod pools sees: the object's labels, and its namespace and name under the magic
 * keys, which overwrite real labels of that name, so that nobody can pretend (reference §1.1.2).
 */
export function selectorLabels(
  of: keyof typeof magicKeys,
  object: { readonly labels: Labels; readonly namespace: string; readonly name: string },
): Labels {
  const keys = magicKeys[of];
  return { ...object.labels, [keys.namespace]: object.namespace, [keys.name]: object.name };
}

function holds({ key, operator, values }: Requirement, labels: Labels): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
  }
}

function inWords({ key, operator, values }: Requirement): string {
  const many = values.length > 1;
  const shown = values.map(value => (value === '' ? 'empty' : value)).join(', ');
  switch (operator) {
    case 'In':
      return many ? `${key} is one of ${shown}` : `${key} is ${shown}`;
    case 'NotIn':
      return many ? `${key} is none of ${shown}` : `${key} is not ${shown}`;
    case 'Exists':
      return `${key} is set`;
    case 'DoesNotExist':
      return `${key} is not set`;
  }
}
