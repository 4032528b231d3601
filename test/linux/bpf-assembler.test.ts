/** Lines of the assembler and the octets they have by RFC 9669 §3: opcode, registers, offset, immediate. */
import { describe, expect, it } from 'vitest';
import { assemble, type Line } from '../../src/linux/bpf-assembler.ts';

function hex(lines: readonly Line[]): string {
  return Buffer.from(assemble(lines)).toString('hex');
}

const cases: readonly (readonly [line: Line, octets: string, section: string])[] = [
  [['mov', 'r1', 'r10'], 'bfa1000000000000', '§4.1 a register'],
  [['mov', 'r0', -1], 'b7000000ffffffff', '§4.1 an immediate, extended by its sign'],
  [['add', 'r2', -94], '07020000a2ffffff', '§4.1'],
  [['or', 'r2', 'r3'], '4f32000000000000', '§4.1'],
  [['and', 'r2', 0xffff], '57020000ffff0000', '§4.1'],
  [['lsh', 'r3', 16], '6703000010000000', '§4.1'],
  [['rsh', 'r0', 16], '7700000010000000', '§4.1'],
  [['xor', 'r2', 0xffff], 'a7020000ffff0000', '§4.1'],
  [['ldxb', 'r2', 'r10', -88], '71a2a8ff00000000', '§5.2 1 octet'],
  [['ldxh', 'r2', 'r10', -82], '69a2aeff00000000', '§5.2 2 octets'],
  [['ldxw', 'r2', 'r6', 16], '6162100000000000', '§5.2 4 octets'],
  [['ldxdw', 'r8', 'r0', 0], '7908000000000000', '§5.2 8 octets'],
  [['stxb', 'r10', -1, 'r1'], '731affff00000000', '§5.2'],
  [['stxh', 'r10', -2, 'r1'], '6b1afeff00000000', '§5.2'],
  [['stxw', 'r10', -4, 'r1'], '631afcff00000000', '§5.2'],
  [['stxdw', 'r10', -8, 'r1'], '7b1af8ff00000000', '§5.2'],
  [['stb', 'r10', -1, 7], '720affff07000000', '§5.2'],
  [['sth', 'r10', -2, 7], '6a0afeff07000000', '§5.2'],
  [['stw', 'r10', -4, -65_536], '620afcff0000ffff', '§5.2'],
  [['stdw', 'r10', -8, 0], '7a0af8ff00000000', '§5.2'],
  [['xadd', 'r0', 8, 'r1'], 'db10080000000000', '§5.3 atomic'],
  [['call', 125], '850000007d000000', '§4.3 a helper'],
  [['exit'], '9500000000000000', '§4.3'],
  [['lddw', 'r3', 0x0100_0406_0008_0100n], '18030000000108000000000006040001', '§5.4 two instructions'],
  [['ldmap', 'r1', 9], '18110000090000000000000000000000', '§5.4.1 a map'],
];

describe('assemble', () => {
  for (const [line, octets, section] of cases)
    it(`${typeof line === 'string' ? line : line.join(' ')} is ${octets} (RFC 9669 ${section})`, () => {
      expect(hex([line])).toBe(octets);
    });

  it('counts jumps in instructions from the one after, forth and back, a wide one as two (RFC 9669 §4.3)', () => {
    expect(
      hex(['top:', ['jeq', 'r2', 6, 'end'], ['lddw', 'r1', 1n], ['jne', 'r2', 'r3', 'top'], 'end:', ['ja', 'top']]),
    ).toBe(['1502030006000000', '18010000010000000000000000000000', '5d32fcff00000000', '0500fbff00000000'].join(''));
  });

  it('compares 32 bits where the mnemonic says so (RFC 9669 §4.3)', () => {
    expect(hex([['jne32', 'r2', -1, 'next'], 'next:', ['exit']])).toBe('56020000ffffffff9500000000000000');
  });

  it('wants each label once', () => {
    expect(() => assemble([['ja', 'nowhere']])).toThrow('no label nowhere');
    expect(() => assemble(['here:', 'here:'])).toThrow('here: is there twice');
  });
});
