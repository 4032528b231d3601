/**
 * Routes and next hops as rtnetlink messages (linux/rtnetlink.h, nexthop.h). A route of ours refers to a group of next
 * hops by number, or tells that the host is unreachable; its next hops are nowhere else.
 */
import { type Family, IpAddress } from '../net/ip.ts';
import {
  Attributes,
  little,
  type NetlinkMessage,
  type NetlinkWriter,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
} from './netlink.ts';
import {
  AF_INET,
  AF_INET6,
  familyOf,
  numberOf,
  RTA_NH_ID,
  RTM_DELROUTE,
  RTM_NEWROUTE,
  RTMSG,
  RTN_UNICAST,
} from './rtnetlink.ts';

export const RTM_NEWNEXTHOP = 104;
export const RTM_DELNEXTHOP = 105;
const RTM_GETNEXTHOP = 106;
const NHMSG = 8;
const NHA_ID = 1;
const NHA_GROUP = 2;
const NHA_OIF = 5;
const NHA_GATEWAY = 6;
const NEXTHOP_GRP = 8;
const RTNH_F_ONLINK = 4;

const RTA_DST = 1;
const RTA_PRIORITY = 6;
const RTA_TABLE = 15;
const RTN_UNREACHABLE = 7;
const RT_SCOPE_NOWHERE = 255;

/** What a route leads to: a group's number, or one of these, which no group has. */
export const nowhere = { none: 0, unreachable: 1, otherwise: 2 } as const;

/** What all our routes have in common. */
export interface RouteMarks {
  readonly protocol: number;
  readonly table: number;
  /** Per family. IPv6 knows no metric of 0. */
  readonly metric: Readonly<Record<Family, number>>;
}

/** Where a route is in memory: its address in four words (one for IPv4), its length. */
export interface RouteKey {
  readonly family: Family;
  readonly length: number;
  /** In network order; 4 or 16 octets. */
  readonly address: Uint8Array;
}

/** As listed by the kernel. `to` is a group's number or one of `nowhere`. */
export interface ListedRoute extends RouteKey {
  readonly to: number;
  readonly table: number;
  readonly metric: number;
}

export function writeRoute(
  writer: NetlinkWriter,
  seq: number,
  key: RouteKey,
  { to, replaces }: { readonly to: number; readonly replaces: boolean },
  { protocol, table, metric }: RouteMarks,
): void {
  const type = to === nowhere.unreachable ? RTN_UNREACHABLE : RTN_UNICAST;
  // Never over a route of somebody else: one that is not ours to replace must not be there.
  writer.begin(RTM_NEWROUTE, NLM_F_CREATE | (replaces ? NLM_F_REPLACE : NLM_F_EXCL), seq);
  writer.u8(numberOf(key.family)).u8(key.length).u8(0).u8(0);
  writer
    .u8(table < 256 ? table : 0)
    .u8(protocol)
    .u8(0)
    .u8(type)
    .u32(0);
  writer.attribute(RTA_DST, key.address).attributeU32(RTA_TABLE, table);
  const priority = metric[key.family];
  if (priority !== 0) writer.attributeU32(RTA_PRIORITY, priority);
  if (to !== nowhere.unreachable) writer.attributeU32(RTA_NH_ID, to);
  writer.end();
}

/** Only one of our protocol in that table, whatever it leads to. */
export function writeRouteGone(
  writer: NetlinkWriter,
  seq: number,
  key: RouteKey,
  { protocol, table, metric }: { readonly protocol: number; readonly table: number; readonly metric: number },
): void {
  writer.begin(RTM_DELROUTE, 0, seq);
  writer.u8(numberOf(key.family)).u8(key.length).u8(0).u8(0);
  writer
    .u8(table < 256 ? table : 0)
    .u8(protocol)
    .u8(RT_SCOPE_NOWHERE)
    .u8(0)
    .u32(0);
  writer.attribute(RTA_DST, key.address).attributeU32(RTA_TABLE, table);
  if (metric !== 0) writer.attributeU32(RTA_PRIORITY, metric);
  writer.end();
}

const zeroAddress = { ipv4: new Uint8Array(4), ipv6: new Uint8Array(16) } as const;

/** rtm_protocol; undefined for what is no route. */
export function routeProtocol({ body }: NetlinkMessage): number | undefined {
  return body.length < RTMSG ? undefined : body[5];
}

