/**
 * VXLAN links, their forwarding entries and neighbours as rtnetlink messages (RFC 7348; linux/if_link.h, neighbour.h).
 * Ours flood nobody and learn nothing: a frame goes to the one address that its MAC has, or nowhere.
 */
import { type Family, IpAddress } from '../net/ip.ts';
import { Mac } from '../net/mac.ts';
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
  AF_BRIDGE,
  AF_INET6,
  familyOf,
  numberOf,
  RTM_DELADDR,
  RTM_DELLINK,
  RTM_NEWADDR,
  RTM_NEWLINK,
} from './rtnetlink.ts';

/** IFLA_IFALIAS of the link, by which a later process knows it as ours. */
export const overlayMark = 'herald overlay';

const IFF_UP = 1;
const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_LINKINFO = 18;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const IFLA_IFALIAS = 20;
const IFLA_AF_SPEC = 26;
const IFLA_INET6_ADDR_GEN_MODE = 8;
const ADDR_GEN_NONE = 1;
const IFLA_VXLAN_ID = 1;
const IFLA_VXLAN_LOCAL = 4;
const IFLA_VXLAN_LEARNING = 7;
const IFLA_VXLAN_PORT = 15;
const IFLA_VXLAN_LOCAL6 = 17;

const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_FLAGS = 8;
const IFA_F_NODAD = 0x02;

const RTM_NEWNEIGH = 28;
const RTM_DELNEIGH = 29;
const RTM_GETNEIGH = 30;
const NDMSG = 12;
const NDA_DST = 1;
const NDA_LLADDR = 2;
const NDA_IFINDEX = 8;
const NUD_NOARP = 0x40;
const NUD_PERMANENT = 0x80;
const NTF_SELF = 0x02;

/** What of a VXLAN link cannot be changed while it is there. */
export interface VxlanFixed {
  readonly vni: number;
  readonly port: number;
  readonly local: IpAddress;
}

/** Makes the link, down; its MTU and the rest come with `writeLink`. */
export function writeVxlan(writer: NetlinkWriter, seq: number, name: string, { vni, port, local }: VxlanFixed): void {
  writer
    .begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, seq)
    .u32(0)
    .u32(0)
    .u32(0)
    .u32(0);
  writer.attributeText(IFLA_IFNAME, name);
  writer.nested(IFLA_LINKINFO, () => {
    writer.attributeText(IFLA_INFO_KIND, 'vxlan').nested(IFLA_INFO_DATA, () => {
      writer.attributeU32(IFLA_VXLAN_ID, vni).attributeU8(IFLA_VXLAN_LEARNING, 0).attributeBe16(IFLA_VXLAN_PORT, port);
      const type = local.family === 'ipv4' ? IFLA_VXLAN_LOCAL : IFLA_VXLAN_LOCAL6;
      writer.attribute(type, IpAddress.toBytes(local));
    });
  });
  writer.end();
}

/** Up, marked as ours, without link-local addresses of its own making. `mac`: another one than it has. */
export function writeLink(
  writer: NetlinkWriter,
  seq: number,
  link: { readonly name: string; readonly mac: Mac | undefined; readonly mtu: number },
): void {
  writer.begin(RTM_NEWLINK, 0, seq).u32(0).u32(0).u32(IFF_UP).u32(IFF_UP);
  writer.attributeText(IFLA_IFNAME, link.name);
  // Said again, the same one takes all neighbours away.
  if (link.mac !== undefined) writer.attribute(IFLA_ADDRESS, Mac.toBytes(link.mac));
  writer.attributeU32(IFLA_MTU, link.mtu).attributeText(IFLA_IFALIAS, overlayMark);
  writer.nested(IFLA_AF_SPEC, () => {
    writer.nested(AF_INET6, () => writer.attributeU8(IFLA_INET6_ADDR_GEN_MODE, ADDR_GEN_NONE));
  });
  writer.end();
}

export function writeLinkGone(writer: NetlinkWriter, seq: number, index: number): void {
  writer.begin(RTM_DELLINK, 0, seq).u32(0).u32(index).u32(0).u32(0).end();
}

