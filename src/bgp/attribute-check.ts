/**
 * Octets of path attributes → what they say, and what their errors lead to: the rules that hold for every attribute,
 * over the table that knows each one. RFC 4271 §6.3 as revised by RFC 7606 §3–§5.
 */
import { AS_TRANS, AsPath } from './as-path.ts';
import {
  type AttributeCheck,
  type AttributeContext,
  type AttributeFault,
  type AttributeFaultKind,
  attributeCode,
  type Carries,
  FLAG_EXTENDED_LENGTH,
  FLAG_OPTIONAL,
  FLAG_PARTIAL,
  FLAG_TRANSITIVE,
  type PathAttributes,
  type RawAttribute,
} from './attribute.ts';
import { type AttributeRow, attributeRow, type Received } from './attribute-table.ts';
import { NextHop } from './next-hop.ts';
import { type ErrorName, Notification } from './notification.ts';

/**
 * Reads the attributes in `bytes` from `at` to `end`. `carries` says which prefixes stand beside them; MP_REACH_NLRI
 * found among them counts by itself. Never throws.
 */
export function checkAttributes(
  bytes: Uint8Array,
  at: number,
  end: number,
  carries: Carries,
  cx: AttributeContext,
): AttributeCheck {
  const walk: Walk = { bytes, end, cx, into: {}, unknown: [], faults: [], seen: new Set() };
  while (at < end) at = readOne(walk, at);
  const { into, faults } = walk;
  mergeFourOctet(into, faults, cx);
  const { as4Path: _path, as4Aggregator: _aggregator, mpReach, mpUnreach, ...rest } = into;
  const attributes: PathAttributes = walk.unknown.length > 0 ? { ...rest, unknown: walk.unknown } : rest;
  checkWhole(into, carries, cx, faults);
  const reset = faults.find(fault => fault.treatment === 'session-reset');
  if (reset !== undefined) return { treatment: 'session-reset', notification: reset.notification, faults };
  const treatment = faults.some(fault => fault.treatment === 'treat-as-withdraw')
    ? 'treat-as-withdraw'
    : faults.length > 0
      ? 'attribute-discard'
      : 'ok';
  return { treatment, attributes, mpReach, mpUnreach, faults };
}

interface Walk {
  readonly bytes: Uint8Array;
  readonly end: number;
  readonly cx: AttributeContext;
  readonly into: Received;
  readonly unknown: RawAttribute[];
  readonly faults: AttributeFault[];
  readonly seen: Set<number>;
}

/** Reads the attribute at `at` and returns where the next one is. */
function readOne(walk: Walk, at: number): number {
  const { bytes, end, seen } = walk;
  const flags = bytes[at] as number;
  const header = flags & FLAG_EXTENDED_LENGTH ? 4 : 3;
  if (end - at < header) return overrun(walk, at);
  const code = bytes[at + 1] as number;
  const third = bytes[at + 2] as number;
  const length = header === 4 ? third * 256 + (bytes[at + 3] as number) : third;
  const value = at + header;
  const next = value + length;
  if (next > end) return overrun(walk, at);
  if (seen.has(code)) duplicate(walk, code);
  else {
    seen.add(code);
    const row = attributeRow(code);
    if (row === undefined) readUnknown(walk, code, flags, at, value, next);
    else readKnown(walk, row, flags, at, value, next);
  }
  return next;
}

/** Nothing after this can be trusted to be an attribute (RFC 7606 §4). */
function overrun(walk: Walk, at: number): number {
  const { bytes, end, faults } = walk;
  const code = at + 1 < end ? (bytes[at + 1] as number) : 0;
  const notification = Notification.of('attribute length error', bytes.slice(at, end));
  faults.push({ code, kind: 'overrun', treatment: 'treat-as-withdraw', notification });
  return end;
}

/** The first one counts, except where prefixes would be lost with the second (RFC 7606 §3 g). */
function duplicate(walk: Walk, code: number): void {
  const mp = code === attributeCode.mpReach || code === attributeCode.mpUnreach;
  walk.faults.push({
    code,
    kind: 'duplicate',
    treatment: mp ? 'session-reset' : 'attribute-discard',
    notification: Notification.of('malformed attribute list'),
  });
}

/**
 * RFC 4271 §6.3, §9: well-known ones must be known; optional ones are passed on when transitive, else dropped without
 * a word.
 */
