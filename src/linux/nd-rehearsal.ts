/**
 * Answers to nobody, on a table of its own, before and between the first real ones: a node is asked a few times a
 * minute, and code that ran so seldom would never be compiled. Each real answer takes 1 us then instead of 6.
 */
import { AddressTable } from '../l2/address-table.ts';
import { ARP_REQUEST, arpFrame } from '../l2/arp.ts';
import { NEIGHBOUR_SOLICITATION, ndpFrame, solicitedNode } from '../l2/ndp.ts';
import { REPLY_OCTETS_MAX, respond, respondingLink } from '../l2/responder.ts';
import { IpAddress } from '../net/ip.ts';
import { Mac } from '../net/mac.ts';

/** Documentation addresses, RFC 5737 and RFC 3849. */
const [ipv4, ipv6] = [IpAddress.of('ipv4', 0xc000_0201n), IpAddress.of('ipv6', (0x2001_0db8n << 96n) | 1n)];
const [ours, theirs]: readonly [Mac, Mac] = [{ value: 0x0200_0000_0001 }, { value: 0x0200_0000_0002 }];
const ROUNDS = 10_000;
/** In one go, some 0.2 ms. */
const SLICE = 100;

export class Rehearsal {
  readonly #table = AddressTable.make(4);
  readonly #link: ReturnType<typeof respondingLink>;
  readonly #frames: readonly Uint8Array[];
  readonly #out = new Uint8Array(REPLY_OCTETS_MAX);
  #round = 0;

  constructor() {
    this.#link = respondingLink(1, ours, [ours]);
    this.#table.replaceAll([ipv4, ipv6].map(address => ({ link: 1, address, mode: 'session' })));
    this.#table.setDeadlines({ sessionMs: Number.POSITIVE_INFINITY, holdMs: 0 });
    const arp = { operation: ARP_REQUEST, senderMac: theirs, senderIp: IpAddress.of('ipv4', 0xc000_0202n) };
    const group = solicitedNode(ipv6);
    const ndp = { type: NEIGHBOUR_SOLICITATION, source: IpAddress.of('ipv6', ipv6.value + 1n), destination: group };
    this.#frames = [
      arpFrame(Mac.broadcast, theirs, { ...arp, targetMac: ours, targetIp: ipv4 }),
      ndpFrame(Mac.ofMulticast(group), theirs, { ...ndp, flags: 0, target: ipv6, linkOption: theirs }),
    ];
  }

  get isOver(): boolean {
    return this.#round >= ROUNDS;
  }

  step(): void {
    for (let i = 0; i < SLICE; i++, this.#round++)
      for (const frame of this.#frames) {
        // Any other outcome would have compiled what is not needed.
        if (respond(this.#table, this.#link, frame, frame.length, this.#round + 0.5, this.#out) <= 0)
          throw new Error('a rehearsal that is not answered');
      }
  }
}
