/** Policies as the speaker's file writes them: a list of statements; what no statement accepts is rejected. */
import { z } from 'zod';
import type { CommunityChange, CommunityMatch, Policy, PrefixRange, Statement } from '../bgp/policy.ts';
import { familyBits } from '../net/ip.ts';
import { Prefix } from '../net/prefix.ts';
import {
  address,
  asNumber,
  either,
  extendedCommunity,
  isText,
  largeCommunity,
  parsed,
  prefix,
  standardCommunity,
  u32,
  whole,
  words,
} from './speaker-fields.ts';

/** `10.0.0.0/8`, `10.0.0.0/8 le 24`, `10.0.0.0/8 ge 16 le 24`. */
function parseRange(text: string): PrefixRange | undefined {
  const match = /^(\S+?)(?:\s+ge\s+([0-9]{1,3}))?(?:\s+le\s+([0-9]{1,3}))?$/.exec(text);
  const read = match?.[1] === undefined ? undefined : Prefix.parseNoting(match[1]);
  if (read === undefined || read.hostBits) return undefined;
  const [ge, le] = [match?.[2], match?.[3]].map(each => (each === undefined ? undefined : Number(each)));
  const { length, address: network } = read.prefix;
  const [low, high] = [ge ?? length, le ?? familyBits[network.family]];
  if (low < length || high > familyBits[network.family] || low > high) return undefined;
  return { prefix: read.prefix, ge, le };
}

const rangeText = parsed(parseRange, 'a prefix with bounds: 10.0.0.0/8, 10.0.0.0/8 le 24, 10.0.0.0/8 ge 16 le 24');
const range = either(
  isText,
  rangeText,
  z.strictObject({ prefix, ge: whole(0, 128).optional(), le: whole(0, 128).optional() }),
);

/** A bare list means any of them. */
function communityMatch<T>(one: z.ZodType<T>) {
  const list = z.array(one);
  const full = z.strictObject({ any: list.optional(), all: list.optional(), none: list.optional() });
  return either(
    Array.isArray,
    list.transform((any): CommunityMatch<T> => ({ any })),
    full,
  );
}

/** A bare list is added. */
function communityChange<T>(one: z.ZodType<T>) {
  const list = z.array(one);
  const full = z.strictObject({ replace: list.optional(), remove: list.optional(), add: list.optional() });
  return either(
    Array.isArray,
    list.transform((add): CommunityChange<T> => ({ add })),
    full,
  );
}

const asNumbers = z.array(asNumber);

const match = z.strictObject({
  prefixes: z.array(range).optional(),
  family: z
    .enum(['ipv4', 'ipv6'])
    .transform(family => `${family}-unicast` as const)
    .optional(),
  source: z.enum(['originated', 'internal', 'external']).optional(),
  peers: z.array(words).optional(),
  communities: communityMatch(standardCommunity).optional(),
  extendedCommunities: communityMatch(extendedCommunity).optional(),
  largeCommunities: communityMatch(largeCommunity).optional(),
  asPath: z
    .strictObject({
      contains: asNumbers.optional(),
      startsWith: asNumbers.optional(),
      originatedBy: asNumbers.optional(),
      lengthMin: whole(0, 1000).optional(),
      lengthMax: whole(0, 1000).optional(),
    })
    .optional(),
});

const changes = z.strictObject({
  localPref: u32.optional(),
  med: either(isText, z.enum(['remove']), u32).optional(),
  communities: communityChange(standardCommunity).optional(),
  extendedCommunities: communityChange(extendedCommunity).optional(),
  largeCommunities: communityChange(largeCommunity).optional(),
  prepend: z.array(asNumber).max(64, { error: 'must hold at most 64 numbers' }).optional(),
  nextHop: either(value => value === 'self', z.literal('self'), address).optional(),
});

const statement = z
  .strictObject({
    name: words.optional(),
    match: match.optional(),
    set: changes.optional(),
    action: z.enum(['accept', 'reject', 'next']).default('accept'),
  })
  .transform((value): Statement => value);

export const statements = z.array(statement).transform((list): Policy => ({ statements: list, otherwise: 'reject' }));