/** Undefined for data that are no VXLAN link's with an address of its own. */
export function decodeVxlan(data: Uint8Array | undefined): (VxlanFixed & { readonly learns: boolean }) | undefined {
  if (data === undefined) return undefined;
  const v4 = Attributes.find(data, 0, IFLA_VXLAN_LOCAL);
  const v6 = Attributes.find(data, 0, IFLA_VXLAN_LOCAL6);
  const local =
    v4?.length === 4
      ? IpAddress.fromBytes('ipv4', v4)
      : v6?.length === 16
        ? IpAddress.fromBytes('ipv6', v6)
        : undefined;
  if (local === undefined) return undefined;
  return {
    vni: Attributes.u32(Attributes.find(data, 0, IFLA_VXLAN_ID)),
    port: Attributes.be16(Attributes.find(data, 0, IFLA_VXLAN_PORT)),
    learns: Attributes.u8(Attributes.find(data, 0, IFLA_VXLAN_LEARNING)) !== 0,
    local,
  };
}

export interface LinkAddress {
  readonly index: number;
  readonly address: IpAddress;
  readonly length: number;
}

export function writeAddress(writer: NetlinkWriter, seq: number, address: LinkAddress): void {
  writer.begin(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, seq);
  writeAddressBody(writer, address);
  // There is nobody on an overlay to detect a duplicate by.
  writer.attributeU32(IFA_FLAGS, IFA_F_NODAD).end();
}

export function writeAddressGone(writer: NetlinkWriter, seq: number, address: LinkAddress): void {
  writer.begin(RTM_DELADDR, 0, seq);
  writeAddressBody(writer, address);
  writer.end();
}

function writeAddressBody(writer: NetlinkWriter, { index, address, length }: LinkAddress): void {
  writer.u8(numberOf(address.family)).u8(length).u8(IFA_F_NODAD).u8(0).u32(index);
  writer.attribute(IFA_LOCAL, IpAddress.toBytes(address)).attribute(IFA_ADDRESS, IpAddress.toBytes(address));
}

/** Frames to a MAC go to `to`: a forwarding entry. Packets to `to` go to a MAC: a neighbour. */
export interface Entry {
  readonly kind: 'forwarding' | 'neighbour';
  readonly mac: Mac;
  readonly to: IpAddress;
}

export function writeEntry(writer: NetlinkWriter, seq: number, index: number, entry: Entry): void {
  writer.begin(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, seq);
  writeEntryBody(writer, index, entry);
}

export function writeEntryGone(writer: NetlinkWriter, seq: number, index: number, entry: Entry): void {
  writer.begin(RTM_DELNEIGH, 0, seq);
  writeEntryBody(writer, index, entry);
}

function writeEntryBody(writer: NetlinkWriter, index: number, { kind, mac, to }: Entry): void {
  const isForwarding = kind === 'forwarding';
  writer
    .u8(isForwarding ? AF_BRIDGE : numberOf(to.family))
    .u8(0)
    .u16(0)
    .u32(index);
  writer
    .u16(isForwarding ? NUD_PERMANENT | NUD_NOARP : NUD_PERMANENT)
    .u8(isForwarding ? NTF_SELF : 0)
    .u8(0);
  writer.attribute(NDA_DST, IpAddress.toBytes(to)).attribute(NDA_LLADDR, Mac.toBytes(mac)).end();
}

/** Forwarding entries of one link. */
export function askForwarding(writer: NetlinkWriter, flags: number, seq: number, index: number): void {
  writer.begin(RTM_GETNEIGH, flags, seq).u8(AF_BRIDGE).u8(0).u16(0).u32(index).u32(0).end();
}

export function askNeighbours(writer: NetlinkWriter, flags: number, seq: number, index: number, family: Family): void {
  writer.begin(RTM_GETNEIGH, flags, seq).u8(numberOf(family)).u8(0).u16(0).u32(0).u32(0);
  writer.attributeU32(NDA_IFINDEX, index).end();
}

/** Undefined for what is not lasting, has no MAC or no address, or belongs to another link. */
export function decodeEntry({ type, body }: NetlinkMessage, index: number): Entry | undefined {
  if (type !== RTM_NEWNEIGH || body.length < NDMSG) return undefined;
  const view = new DataView(body.buffer, body.byteOffset, NDMSG);
  if (view.getInt32(4, little) !== index || (view.getUint16(8, little) & NUD_PERMANENT) === 0) return undefined;
  const mac = Attributes.find(body, NDMSG, NDA_LLADDR);
  const to = Attributes.find(body, NDMSG, NDA_DST);
  const isForwarding = body[0] === AF_BRIDGE;
  const family = isForwarding ? (to?.length === 16 ? 'ipv6' : 'ipv4') : familyOf(body[0]);
  if (mac?.length !== 6 || family === undefined || to === undefined || to.length !== (family === 'ipv4' ? 4 : 16))
    return undefined;
  return {
    kind: isForwarding ? 'forwarding' : 'neighbour',
    mac: Mac.fromBytes(mac),
    to: IpAddress.fromBytes(family, to),
  };
}
