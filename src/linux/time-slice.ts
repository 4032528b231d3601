/**
 * How long a thread runs in one go among the others: sched_setattr(2), whose sched_runtime is that for ordinary
 * threads from Linux 6.12 on; before, it is ignored. A thread with a short slice gets no more of the machine than
 * before, but is let in at once when it wakes, instead of when a neighbour has had its slice of some milliseconds.
 */
import { getPriority } from 'node:os';

/** sched_setattr(2)'s own number; not every libc has a name for it. */
const numbers: Partial<Record<string, number>> = { x64: 314, arm64: 274 };
/** struct sched_attr { u32 size, policy; u64 flags; s32 nice; u32 priority; u64 runtime, deadline, period } */
const attributeBytes = 48;
const at = { size: 0, flags: 8, nice: 16, runtime: 24 };
const keepPolicy = 8n;
/** The least there is. */
const shortestNs = 100_000n;

/** For the calling thread and those it starts from now on. Whether the kernel took it. */
export async function takeShortTurns(): Promise<boolean> {
  const number = numbers[process.arch];
  if (number === undefined) return false;
  const { default: koffi } = await import('koffi');
  const setAttribute = koffi.load('libc.so.6').func('long syscall(long, int, const void *, unsigned int)');
  const attribute = new DataView(new ArrayBuffer(attributeBytes));
  attribute.setUint32(at.size, attributeBytes, true);
  attribute.setBigUint64(at.flags, keepPolicy, true);
  attribute.setInt32(at.nice, getPriority(), true);
  attribute.setBigUint64(at.runtime, shortestNs, true);
  return Number(setAttribute(number, 0, attribute, 0)) === 0;
}
