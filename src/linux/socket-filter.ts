/** Classic BPF on a socket: the kernel drops what nobody here wants before it wakes anybody (linux/filter.h). */
import type { Libc } from './libc.ts';

const SOL_SOCKET = 1;
const SO_ATTACH_FILTER = 26;

/** struct sock_filter: code, jump if true, jump if false, operand. */
export type FilterStep = readonly [code: number, jt: number, jf: number, k: number];

/** Throws SystemError. */
export function attachFilter(libc: Libc, fd: number, program: readonly FilterStep[]): void {
  const code = new Uint8Array(program.length * 8);
  const view = new DataView(code.buffer);
  for (const [i, [op, jt, jf, k]] of program.entries()) {
    view.setUint16(i * 8, op, true);
    code[i * 8 + 2] = jt;
    code[i * 8 + 3] = jf;
    view.setUint32(i * 8 + 4, k, true);
  }
  const fprog = new Uint8Array(16);
  const fview = new DataView(fprog.buffer);
  fview.setUint16(0, program.length, true);
  fview.setBigUint64(8, libc.addressOf(code), true);
  libc.setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, fprog);
  // Referenced after the call, so that `code` was alive during it.
  if (code.length === 0) throw new Error('an empty filter');
}
