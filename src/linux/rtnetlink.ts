/**
 * What the kernel says by rtnetlink about links, addresses and routes (linux/rtnetlink.h, if_link.h, if_addr.h), each
 * message as one value; and the requests that list them.
 */
import { type Family, familyBits, IpAddress } from '../net/ip.ts';
import { Mac } from '../net/mac.ts';
import { Attributes, little, type NetlinkMessage, type NetlinkWriter } from './netlink.ts';

export const AF_INET = 2;
export const AF_BRIDGE = 7;
export const AF_INET6 = 10;

export const RTM_NEWLINK = 16;
export const RTM_DELLINK = 17;
const RTM_GETLINK = 18;
export const RTM_NEWADDR = 20;
export const RTM_DELADDR = 21;
const RTM_GETADDR = 22;
export const RTM_NEWROUTE = 24;
export const RTM_DELROUTE = 25;
const RTM_GETROUTE = 26;

/** RTNLGRP_ numbers. */
export const groups = { link: 1, ipv4Address: 5, ipv4Route: 7, ipv6Address: 9, ipv6Route: 11, nextHop: 32 } as const;

export const RT_TABLE_MAIN = 254;
export const RTN_UNICAST = 1;
const IFF_UP = 0x1;
const IFF_NOARP = 0x80;
const ARPHRD_ETHER = 1;
const OPERSTATE_UNKNOWN = 0;
const OPERSTATE_UP = 6;

const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_MASTER = 10;
const IFLA_OPERSTATE = 16;
const IFLA_LINKINFO = 18;
const IFLA_INFO_KIND = 1;
const IFLA_IFALIAS = 20;
const IFLA_EXT_MASK = 29;
const RTEXT_FILTER_SKIP_STATS = 8;

const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_FLAGS = 8;
const IFA_F_SECONDARY = 0x01;
const IFA_F_DADFAILED = 0x08;
const IFA_F_OPTIMISTIC = 0x04;
const IFA_F_TENTATIVE = 0x40;

const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PRIORITY = 6;
const RTA_MULTIPATH = 9;
const RTA_TABLE = 15;
const RTA_VIA = 18;
export const RTA_NH_ID = 30;
const RTNEXTHOP = 8;

export interface LinkRecord {
  readonly index: number;
  readonly name: string;
  readonly up: boolean;
  readonly noArp: boolean;
  readonly mac: Mac | undefined;
  /** Index of the link it is enslaved to. */
  readonly master: number | undefined;
  readonly kind: string | undefined;
  readonly mtu: number;
  readonly alias: string | undefined;
  /** IFLA_INFO_DATA: what its kind says of it. */
  readonly data: Uint8Array | undefined;
}

export interface AddressRecord {
  readonly index: number;
  readonly address: IpAddress;
  readonly length: number;
  readonly isSecondary: boolean;
  /** Past duplicate address detection, or exempt from it. */
  readonly isUsable: boolean;
}

/** A way to everywhere. */
export interface DefaultRouteRecord {
  readonly gateway: IpAddress;
  readonly index: number;
  readonly metric: number;
}

const IFINFOMSG = 16;

/** Undefined where it is about something else, as the bridge's messages on its ports are. */
export function decodeLink({ body }: NetlinkMessage): LinkRecord | undefined {
  if (body.length < IFINFOMSG || body[0] !== 0) return undefined;
  const view = new DataView(body.buffer, body.byteOffset, IFINFOMSG);
  const flags = view.getUint32(8, little);
  let operstate = OPERSTATE_UNKNOWN;
  const link = {
    index: view.getInt32(4, little),
    name: '',
    noArp: (flags & IFF_NOARP) !== 0,
    mac: undefined as Mac | undefined,
    master: undefined as number | undefined,
    kind: undefined as string | undefined,
    mtu: 0,
    alias: undefined as string | undefined,
    data: undefined as Uint8Array | undefined,
  };
  Attributes.walk(body, IFINFOMSG, (type, value) => {
    if (type === IFLA_IFNAME) link.name = Attributes.text(value);
    else if (type === IFLA_MTU) link.mtu = Attributes.u32(value);
    else if (type === IFLA_MASTER) link.master = Attributes.u32(value);
    else if (type === IFLA_OPERSTATE) operstate = Attributes.u8(value);
    else if (type === IFLA_IFALIAS) link.alias = Attributes.text(value);
    else if (type === IFLA_ADDRESS && value.length === 6 && view.getUint16(2, little) === ARPHRD_ETHER)
      link.mac = Mac.fromBytes(value);
    else if (type === IFLA_LINKINFO) {
      const kind = Attributes.find(value, 0, IFLA_INFO_KIND);
      link.kind = kind && Attributes.text(kind);
      link.data = Attributes.find(value, 0, IFLA_INFO_DATA)?.slice();
    }
  });
  const isRunning = operstate === OPERSTATE_UP || operstate === OPERSTATE_UNKNOWN;
  return { ...link, up: (flags & IFF_UP) !== 0 && isRunning };
}

const IFLA_INFO_DATA = 2;
const IFADDRMSG = 8;

