/** Tables for people: columns as wide as their widest cell, two blanks between, no lines. */

/** `rows` are in the order of `columns`; an undefined cell is left blank, an empty table is its header alone. */
export function table(columns: readonly string[], rows: readonly (readonly (string | number | undefined)[])[]): string {
  const cells = rows.map(row => columns.map((_, i) => String(row[i] ?? '')));
  const widths = columns.map((column, i) => Math.max(column.length, ...cells.map(row => row[i]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd();
  return `${[columns, ...cells].map(line).join('\n')}\n`;
}

/** JSON for programs: two blanks of indent, addresses already text, big numbers as decimal text. */
export function json(value: unknown): string {
  return `${JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? each.toString() : each), 2)}\n`;
}
