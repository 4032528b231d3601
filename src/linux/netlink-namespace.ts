/** Network namespaces of threads: a thread that enters one has its sockets there; the others stay where they are. */
import koffi from 'koffi';
import { SystemError } from './libc.ts';

const O_RDONLY_CLOEXEC = 0x80000;
const CLONE_NEWNET = 0x4000_0000;

/** `path` as `ip netns` makes them: `/run/netns/NAME`. Moves the calling thread. Throws SystemError. */
export function enterNamespace(path: string): void {
  const c = koffi.load('libc.so.6');
  const open = c.func('int open(const char *, int)');
  const setns = c.func('int setns(int, int)');
  const close = c.func('int close(int)');
  const fd = open(path, O_RDONLY_CLOEXEC);
  if (fd < 0) throw new SystemError(`open ${path}`, koffi.errno());
  const result = setns(fd, CLONE_NEWNET);
  const errno = koffi.errno();
  close(fd);
  if (result < 0) throw new SystemError('setns', errno);
}