function readUnknown(walk: Walk, code: number, flags: number, at: number, value: number, next: number): void {
  if ((flags & FLAG_OPTIONAL) === 0) {
    const notification = Notification.of('unrecognized well-known attribute', walk.bytes.slice(at, next));
    walk.faults.push({ code, kind: 'unrecognized', treatment: 'session-reset', notification });
  } else if ((flags & FLAG_TRANSITIVE) !== 0)
    walk.unknown.push({
      code,
      flags: (flags & ~FLAG_EXTENDED_LENGTH) | FLAG_PARTIAL,
      value: walk.bytes.slice(value, next),
    });
}

function readKnown(walk: Walk, row: AttributeRow, flags: number, at: number, value: number, next: number): void {
  const { bytes, cx, into } = walk;
  const fault = (kind: AttributeFaultKind, treatment: AttributeFault['treatment']) =>
    walk.faults.push({ code: row.code, kind, treatment, notification: complaint(row, kind, bytes.slice(at, next)) });
  if (row.internalOnly && !cx.internal) {
    fault('not expected', 'attribute-discard');
    return;
  }
  const flagged = (flags & (FLAG_OPTIONAL | FLAG_TRANSITIVE)) !== row.flags;
  // RFC 7606 §3 c. Prefixes are still wanted, so that they can be withdrawn.
  if (flagged) fault('flags', 'treat-as-withdraw');
  if (flagged && row.malformed !== 'session-reset') return;
  const kind = row.fits(next - value, cx) ? row.decode(bytes, value, next, into, cx) : 'length';
  if (kind !== undefined) fault(kind, row.malformed);
}

/** RFC 4271 §6.3: which error, and the attribute itself as data where the section says so. */
function complaint(row: AttributeRow, kind: AttributeFaultKind, attribute: Uint8Array): Notification {
  const names: Partial<Record<AttributeFaultKind, ErrorName>> = {
    flags: 'attribute flags error',
    length: 'attribute length error',
  };
  const name = names[kind] ?? row.error;
  return name === 'malformed AS_PATH' ? Notification.of(name) : Notification.of(name, attribute);
}

/** RFC 6793 §4.2.3. Between two speakers of four octets the AS4 attributes are not expected (§4.1). */
function mergeFourOctet(into: Received, faults: AttributeFault[], cx: AttributeContext): void {
  const { as4Path, as4Aggregator, aggregator, asPath } = into;
  if (cx.fourOctetAs) {
    if (as4Path !== undefined) faults.push(unexpected(attributeCode.as4Path));
    if (as4Aggregator !== undefined) faults.push(unexpected(attributeCode.as4Aggregator));
    return;
  }
  if (aggregator !== undefined && as4Aggregator !== undefined) {
    if (aggregator.asn !== AS_TRANS) return;
    into.aggregator = as4Aggregator;
  }
  if (asPath !== undefined && as4Path !== undefined) into.asPath = AsPath.merge(asPath, as4Path);
}

function unexpected(code: number): AttributeFault {
  return {
    code,
    kind: 'not expected',
    treatment: 'attribute-discard',
    notification: Notification.of('optional attribute error'),
  };
}

/** What the attributes must be together, once there are prefixes they belong to. */
function checkWhole(into: Received, carries: Carries, cx: AttributeContext, faults: AttributeFault[]): void {
  const { mpReach, nextHop, asPath } = into;
  if (carries === 'nothing' && mpReach === undefined) return;
  const mandatory: number[] = [attributeCode.origin, attributeCode.asPath];
  if (carries === 'nlri') mandatory.push(attributeCode.nextHop);
  for (const code of mandatory) {
    const missing = !has(into, code) && !faults.some(fault => fault.code === code);
    const notification = Notification.of('missing well-known attribute', Uint8Array.of(code));
    if (missing) faults.push({ code, kind: 'missing', treatment: 'treat-as-withdraw', notification });
  }
  const withdraw = (code: number, kind: AttributeFaultKind, error: ErrorName) =>
    faults.push({ code, kind, treatment: 'treat-as-withdraw', notification: Notification.of(error) });
  if (carries === 'nlri' && nextHop !== undefined && !NextHop.isUsable(nextHop))
    withdraw(attributeCode.nextHop, 'value', 'invalid NEXT_HOP attribute');
  if (mpReach?.nextHop !== undefined && !NextHop.isUsable(mpReach.nextHop.address))
    withdraw(attributeCode.mpReach, 'value', 'optional attribute error');
  if (cx.firstAs !== undefined && asPath !== undefined && AsPath.first(asPath) !== cx.firstAs)
    withdraw(attributeCode.asPath, 'first AS', 'malformed AS_PATH');
}

function has(into: Received, code: number): boolean {
  if (code === attributeCode.origin) return into.origin !== undefined;
  return code === attributeCode.asPath ? into.asPath !== undefined : into.nextHop !== undefined;
}
