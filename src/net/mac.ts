/** EUI-48 link-layer addresses, and the multicast addresses IP derives from its own (RFC 1112 §6.4, RFC 2464 §7). */
import { viewOf } from './bytes.ts';
import type { IpAddress } from './ip.ts';

/** `value` is the address as a number below 2^48, which a double holds exactly. */
export interface Mac {
  readonly value: number;
}

const broadcast: Mac = { value: 2 ** 48 - 1 };

export const Mac = {
  broadcast,

  /** Six pairs of hexadecimal digits with colons or with dashes, not mixed. Undefined for anything else. */
  parse(text: string): Mac | undefined {
    if (!/^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$/.test(text) && !/^[0-9a-fA-F]{2}(-[0-9a-fA-F]{2}){5}$/.test(text))
      return undefined;
    return { value: Number.parseInt(text.replace(/[:-]/g, ''), 16) };
  },

  /** Lower case with colons. */
  format(mac: Mac): string {
    return mac.value
      .toString(16)
      .padStart(12, '0')
      .replace(/(..)(?=.)/g, '$1:');
  },

  /** Reads six octets at `offset`. Throws ShortReadError when they are not there. */
  fromBytes(bytes: Uint8Array, offset = 0): Mac {
    const view = viewOf(bytes, offset, 6);
    return { value: view.getUint16(0) * 2 ** 32 + view.getUint32(2) };
  },

  toBytes(mac: Mac): Uint8Array {
    const bytes = new Uint8Array(6);
    const view = new DataView(bytes.buffer);
    view.setUint16(0, Math.floor(mac.value / 2 ** 32));
    view.setUint32(2, mac.value % 2 ** 32);
    return bytes;
  },

  equals(a: Mac, b: Mac): boolean {
    return a.value === b.value;
  },

  /** Group addresses have the lowest bit of the first octet set; broadcast is one of them. */
  isMulticast(mac: Mac): boolean {
    return Math.floor(mac.value / 2 ** 40) % 2 === 1;
  },

  /** Where frames for an IP multicast group go: 01:00:5e + 23 bits, or 33:33 + 32 bits. */
  ofMulticast(group: IpAddress): Mac {
    if (group.family === 'ipv4') return { value: 0x0100_5e00_0000 + Number(group.value & 0x7f_ffffn) };
    return { value: 0x3333_0000_0000 + Number(group.value & 0xffff_ffffn) };
  },
};
