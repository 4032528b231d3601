/**
 * Assembler for the part of eBPF (RFC 9669) that Herald's program is written in: lines with mnemonics, registers and
 * labels in, the octets of the instructions out. For little-endian machines, as Linux runs on x64 and arm64.
 */

export type Register = 'r0' | 'r1' | 'r2' | 'r3' | 'r4' | 'r5' | 'r6' | 'r7' | 'r8' | 'r9' | 'r10';

/** What the words after a mnemonic are. `source` is a register or an immediate, which is one bit of the opcode. */
const forms = {
  arithmetic: ['to', 'source'],
  branch: ['to', 'source', 'label'],
  /** Into a register from memory at base + offset. */
  load: ['to', 'from', 'offset'],
  /** To memory at base + offset from a register. */
  store: ['to', 'offset', 'from'],
  /** To memory at base + offset, a constant. */
  set: ['to', 'offset', 'immediate'],
  jump: ['label'],
  call: ['immediate'],
  exit: [],
  wide: ['to', 'wide'],
  map: ['to', 'fd'],
} as const;

/** Opcode (RFC 9669 §3 to §5) and form by mnemonic; `b`, `h`, `w`, `dw` are 1, 2, 4 and 8 octets. */
const mnemonics = {
  add: [0x07, 'arithmetic'],
  or: [0x47, 'arithmetic'],
  and: [0x57, 'arithmetic'],
  lsh: [0x67, 'arithmetic'],
  rsh: [0x77, 'arithmetic'],
  xor: [0xa7, 'arithmetic'],
  mov: [0xb7, 'arithmetic'],
  jeq: [0x15, 'branch'],
  jgt: [0x25, 'branch'],
  jge: [0x35, 'branch'],
  jset: [0x45, 'branch'],
  jne: [0x55, 'branch'],
  jlt: [0xa5, 'branch'],
  // On the lower 32 bits: where 64 are compared, an immediate is extended by its sign.
  jeq32: [0x16, 'branch'],
  jne32: [0x56, 'branch'],
  ldxb: [0x71, 'load'],
  ldxh: [0x69, 'load'],
  ldxw: [0x61, 'load'],
  ldxdw: [0x79, 'load'],
  stxb: [0x73, 'store'],
  stxh: [0x6b, 'store'],
  stxw: [0x63, 'store'],
  stxdw: [0x7b, 'store'],
  // Adds to 8 octets of memory, atomically.
  xadd: [0xdb, 'store'],
  stb: [0x72, 'set'],
  sth: [0x6a, 'set'],
  stw: [0x62, 'set'],
  stdw: [0x7a, 'set'],
  ja: [0x05, 'jump'],
  call: [0x85, 'call'],
  exit: [0x95, 'exit'],
  // A constant of 64 bits, and the map that has a descriptor: both take two instructions.
  lddw: [0x18, 'wide'],
  ldmap: [0x18, 'map'],
} as const satisfies Record<string, readonly [opcode: number, form: keyof typeof forms]>;

const SOURCE_REGISTER = 0x08;
/** In place of a source register: the wide immediate is a descriptor of a map. */
const PSEUDO_MAP_FD = 1;

interface Operands {
  to: Register;
  from: Register;
  source: Register | number;
  label: string;
  offset: number;
  immediate: number;
  wide: bigint;
  fd: number;
}

type Words<F extends readonly (keyof Operands)[]> = { readonly [I in keyof F]: Operands[F[I]] };
type Mnemonic = keyof typeof mnemonics;

/** `'label:'`, or a mnemonic and its words: `['jne', 'r2', 6, 'pass']`. */
export type Line =
  | `${string}:`
  | { [M in Mnemonic]: readonly [M, ...Words<(typeof forms)[(typeof mnemonics)[M][1]]>] }[Mnemonic];

/** Octets for PROG_LOAD. Throws for a label that is missing or there twice. */
export function assemble(lines: readonly Line[]): Uint8Array {
  const labels = new Map<string, number>();
  let count = 0;
  for (const line of lines) {
    if (typeof line !== 'string') count += isWide(line[0]) ? 2 : 1;
    else if (labels.has(line)) throw new Error(`label ${line} is there twice`);
    else labels.set(line, count);
  }
  const bytes = new Uint8Array(count * 8);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const line of lines) {
    if (typeof line === 'string') continue;
    put(new DataView(bytes.buffer, at * 8), line, label => {
      const place = labels.get(`${label}:`);
      if (place === undefined) throw new Error(`no label ${label}`);
      return place - at - 1;
    });
    at += isWide(line[0]) ? 2 : 1;
  }
  return new Uint8Array(view.buffer);
}

function isWide(mnemonic: Mnemonic): boolean {
  return mnemonics[mnemonic][0] === 0x18;
}

/** struct bpf_insn { u8 opcode; u8 to:4, from:4; s16 offset; s32 immediate }. */
function put(view: DataView, line: Exclude<Line, string>, distance: (label: string) => number): void {
  const [mnemonic, ...words] = line;
  const [opcode, form] = mnemonics[mnemonic];
  const operands = Object.fromEntries(forms[form].map((name, i) => [name, words[i]])) as Partial<Operands>;
  const { to = 'r0', source, label, offset = 0, immediate = 0, wide, fd } = operands;
  const from = operands.from ?? (typeof source === 'string' ? source : undefined);
  view.setUint8(0, typeof source === 'string' ? opcode | SOURCE_REGISTER : opcode);
  view.setUint8(1, numberOf(to) | ((fd === undefined ? numberOf(from ?? 'r0') : PSEUDO_MAP_FD) << 4));
  view.setInt16(2, label === undefined ? offset : distance(label), true);
  view.setInt32(4, typeof source === 'number' ? source : (fd ?? immediate), true);
  if (wide === undefined) return;
  view.setInt32(4, Number(BigInt.asIntN(32, wide)), true);
  view.setInt32(12, Number(BigInt.asIntN(32, wide >> 32n)), true);
}

function numberOf(register: Register): number {
  return Number(register.slice(1));
}
