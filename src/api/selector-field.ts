/** Label selectors as manifests spell them (metav1.LabelSelector), and the grammar of labels. Reference §1.1.5. */
import type { z } from 'zod';
import { list, object, oneOf, text, textMap } from './fields.ts';
import { type Notes, shorten } from './notes.ts';
import { LabelSelector, type Requirement } from './selector.ts';

const valuePattern = /^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/;
const segmentPattern = /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
const subdomainPattern = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const valueRight = 'at most 63 letters, digits, "-", "_" and ".", with a letter or digit at both ends';

/** A label's value: may be empty. */
export const isLabelValue = (value: string): boolean => value.length <= 63 && valuePattern.test(value);

/** A DNS subdomain (RFC 1123 §2.1), which is also what objects are named by. */
export const isSubdomain = (value: string): boolean => value.length <= 253 && subdomainPattern.test(value);

/** A label's or an annotation's key: `app` or `example.com/app`. */
export function isQualifiedName(key: string): boolean {
  if (key.length > 253 + 1 + 63) return false;
  const slash = key.indexOf('/');
  const segment = key.slice(slash + 1);
  if (segment.length > 63 || !segmentPattern.test(segment)) return false;
  return slash < 0 || isSubdomain(key.slice(0, slash));
}

const expression = object('One requirement.', {
  key: text('The label it is about.'),
  operator: oneOf('In and NotIn compare with values, Exists and DoesNotExist need none.', [
    'In',
    'NotIn',
    'Exists',
    'DoesNotExist',
  ]),
  values: list('What In and NotIn compare with.', text('A label value.')).optional(),
});

const value = text('A label value.', valueRight).max(63, valueRight).regex(valuePattern, valueRight);

/** `about` says which objects it selects, and what its absence means. An empty one selects all. */
export const labelSelector = (about: string) =>
  object(about, {
    matchLabels: textMap('Labels an object must have, with these values.', value).optional(),
    matchExpressions: list('Requirements that must all hold.', expression).optional(),
  }).optional();

type RawSelector = z.output<ReturnType<typeof labelSelector>>;

/** What the schema cannot say is checked here: keys, values against operators. */
export function readSelector(raw: RawSelector, path: string, absent: LabelSelector, notes: Notes): LabelSelector {
  if (raw === undefined) return absent;
  const requirements: Requirement[] = [];
  for (const [key, each] of Object.entries(raw.matchLabels ?? {})) {
    checkKey(key, `${path}.matchLabels`, notes);
    requirements.push({ key, operator: 'In', values: [each] });
  }
  for (const [i, { key, operator, values = [] }] of (raw.matchExpressions ?? []).entries()) {
    const at = `${path}.matchExpressions[${i}]`;
    checkKey(key, `${at}.key`, notes);
    const wants = operator === 'In' || operator === 'NotIn';
    if (wants && values.length === 0)
      notes.error('bad-selector', `${at}.values`, `${operator} has no values`, 'list at least one value');
    if (!wants && values.length > 0)
      notes.error('bad-selector', `${at}.values`, `${operator} takes no values`, 'remove them, or use In or NotIn');
    const bad = values.findIndex(each => !isLabelValue(each));
    if (bad >= 0)
      notes.error(
        'bad-selector',
        `${at}.values[${bad}]`,
        `'${shorten(values[bad] ?? '')}' is no label value`,
        `write ${valueRight}`,
      );
    requirements.push({ key, operator, values: wants ? values : [] });
  }
  return LabelSelector.of(requirements);
}

function checkKey(key: string, path: string, notes: Notes): void {
  if (isQualifiedName(key)) return;
  const right = 'write a label name such as app or example.com/app';
  notes.error('bad-selector', path, `'${shorten(key)}' is no label name`, right);
}
