/**
 * The file of `herald speaker`: one speaker, its peers, groups and policies, and what it originates. Reads what YAML
 * gave into a SpeakerConfig, or into faults that each name their field; nothing is half accepted.
 */
import { z } from 'zod';
import type { Announcement } from '../bgp/announcement.ts';
import type { PeerConfig, Remote, SpeakerConfig } from '../bgp/config.ts';
import { Policy } from '../bgp/policy.ts';
import { IpAddress, type ZonedAddress } from '../net/ip.ts';
import { Prefix } from '../net/prefix.ts';
import {
  address,
  asNumber,
  either,
  extendedCommunity,
  type FileFault,
  faultsOf,
  identifier,
  largeCommunity,
  linkName,
  pathText,
  port,
  prefix,
  standardCommunity,
  u32,
  words,
} from './speaker-fields.ts';
import { type GroupFields, groupSchema, optionsOf, type PeerFields, peerSchema, timersOf } from './speaker-peer.ts';
import { statements } from './speaker-policy.ts';

const attributes = {
  nextHop: either(value => value === 'self', z.literal('self'), address).optional(),
  origin: z.enum(['igp', 'egp', 'incomplete']).optional(),
  localPref: u32.optional(),
  med: u32.optional(),
  prepend: z.array(asNumber).optional(),
  communities: z.array(standardCommunity).optional(),
  extendedCommunities: z.array(extendedCommunity).optional(),
  largeCommunities: z.array(largeCommunity).optional(),
  /** Names or addresses of the peers that are told; absent: all whose export policy lets it through. */
  peers: z.array(words).optional(),
};
const inPlace = z.strictObject({ ...attributes, prefixes: z.array(prefix) });
const fromFile = z.strictObject({ ...attributes, file: words });
const originated = either(value => typeof value === 'object' && value !== null && 'file' in value, fromFile, inPlace);

const schema = z.strictObject({
  asn: asNumber,
  routerId: identifier,
  clusterId: identifier.optional(),
  listen: z
    .array(z.strictObject({ address: address.optional(), port: port.default(179), device: linkName.optional() }))
    .default([]),
  onExit: z.enum(['shutdown', 'restart']).default('shutdown'),
  policies: z.record(words, statements).default({}),
  groups: z.record(words, groupSchema).default({}),
  peers: z.array(peerSchema).default([]),
  originate: z.array(originated).default([]),
});
type Fields = z.infer<typeof schema>;

/** Announcements with one set of attributes: their prefixes stand here, or in a file, one a line. */
export interface Originated {
  readonly attributes: Omit<Announcement, 'prefix'>;
  readonly source: { readonly prefixes: readonly Prefix[] } | { readonly file: string };
}

export interface SpeakerFile {
  readonly config: SpeakerConfig;
  readonly originate: readonly Originated[];
  /** What SIGTERM does: close every session with a word, or leave so that peers keep our routes (RFC 4724). */
  readonly onExit: 'shutdown' | 'restart';
  /** By name, for people. */
  readonly policies: Readonly<Record<string, Policy>>;
}

export type SpeakerFileResult =
  | { readonly file: SpeakerFile; readonly faults?: undefined }
  | { readonly faults: readonly FileFault[]; readonly file?: undefined };

/** `raw` is what the YAML reader made of the file. */
export function readSpeakerFile(raw: unknown): SpeakerFileResult {
  const result = schema.safeParse(raw ?? {});
  if (!result.success) return { faults: faultsOf(result.error) };
  const fields = result.data;
  const faults: FileFault[] = [];
  const peers = fields.peers.map((peer, i) => readPeer(fields, peer, ['peers', i], faults));
  faults.push(...duplicates(peers), ...unknownPeers(fields, peers));
  if (faults.length > 0) return { faults };
  const { asn, routerId, clusterId, listen, onExit, policies } = fields;
  const originate = fields.originate.map((entry): Originated => {
    if ('file' in entry) {
      const { file, ...rest } = entry;
      return { attributes: rest, source: { file } };
    }
    const { prefixes, ...rest } = entry;
    return { attributes: rest, source: { prefixes } };
  });
  return { file: { config: { asn, routerId, clusterId, listen, peers }, originate, onExit, policies } };
}

