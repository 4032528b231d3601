/**
 * The in-kernel responder's program on a bench of its own: loaded for real, with maps of its own, and run on single
 * frames by bpf(BPF_PROG_TEST_RUN), attached to nothing. To it they come in by the loopback device of this namespace.
 */
import koffi from 'koffi';
import { assemble } from '../../src/linux/bpf-assembler.ts';
import { type Bpf, isDenied, loadBpf } from '../../src/linux/bpf-syscall.ts';
import { type Maps, mapShapes } from '../../src/linux/tcx-maps.ts';
import { tcxProgram } from '../../src/linux/tcx-program.ts';

/** What the loopback device has, so that a frame to it is for this host. */
export const benchMac = '00:00:00:00:00:00';
export const benchLink = 1;

const PROG_TEST_RUN = 10;
const TC_ACT_REDIRECT = 7;
const TCX_NEXT = -1;

export interface Outcome {
  /** `passed`: left to the next program, the sockets and the stack; `sent`: redirected out of the link. */
  readonly verdict: 'passed' | 'sent';
  readonly frame: Uint8Array;
}

export interface TcxBench {
  readonly bpf: Bpf;
  readonly maps: Maps;
  run(frame: Uint8Array): Outcome;
  /** Mean nanoseconds of one run, which ends where the frame would leave or be passed on. */
  time(frame: Uint8Array, repeat: number): number;
  close(): void;
}

/** Undefined when programs can be loaded here; otherwise the reason, for the line a skipped test says. */
export async function bpfMissing(): Promise<string | undefined> {
  const bpf = await loadBpf();
  if (bpf === undefined) return `unknown machine ${process.arch}`;
  try {
    bpf.close(bpf.createMap(mapShapes.rows));
    return undefined;
  } catch (error) {
    if (isDenied(error)) return 'needs CAP_BPF and CAP_NET_ADMIN';
    throw error;
  }
}

export async function tcxBench(): Promise<TcxBench> {
  const bpf = await loadBpf();
  if (bpf === undefined) throw new Error(`unknown machine ${process.arch}`);
  const { rows, deadlines, links, stations, answers } = mapShapes;
  const maps: Maps = {
    rows: bpf.createMap(rows),
    deadlines: bpf.createMap(deadlines),
    links: bpf.createMap(links),
    stations: bpf.createMap(stations),
    answers: bpf.createMap(answers),
  };
  const program = bpf.loadProgram('bench', assemble(tcxProgram(maps)));
  const syscall = koffi.load('libc.so.6').func('long syscall(long, long, void *, long)');

  const testRun = (frame: Uint8Array, repeat: number) => {
    const out = new Uint8Array(frame.length + 256);
    const attribute = new DataView(new ArrayBuffer(80));
    attribute.setUint32(0, program, true);
    attribute.setUint32(8, frame.length, true);
    attribute.setUint32(12, out.length, true);
    attribute.setBigUint64(16, koffi.address(frame), true);
    attribute.setBigUint64(24, koffi.address(out), true);
    attribute.setUint32(32, repeat, true);
    const result = Number(syscall(process.arch === 'x64' ? 321 : 280, PROG_TEST_RUN, attribute, 80));
    if (result < 0) throw new Error(`BPF_PROG_TEST_RUN: errno ${koffi.errno()}`);
    const verdict = attribute.getInt32(4, true);
    if (verdict !== TCX_NEXT && verdict !== TC_ACT_REDIRECT) throw new Error(`verdict ${verdict}`);
    return {
      outcome: {
        verdict: verdict === TCX_NEXT ? ('passed' as const) : ('sent' as const),
        frame: out.subarray(0, attribute.getUint32(12, true)),
      },
      ns: attribute.getUint32(36, true),
    };
  };
  return {
    bpf,
    maps,
    run: frame => testRun(frame, 1).outcome,
    time: (frame, repeat) => testRun(frame, repeat).ns,
    close() {
      for (const fd of [program, ...Object.values(maps)]) bpf.close(fd);
    },
  };
}
