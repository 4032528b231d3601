/**
 * Keeps the kernel from answering unicast neighbour solicitations for addresses that this host answers for and does
 * not have: it would send an ICMPv6 destination unreachable beside our advertisement. A table of nf_tables, spoken to
 * over netlink, drops them at prerouting, which is after the packet sockets have seen them. The table belongs to our
 * socket and goes with it, however this process ends (NFT_TABLE_F_OWNER, Linux 5.12).
 */
import { IpAddress } from '../net/ip.ts';
import { type Libc, SystemError } from './libc.ts';
import { little, NetlinkMessage, NetlinkWriter, NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLMSG_ERROR } from './netlink.ts';

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0x80000;
const NETLINK_NETFILTER = 12;
const NFPROTO_IPV6 = 10;
const NFNL_SUBSYS_NFTABLES = 10;
const BATCH_BEGIN = 0x10;
const BATCH_END = 0x11;

const NEW_TABLE = 0;
const NEW_CHAIN = 3;
const NEW_RULE = 6;
const NEW_SET = 9;
const NEW_ELEMENTS = 12;
const DELETE_ELEMENTS = 14;

const TABLE_OWNER = 2;
const PREROUTING = 0;
/** Ahead of connection tracking. */
const PRIORITY_RAW = -300;
const VERDICT_REGISTER = 0;
const REGISTER = 1;
const DROP = 0;
const META_L4PROTO = 16;
const NETWORK_HEADER = 1;
const TRANSPORT_HEADER = 2;
const ICMPV6 = 58;
const NEIGHBOR_SOLICITATION = 135;
/** nft's number for the type of the set's keys, for whoever lists the table. */
const TYPE_IP6ADDR = 8;

const NESTED = 0x8000;

const CHAIN = 'solicitations';
const SET = 'answered-for';
/** An attribute is at most 65,535 octets long, an element 28. */
const ELEMENTS_MAX = 1000;

export class SolicitationFilter {
  readonly #libc: Libc;
  readonly #fd: number;
  readonly #table: string;
  readonly #kernel = new Uint8Array(12);
  readonly #writer = new NetlinkWriter();
  #seq = 1;
  #now = new Map<bigint, IpAddress>();