/** Undefined for families other than IP. */
export function decodeAddress({ body }: NetlinkMessage): AddressRecord | undefined {
  const family = familyOf(body[0]);
  if (body.length < IFADDRMSG || family === undefined) return undefined;
  const size = familyBits[family] / 8;
  const at: { peer?: Uint8Array; local?: Uint8Array } = {};
  let flags = body[2] ?? 0;
  Attributes.walk(body, IFADDRMSG, (type, value) => {
    if (type === IFA_ADDRESS) at.peer = value;
    else if (type === IFA_LOCAL) at.local = value;
    else if (type === IFA_FLAGS) flags = Attributes.u32(value);
  });
  // On a point-to-point link IFA_ADDRESS is the other end's.
  const bytes = at.local ?? at.peer;
  if (bytes?.length !== size) return undefined;
  const isHeldBack = (flags & IFA_F_TENTATIVE) !== 0 && (flags & IFA_F_OPTIMISTIC) === 0;
  return {
    index: new DataView(body.buffer, body.byteOffset, IFADDRMSG).getUint32(4, little),
    address: IpAddress.fromBytes(family, bytes),
    length: body[1] ?? 0,
    isSecondary: family === 'ipv4' && (flags & IFA_F_SECONDARY) !== 0,
    isUsable: !isHeldBack && (flags & IFA_F_DADFAILED) === 0,
  };
}

export const RTMSG = 12;

/** Gateways of a next hop or a group of them, by number. */
export type GatewaysOf = (id: number) => readonly { readonly gateway: IpAddress; readonly index: number }[];

/** Its next hops if it is a default route of the main table with a gateway; otherwise none. */
export function decodeDefaultRoutes(
  { body }: NetlinkMessage,
  gatewaysOf: GatewaysOf = () => [],
): readonly DefaultRouteRecord[] {
  const family = familyOf(body[0]);
  if (body.length < RTMSG || family === undefined || body[1] !== 0 || body[7] !== RTN_UNICAST) return [];
  let table = body[4] ?? 0;
  let metric = 0;
  let index = 0;
  let gateway: IpAddress | undefined;
  let nextHop = 0;
  const more: { readonly gateway: IpAddress; readonly index: number }[] = [];
  Attributes.walk(body, RTMSG, (type, value) => {
    if (type === RTA_TABLE) table = Attributes.u32(value);
    else if (type === RTA_PRIORITY) metric = Attributes.u32(value);
    else if (type === RTA_NH_ID) nextHop = Attributes.u32(value);
    else if (type === RTA_OIF) index = Attributes.u32(value);
    else if (type === RTA_GATEWAY || type === RTA_VIA) gateway = decodeGateway(type, value, family);
    else if (type === RTA_MULTIPATH) more.push(...decodeMultipath(value, family));
  });
  if (table !== RT_TABLE_MAIN) return [];
  if (gateway !== undefined) more.push({ gateway, index });
  // Routes by next hop objects show their gateways only while net.ipv4.nexthop_compat_mode is on.
  if (more.length === 0 && nextHop !== 0) more.push(...gatewaysOf(nextHop));
  // Whoever asks for the default router of a family wants it in that family.
  return more.filter(each => each.gateway.family === family).map(each => ({ ...each, metric }));
}

function decodeMultipath(value: Uint8Array, family: Family): { gateway: IpAddress; index: number }[] {
  const found: { gateway: IpAddress; index: number }[] = [];
  const view = new DataView(value.buffer, value.byteOffset, value.length);
  for (let at = 0; at + RTNEXTHOP <= value.length; ) {
    const length = view.getUint16(at, little);
    if (length < RTNEXTHOP || at + length > value.length) break;
    const index = view.getInt32(at + 4, little);
    Attributes.walk(value.subarray(0, at + length), at + RTNEXTHOP, (type, each) => {
      const gateway = decodeGateway(type, each, family);
      if (gateway !== undefined) found.push({ gateway, index });
    });
    at += (length + 3) & ~3;
  }
  return found;
}

/** RTA_VIA names its family before the address. */
function decodeGateway(type: number, value: Uint8Array, family: Family): IpAddress | undefined {
  const of = type === RTA_GATEWAY ? family : type === RTA_VIA ? familyOf(value[0]) : undefined;
  const bytes = type === RTA_VIA ? value.subarray(2) : value;
  return of === undefined || bytes.length !== familyBits[of] / 8 ? undefined : IpAddress.fromBytes(of, bytes);
}

export function familyOf(number: number | undefined): Family | undefined {
  return number === AF_INET ? 'ipv4' : number === AF_INET6 ? 'ipv6' : undefined;
}

export function numberOf(family: Family): number {
  return family === 'ipv4' ? AF_INET : AF_INET6;
}

/** Writes a request for every link, without the counters nobody reads here. */
export function askLinks(writer: NetlinkWriter, flags: number, seq: number): void {
  writer.begin(RTM_GETLINK, flags, seq).u32(0).u32(0).u32(0).u32(0);
  writer.attributeU32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS).end();
}

export function askAddresses(writer: NetlinkWriter, flags: number, seq: number): void {
  writer.begin(RTM_GETADDR, flags, seq).u32(0).u32(0).end();
}

/** Routes of one family in one table, of one protocol if it is not 0. */
export function askRoutes(
  writer: NetlinkWriter,
  flags: number,
  seq: number,
  { family, table, protocol }: { readonly family: Family; readonly table: number; readonly protocol: number },
): void {
  writer.begin(RTM_GETROUTE, flags, seq).u8(numberOf(family)).u8(0).u8(0).u8(0);
  writer.u8(0).u8(protocol).u8(0).u8(0).u32(0);
  if (table !== 0) writer.attributeU32(RTA_TABLE, table);
  writer.end();
}
