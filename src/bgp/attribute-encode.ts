/** Path attributes → octets, in the order of their numbers (RFC 4271 §5), over the table that knows each one. */
import { Writer } from '../net/bytes.ts';
import { type AttributeContext, FLAG_EXTENDED_LENGTH, type PathAttributes, type RawAttribute } from './attribute.ts';
import { type AttributeRow, attributeRows } from './attribute-table.ts';

/**
 * Everything but MP_REACH_NLRI and MP_UNREACH_NLRI. Attributes that are not of this session (RFC 4271 §5.1.5) are the
 * policy's to leave out.
 */
export function encodeAttributes(writer: Writer, attributes: PathAttributes, cx: AttributeContext): void {
  const unknown = [...(attributes.unknown ?? [])].sort((a, b) => a.code - b.code);
  let next = 0;
  for (const row of attributeRows) {
    for (let raw = unknown[next]; raw !== undefined && raw.code < row.code; raw = unknown[++next])
      encodeRaw(writer, raw);
    if (row.present(attributes, cx)) encodeRow(writer, row, attributes, cx);
  }
  for (const raw of unknown.slice(next)) encodeRaw(writer, raw);
}

/** Flags, code and length; the value must follow. Two octets of length only when one does not do. */
export function encodeAttributeHeader(writer: Writer, flags: number, code: number, length: number): void {
  if (length > 255)
    writer
      .u8(flags | FLAG_EXTENDED_LENGTH)
      .u8(code)
      .u16(length);
  else
    writer
      .u8(flags & ~FLAG_EXTENDED_LENGTH)
      .u8(code)
      .u8(length);
}

function encodeRow(writer: Writer, row: AttributeRow, attributes: PathAttributes, cx: AttributeContext): void {
  const value = new Writer(64);
  row.encode(value, attributes, cx);
  encodeAttributeHeader(writer, row.flags, row.code, value.length);
  writer.put(value.finish());
}

function encodeRaw(writer: Writer, raw: RawAttribute): void {
  encodeAttributeHeader(writer, raw.flags, raw.code, raw.value.length);
  writer.put(raw.value);
}
