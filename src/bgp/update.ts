/** The frame of an UPDATE message (RFC 4271 §4.3): where its three parts are. */
import { BgpError } from './error.ts';
import { Notification } from './notification.ts';

export const HEADER_OCTETS = 19;
/** RFC 4271 §4.1 and RFC 8654 §4: the longest message, header included. */
export const MESSAGE_MAX = 4096;
export const EXTENDED_MESSAGE_MAX = 65_535;

/** Where the parts of one message begin and end. Filled in anew for each. */
export interface UpdateParts {
  withdrawnAt: number;
  withdrawnEnd: number;
  attributesAt: number;
  attributesEnd: number;
  nlriEnd: number;
}

export const UpdateParts = {
  empty(): UpdateParts {
    return { withdrawnAt: 0, withdrawnEnd: 0, attributesAt: 0, attributesEnd: 0, nlriEnd: 0 };
  },

  /**
   * Reads the two lengths of the body from `at` to `end`. Throws BgpError when they do not fit into it (RFC 4271
   * §6.3).
   */
  read(parts: UpdateParts, bytes: Uint8Array, at: number, end: number): void {
    if (end - at < 4) throw new BgpError(Notification.of('malformed attribute list'));
    const withdrawn = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
    parts.withdrawnAt = at + 2;
    parts.withdrawnEnd = parts.withdrawnAt + withdrawn;
    if (parts.withdrawnEnd + 2 > end) throw new BgpError(Notification.of('malformed attribute list'));
    const attributes = ((bytes[parts.withdrawnEnd] as number) << 8) | (bytes[parts.withdrawnEnd + 1] as number);
    parts.attributesAt = parts.withdrawnEnd + 2;
    parts.attributesEnd = parts.attributesAt + attributes;
    if (parts.attributesEnd > end) throw new BgpError(Notification.of('malformed attribute list'));
    parts.nlriEnd = end;
  },
};
