/**
 * NOTIFICATION on the wire (RFC 4271 §4.5), the text an administrator gives with a shutdown (RFC 8203, RFC 9003), and
 * the reason inside a hard reset (RFC 8538 §3.1).
 */
import { Notification } from './notification.ts';

/** RFC 9003 §2; RFC 8203 allowed 128. */
const TEXT_OCTETS_MAX = 255;

export function encodeNotification(notification: Notification): Uint8Array {
  const { code, subcode, data } = notification;
  return Uint8Array.of(code, subcode, ...data);
}

/** The body of a NOTIFICATION, two octets at least: the header check has seen to that. */
export function decodeNotification(bytes: Uint8Array, at: number, end: number): Notification {
  return { code: bytes[at] as number, subcode: bytes[at + 1] as number, data: bytes.slice(at + 2, end) };
}

/** Cease with a text for the people at the other end; cut at 255 octets, between characters. */
export function cease(name: 'administrative shutdown' | 'administrative reset', text: string): Notification {
  let encoded = new TextEncoder().encode(text);
  if (encoded.length > TEXT_OCTETS_MAX) {
    let end = TEXT_OCTETS_MAX;
    // Continuation octets are 10xxxxxx: step back to where a character starts.
    while (((encoded[end] as number) & 0xc0) === 0x80) end--;
    encoded = encoded.slice(0, end);
  }
  return encoded.length === 0
    ? Notification.of(name)
    : Notification.of(name, Uint8Array.of(encoded.length, ...encoded));
}

/**
 * The text of an administrative shutdown or reset. Undefined when there is none, or none that is UTF-8 (RFC 9003 §4).
 */
function shutdownText(notification: Notification): string | undefined {
  const told =
    Notification.is(notification, 'administrative shutdown') || Notification.is(notification, 'administrative reset');
  const [length, ...rest] = notification.data;
  if (!told || length === undefined || length === 0 || length > rest.length) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Uint8Array.from(rest.slice(0, length)));
  } catch {
    return undefined;
  }
}

/** RFC 8538 §3.1: a Cease that even graceful restart does not survive, with the reason inside. */
export function hardReset(reason: Notification): Notification {
  return Notification.of('hard reset', encodeNotification(reason));
}

/** What a hard reset is for; undefined when it is something else, or does not say. */
function hardResetReason(notification: Notification): Notification | undefined {
  if (!Notification.is(notification, 'hard reset') || notification.data.length < 2) return undefined;
  return decodeNotification(notification.data, 0, notification.data.length);
}

/**
 * In words, with whatever text and inner reason came along. Control characters are left out: it goes to logs and
 * terminals.
 */
export function describeNotification(notification: Notification): string {
  const inner = hardResetReason(notification);
  if (inner !== undefined) return `${Notification.format(notification)} (${describeNotification(inner)})`;
  const text = shutdownText(notification)?.replace(/\p{Cc}+/gu, ' ');
  return text === undefined ? Notification.format(notification) : `${Notification.format(notification)} "${text}"`;
}