  /** `table` is its name, free in this network namespace. Throws SystemError: no nf_tables, no CAP_NET_ADMIN. */
  constructor(libc: Libc, table: string) {
    this.#libc = libc;
    this.#table = table;
    new DataView(this.#kernel.buffer).setUint16(0, AF_NETLINK, little);
    this.#fd = libc.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    try {
      libc.bind(this.#fd, this.#kernel);
      this.#transact(() => this.#writeTable());
    } catch (error) {
      libc.close(this.#fd);
      throw error;
    }
  }

  /** Addresses whose solicitations the kernel has no say in: the whole set; only IPv6. Throws SystemError. */
  set(addresses: Iterable<IpAddress>): void {
    const wanted = new Map(Array.from(addresses, address => [address.value, address]));
    const gone = [...this.#now].filter(([key]) => !wanted.has(key)).map(([, address]) => address);
    const come = [...wanted].filter(([key]) => !this.#now.has(key)).map(([, address]) => address);
    for (const [type, changed] of [
      [DELETE_ELEMENTS, gone],
      [NEW_ELEMENTS, come],
    ] as const)
      for (let at = 0; at < changed.length; at += ELEMENTS_MAX)
        this.#transact(() => this.#writeElements(type, changed.slice(at, at + ELEMENTS_MAX)));
    this.#now = wanted;
  }

  close(): void {
    this.#libc.close(this.#fd);
  }

  /** A transaction: all of it or nothing. */
  #transact(write: () => void): void {
    this.#writer.reset();
    this.#control(BATCH_BEGIN);
    write();
    this.#writer.flagLast(NLM_F_ACK);
    const last = this.#seq - 1;
    this.#control(BATCH_END);
    this.#libc.sendto(this.#fd, this.#writer.bytes, this.#kernel);
    const buffer = new Uint8Array(16_384);
    const from = new Uint8Array(12);
    let failed: SystemError | undefined;
    let isDone = false;
    // The kernel works while it is being sent to: what it has to say is there.
    for (let got = 0; got !== undefined && !isDone; ) {
      for (const message of NetlinkMessage.parse(buffer.subarray(0, got))) {
        if (message.type !== NLMSG_ERROR) continue;
        const { errno } = NetlinkMessage.error(message);
        if (errno !== 0) failed ??= new SystemError('nf_tables', errno);
        isDone ||= message.seq === last;
      }
      const length = isDone ? undefined : this.#libc.recvfrom(this.#fd, buffer, from);
      if (length === undefined) break;
      got = length;
    }
    if (failed !== undefined) throw failed;
    if (!isDone) throw new Error('nf_tables gave no answer');
  }

  #control(type: number): void {
    this.#begin(type, 0, 0, NFNL_SUBSYS_NFTABLES).end();
  }

  /** With struct nfgenmsg { u8 family; u8 version; be16 resource }. */
  #begin(type: number, flags: number, family: number, resource: number): NetlinkWriter {
    return this.#writer
      .begin(type, flags, this.#seq++)
      .u8(family)
      .u8(0)
      .u8(0)
      .u8(resource);
  }

  #change(message: number, flags: number): NetlinkWriter {
    return this.#begin((NFNL_SUBSYS_NFTABLES << 8) | message, flags, NFPROTO_IPV6, 0);
  }

  #writeTable(): void {
    const table = this.#table;
    this.#change(NEW_TABLE, NLM_F_CREATE | NLM_F_EXCL)
      .attributeText(1, table)
      .attribute(2, be32(TABLE_OWNER))
      .end();
    this.#change(NEW_SET, NLM_F_CREATE)
      .attributeText(1, table)
      .attributeText(2, SET)
      .attribute(3, be32(0))
      .attribute(4, be32(TYPE_IP6ADDR))
      .attribute(5, be32(16))
      .attribute(10, be32(1))
      .end();
    const chain = this.#change(NEW_CHAIN, NLM_F_CREATE).attributeText(1, table).attributeText(3, CHAIN);
    chain.nested(NESTED | 4, () => chain.attribute(1, be32(PREROUTING)).attribute(2, be32(PRIORITY_RAW)));
    chain.attributeText(7, 'filter').end();
    const rule = this.#change(NEW_RULE, NLM_F_CREATE).attributeText(1, table).attributeText(2, CHAIN);
    rule.nested(NESTED | 4, () => writeRule(rule));
    rule.end();
  }

  #writeElements(message: number, addresses: readonly IpAddress[]): void {
    const writer = this.#change(message, message === NEW_ELEMENTS ? NLM_F_CREATE : 0)
      .attributeText(1, this.#table)
      .attributeText(2, SET);
    writer.nested(NESTED | 3, () => {
      for (const address of addresses)
        writer.nested(NESTED | 1, () =>
          writer.nested(NESTED | 1, () => writer.attribute(1, IpAddress.toBytes(address))),
        );
    });
    writer.end();
  }
}

/** meta l4proto icmpv6, icmpv6 type nd-neighbor-solicit, ip6 daddr in the set: drop. */
function writeRule(writer: NetlinkWriter): void {
  const expression = (name: string, content: () => void) =>
    writer.nested(NESTED | 1, () => writer.attributeText(1, name).nested(NESTED | 2, content));
  const load = (base: number, offset: number, length: number) =>
    expression('payload', () =>
      writer
        .attribute(1, be32(REGISTER))
        .attribute(2, be32(base))
        .attribute(3, be32(offset))
        .attribute(4, be32(length)),
    );
  const equals = (octet: number) =>
    expression('cmp', () =>
      writer
        .attribute(1, be32(REGISTER))
        .attribute(2, be32(0))
        .nested(NESTED | 3, () => writer.attributeU8(1, octet)),
    );
  expression('meta', () => writer.attribute(1, be32(REGISTER)).attribute(2, be32(META_L4PROTO)));
  equals(ICMPV6);
  load(TRANSPORT_HEADER, 0, 1);
  equals(NEIGHBOR_SOLICITATION);
  load(NETWORK_HEADER, 24, 16);
  expression('lookup', () => writer.attributeText(1, SET).attribute(2, be32(REGISTER)));
  expression('immediate', () => {
    writer.attribute(1, be32(VERDICT_REGISTER));
    writer.nested(NESTED | 2, () => writer.nested(NESTED | 2, () => writer.attribute(1, be32(DROP))));
  });
}

/** nf_tables has its numbers in network order. */
function be32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value);
  return bytes;
}