/** Undefined for what is no route of IP. Its address is a view. */
export function decodeRoute({ body }: NetlinkMessage): ListedRoute | undefined {
  const family = body[0] === AF_INET ? 'ipv4' : body[0] === AF_INET6 ? 'ipv6' : undefined;
  if (body.length < RTMSG || family === undefined) return undefined;
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  let address: Uint8Array = zeroAddress[family];
  let table = body[4] ?? 0;
  let metric = 0;
  let to: number = body[7] === RTN_UNREACHABLE ? nowhere.unreachable : nowhere.otherwise;
  // Written out, not with a callback: a hundred thousand routes come this way.
  for (let at = RTMSG; at + 4 <= body.length; ) {
    const length = view.getUint16(at, little);
    if (length < 4 || at + length > body.length) break;
    const attribute = view.getUint16(at + 2, little);
    if (attribute === RTA_DST) address = body.subarray(at + 4, at + length);
    else if (attribute === RTA_TABLE) table = view.getUint32(at + 4, little);
    else if (attribute === RTA_PRIORITY) metric = view.getUint32(at + 4, little);
    else if (attribute === RTA_NH_ID && body[7] === RTN_UNICAST) to = view.getUint32(at + 4, little);
    at += (length + 3) & ~3;
  }
  return { family, length: body[1] ?? 0, address, to, table, metric };
}

/** A next hop as the kernel has it: by the link's number. */
export interface Hop {
  readonly gateway: IpAddress;
  readonly index: number;
  readonly onLink: boolean;
}

/** Member of a group, by the number of its next hop. */
export interface Member {
  readonly id: number;
  /** 1 to 256. */
  readonly weight: number;
}

export type ListedNextHop =
  | { readonly id: number; readonly protocol: number; readonly hop: Hop }
  | { readonly id: number; readonly protocol: number; readonly members: readonly Member[] };

export function writeHop(writer: NetlinkWriter, seq: number, id: number, hop: Hop, protocol: number): void {
  writer.begin(RTM_NEWNEXTHOP, NLM_F_CREATE | NLM_F_EXCL, seq);
  writer.u8(numberOf(hop.gateway.family)).u8(0).u8(protocol).u8(0);
  writer.u32(hop.onLink ? RTNH_F_ONLINK : 0);
  writer
    .attributeU32(NHA_ID, id)
    .attributeU32(NHA_OIF, hop.index)
    .attribute(NHA_GATEWAY, IpAddress.toBytes(hop.gateway));
  writer.end();
}

export function writeGroup(
  writer: NetlinkWriter,
  seq: number,
  id: number,
  { members, replaces }: { readonly members: readonly Member[]; readonly replaces: boolean },
  protocol: number,
): void {
  writer.begin(RTM_NEWNEXTHOP, NLM_F_CREATE | (replaces ? NLM_F_REPLACE : NLM_F_EXCL), seq);
  writer.u8(0).u8(0).u8(protocol).u8(0).u32(0).attributeU32(NHA_ID, id);
  writer.nested(NHA_GROUP, () => {
    for (const each of members)
      writer
        .u32(each.id)
        .u8(each.weight - 1)
        .u8(0)
        .u16(0);
  });
  writer.end();
}

/** Of a group, its routes go with it. */
export function writeNextHopGone(writer: NetlinkWriter, seq: number, id: number): void {
  writer.begin(RTM_DELNEXTHOP, 0, seq).u32(0).u32(0).attributeU32(NHA_ID, id).end();
}

export function askNextHops(writer: NetlinkWriter, flags: number, seq: number): void {
  writer.begin(RTM_GETNEXTHOP, flags, seq).u32(0).u32(0).end();
}

/** Undefined for what is neither a group nor a gateway on a link. */
export function decodeNextHop({ type, body }: NetlinkMessage): ListedNextHop | undefined {
  if (type !== RTM_NEWNEXTHOP || body.length < NHMSG) return undefined;
  const protocol = body[2] ?? 0;
  const onLink = (new DataView(body.buffer, body.byteOffset, NHMSG).getUint32(4, little) & RTNH_F_ONLINK) !== 0;
  const id = Attributes.u32(Attributes.find(body, NHMSG, NHA_ID));
  const group = Attributes.find(body, NHMSG, NHA_GROUP);
  if (group !== undefined) return { id, protocol, members: decodeMembers(group) };
  const gateway = Attributes.find(body, NHMSG, NHA_GATEWAY);
  const family = familyOf(body[0]);
  if (gateway === undefined || family === undefined) return undefined;
  const index = Attributes.u32(Attributes.find(body, NHMSG, NHA_OIF));
  return { id, protocol, hop: { gateway: IpAddress.fromBytes(family, gateway), index, onLink } };
}

function decodeMembers(bytes: Uint8Array): readonly Member[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const members: Member[] = [];
  for (let at = 0; at + NEXTHOP_GRP <= bytes.length; at += NEXTHOP_GRP)
    members.push({ id: view.getUint32(at, little), weight: (bytes[at + 4] ?? 0) + 1 });
  return members;
}
