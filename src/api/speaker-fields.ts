/** Fields of the speaker's file that are more than text and numbers, each with words that say what would be right. */
import { z } from 'zod';
import { ExtendedCommunity, LargeCommunity, StandardCommunity } from '../bgp/community.ts';
import { IpAddress, type ZonedAddress } from '../net/ip.ts';
import { Prefix } from '../net/prefix.ts';

/** A field read from text by `parse`; anything else, and text that `parse` refuses, is answered with `expected`. */
export function parsed<T>(parse: (text: string) => T | undefined, expected: string) {
  return z.unknown().transform((value, context): T => {
    const result = typeof value === 'string' ? parse(value.trim()) : undefined;
    if (result !== undefined) return result;
    context.issues.push({ code: 'custom', message: `${show(value)} is not ${expected}`, input: value });
    return z.NEVER;
  });
}

/** One of two shapes, told apart before either is read, so that a fault speaks of the shape that was meant. */
export function either<A, B>(isFirst: (value: unknown) => boolean, first: z.ZodType<A>, second: z.ZodType<B>) {
  return z.unknown().transform((value, context): A | B => {
    const result = isFirst(value) ? first.safeParse(value) : second.safeParse(value);
    if (result.success) return result.data;
    for (const issue of result.error.issues) context.issues.push({ ...issue, input: value } as z.core.$ZodRawIssue);
    return z.NEVER;
  });
}

export function whole(min: number, max: number) {
  const expected = `must be a whole number from ${min} to ${max}`;
  return z
    .number({ error: expected })
    .int({ error: expected })
    .min(min, { error: expected })
    .max(max, { error: expected });
}

const u32Max = 2 ** 32 - 1;
export const u32 = whole(0, u32Max);
/** 0 is reserved (RFC 7607), and so are 23456 on the wire (RFC 6793) and the last one of each size (RFC 7300). */
export const asNumber = whole(1, u32Max - 1);
export const flag = z.boolean({ error: 'must be true or false' });
export const words = z.string({ error: 'must be text' });
export const port = whole(1, 65_535);
export const linkName = z
  .string({ error: 'must be the name of a link' })
  .regex(/^[^\s/]{1,15}$/, { error: 'must be the name of a link' });

export const address = parsed(IpAddress.parse, 'an IPv4 or IPv6 address');
export const zonedAddress = parsed(
  (text): ZonedAddress | undefined => IpAddress.parseZoned(text),
  'an IPv4 or IPv6 address (link-local ones with their link: fe80::1%eth0)',
);
/** A BGP identifier, as a number (RFC 6286 §2.1: any but zero). */
export const identifier = parsed(text => {
  const value = IpAddress.parse(text);
  return value?.family === 'ipv4' && value.value !== 0n ? Number(value.value) : undefined;
}, 'a BGP identifier: four octets written as an IPv4 address, not 0.0.0.0');
/** Host bits are refused: whoever writes 10.0.0.1/8 has one of two things in mind. */
export const prefix = parsed(text => {
  const read = Prefix.parseNoting(text);
  return read === undefined || read.hostBits ? undefined : read.prefix;
}, 'a prefix without host bits, such as 192.0.2.0/24');

export const standardCommunity = parsed(
  StandardCommunity.parse,
  'a community: 65000:100 or a well-known name such as no-export',
);
export const extendedCommunity = parsed(
  ExtendedCommunity.parse,
  'an extended community: rt:65000:1, soo:192.0.2.1:1 or 0x with 16 digits',
);
export const largeCommunity = parsed(LargeCommunity.parse, 'a large community: 65000:1:2');

export function isText(value: unknown): boolean {
  return typeof value === 'string';
}

function show(value: unknown): string {
  return typeof value === 'string'
    ? `'${value}'`
    : typeof value === 'object'
      ? value === null
        ? 'nothing'
        : 'this'
      : String(value);
}

/** What is wrong with a file, and where: `peers[0].timers.holdSeconds`. */
export interface FileFault {
  readonly path: string;
  readonly message: string;
}

const typeWords: Readonly<Record<string, string>> = {
  object: 'must be a mapping',
  array: 'must be a list',
  record: 'must be a mapping',
  string: 'must be text',
};

export function faultsOf(error: z.ZodError): readonly FileFault[] {
  return error.issues.flatMap(issue => {
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map(key => ({ path: pathText([...issue.path, key]), message: 'there is no such field' }));
    return [{ path: pathText(issue.path), message: messageOf(issue) }];
  });
}

function messageOf(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_type' && issue.message.startsWith('Invalid input')) {
    const missing = issue.message.endsWith('received undefined');
    return missing ? 'is missing' : (typeWords[issue.expected] ?? issue.message);
  }
  if (issue.code === 'invalid_value') return `must be one of ${issue.values.map(String).join(', ')}`;
  return issue.message;
}

export function pathText(path: readonly PropertyKey[]): string {
  let text = '';
  for (const step of path)
    text += typeof step === 'number' ? `[${step}]` : text === '' ? String(step) : `.${String(step)}`;
  return text;
}
