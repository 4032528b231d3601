/**
 * OPEN (RFC 4271 §4.2) with capabilities as its optional parameters (RFC 5492 §4) and the extended form of those (RFC
 * 9072 §2). What is read here is syntax; whether it is acceptable is session-negotiate.ts.
 */
import { Reader, ShortReadError, Writer } from '../net/bytes.ts';
import { type Capability, decodeCapability, encodeCapability } from './capability.ts';
import { BgpError } from './error.ts';
import { encodeMessage } from './message.ts';
import { Notification } from './notification.ts';

export interface Open {
  /** The two-octet field: AS_TRANS when the number does not fit. */
  readonly asn16: number;
  readonly holdSeconds: number;
  /** Unsigned 32-bit. */
  readonly routerId: number;
  readonly capabilities: readonly Capability[];
}

const VERSION = 4;
const PARAMETER_CAPABILITIES = 2;
/** RFC 9072 §2: as a type, that lengths of two octets follow. */
const PARAMETERS_EXTENDED = 255;

/** The body of an OPEN, ten octets at least: the header check has seen to that. Throws BgpError (RFC 4271 §6.2). */
export function decodeOpen(bytes: Uint8Array, at: number, end: number): Open {
  const reader = new Reader(bytes, at, end);
  if (reader.u8() !== VERSION)
    throw new BgpError(Notification.of('unsupported version number', Uint8Array.of(0, VERSION)));
  const asn16 = reader.u16();
  const holdSeconds = reader.u16();
  const routerId = reader.u32();
  try {
    return { asn16, holdSeconds, routerId, capabilities: decodeParameters(reader) };
  } catch (error) {
    if (error instanceof ShortReadError) throw malformed(error.message);
    throw error;
  }
}

function decodeParameters(reader: Reader): Capability[] {
  const length = reader.u8();
  if (length === 0) {
    if (reader.remaining > 0) throw malformed('octets after the last parameter');
    return [];
  }
  const extended = reader.bytes[reader.at] === PARAMETERS_EXTENDED && reader.remaining > 0;
  if (extended) reader.skip(1);
  const total = extended ? reader.u16() : length;
  if (total !== reader.remaining) throw malformed(`${total} octets of parameters announced, ${reader.remaining} there`);
  const capabilities: Capability[] = [];
  while (reader.remaining > 0) {
    const type = reader.u8();
    const value = reader.sub(extended ? reader.u16() : reader.u8());
    if (type !== PARAMETER_CAPABILITIES)
      throw new BgpError(Notification.of('unsupported optional parameter'), `type ${type}`);
    while (value.remaining > 0) {
      const capability = decodeCapability(value);
      if (capability === undefined) throw malformed('capability of a wrong length');
      capabilities.push(capability);
    }
  }
  return capabilities;
}

/** A recognised parameter that is malformed has no subcode of its own (RFC 4271 §6.2). */
function malformed(detail: string): BgpError {
  return new BgpError(Notification.of('unspecific OPEN error'), detail);
}

/** A whole message: one parameter with every capability, in the extended form only when it has to be (RFC 9072 §2). */
export function encodeOpen(open: Open): Uint8Array {
  const capabilities = new Writer();
  for (const capability of open.capabilities) encodeCapability(capabilities, capability);
  const value = capabilities.finish();
  const body = new Writer().u8(VERSION).u16(open.asn16).u16(open.holdSeconds).u32(open.routerId);
  if (value.length === 0) body.u8(0);
  else if (value.length <= 253)
    body
      .u8(value.length + 2)
      .u8(PARAMETER_CAPABILITIES)
      .u8(value.length)
      .put(value);
  else {
    body
      .u8(PARAMETERS_EXTENDED)
      .u8(PARAMETERS_EXTENDED)
      .u16(value.length + 3);
    body.u8(PARAMETER_CAPABILITIES).u16(value.length).put(value);
  }
  return encodeMessage('open', body.finish());
}