function readPeer(file: Fields, own: PeerFields, path: readonly PropertyKey[], faults: FileFault[]): PeerConfig {
  const say = (field: string, message: string) => faults.push({ path: pathText([...path, field]), message });
  const group =
    own.group === undefined ? {} : Object.hasOwn(file.groups, own.group) ? file.groups[own.group] : undefined;
  if (group === undefined) say('group', `there is no group '${own.group}'`);
  const fields: GroupFields = { ...group, ...defined(own), timers: { ...group?.timers, ...defined(own.timers ?? {}) } };
  const remote = readRemote(own, say);
  // V3: the peer's AS is never guessed.
  if (fields.asn === undefined) say('asn', 'is missing: a number, internal, external, or 0 for whatever the peer says');
  const { holdMs, keepaliveMs } = timersOf(fields.timers);
  if (keepaliveMs > holdMs) say('timers.keepaliveSeconds', 'is above the hold time');
  if (fields.ttl !== undefined && fields.ttlSecurityHops !== undefined) say('ttl', 'excludes ttlSecurityHops');
  const internal = fields.asn === 'internal' || fields.asn === (fields.localAsn ?? file.asn);
  const external = fields.asn === 'external' || (typeof fields.asn === 'number' && !internal);
  if (fields.routeReflectorClient === true && external) say('routeReflectorClient', 'is for internal peers (RFC 4456)');
  if (fields.routeServerClient === true && internal) say('routeServerClient', 'is for external peers (RFC 7947)');
  if (fields.role !== undefined && internal) say('role', 'is for external peers (RFC 9234)');
  const policies = {
    import: readPolicy(file, fields.import, Policy.none, message => say('import', message)),
    export: readPolicy(file, fields.export, Policy.originated, message => say('export', message)),
  };
  return {
    key: own.name ?? remoteText(remote),
    remote,
    ...optionsOf(fields, policies, remote.kind === 'interface'),
  };
}

/** V4: exactly one of address, interface and range. */
function readRemote(own: PeerFields, say: (field: string, message: string) => void): Remote {
  const given = [own.address, own.interface, own.range].filter(each => each !== undefined);
  if (given.length !== 1) say('address', 'exactly one of address, interface and range must be given');
  if (own.limit !== undefined && own.range === undefined) say('limit', 'is for a range');
  if (own.interface !== undefined) return { kind: 'interface', interface: own.interface };
  if (own.range !== undefined) return { kind: 'range', prefix: own.range, limit: own.limit ?? 100 };
  const zoned: ZonedAddress = own.address ?? { address: IpAddress.of('ipv4', 0n), zone: undefined };
  if (own.address !== undefined && needsZone(zoned) && own.device === undefined)
    say('address', 'is link-local and needs its link: fe80::1%eth0');
  return { kind: 'address', address: zoned.address, zone: zoned.zone ?? (needsZone(zoned) ? own.device : undefined) };
}

function needsZone({ address: value, zone }: ZonedAddress): boolean {
  return value.family === 'ipv6' && IpAddress.isLinkLocal(value) && zone === undefined;
}

const builtIn: Readonly<Record<string, Policy>> = { all: Policy.all, none: Policy.none, originated: Policy.originated };

function readPolicy(
  file: Fields,
  given: GroupFields['import'],
  otherwise: Policy,
  say: (message: string) => void,
): Policy {
  if (given === undefined) return otherwise;
  if (typeof given !== 'string') return given;
  const named = Object.hasOwn(builtIn, given)
    ? builtIn[given]
    : Object.hasOwn(file.policies, given)
      ? file.policies[given]
      : undefined;
  if (named === undefined) say(`there is no policy '${given}'`);
  return named ?? otherwise;
}

/** V5: no two peers with one name, or one remote under two. */
function duplicates(peers: readonly PeerConfig[]): FileFault[] {
  const faults: FileFault[] = [];
  const seen = new Set<string>();
  for (const [i, { key, remote }] of peers.entries()) {
    const where = `is at ${remoteText(remote)}`;
    if (seen.has(key)) faults.push({ path: `peers[${i}]`, message: `'${key}' is there already` });
    else if (seen.has(where))
      faults.push({ path: `peers[${i}]`, message: `a peer at ${remoteText(remote)} is there already` });
    seen.add(key).add(where);
  }
  return faults;
}

function unknownPeers(file: Fields, peers: readonly PeerConfig[]): FileFault[] {
  const keys = new Set(peers.map(peer => peer.key));
  return file.originate.flatMap((entry, i) =>
    (entry.peers ?? []).flatMap((name, j) =>
      keys.has(name) ? [] : [{ path: `originate[${i}].peers[${j}]`, message: `there is no peer '${name}'` }],
    ),
  );
}

/** How a peer without a name is called. */
function remoteText(remote: Remote): string {
  if (remote.kind === 'interface') return remote.interface;
  if (remote.kind === 'range') return Prefix.format(remote.prefix);
  return IpAddress.format(remote.address) + (remote.zone === undefined ? '' : `%${remote.zone}`);
}

/** The fields that are given: an absent one must not hide the group's. */
function defined<T extends object>(fields: T): Partial<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<T>;
}

/** Prefixes one a line; blank lines and what follows `#` are left out. */
export function readPrefixList(text: string): {
  readonly prefixes: readonly Prefix[];
  readonly faults: readonly FileFault[];
} {
  const prefixes: Prefix[] = [];
  const faults: FileFault[] = [];
  let number = 0;
  for (const line of text.split('\n')) {
    number++;
    const comment = line.indexOf('#');
    const word = (comment < 0 ? line : line.slice(0, comment)).trim();
    if (word === '') continue;
    const read = Prefix.parseNoting(word);
    if (read !== undefined && !read.hostBits) prefixes.push(read.prefix);
    else if (faults.length < 10)
      faults.push({
        path: `line ${number}`,
        message: `'${word}' is not a prefix without host bits, such as 192.0.2.0/24`,
      });
  }
  return { prefixes, faults };
}
