/** Two ends of one connection within this process, each a stream as TCP's are: for rehearsals. */
import type { Endpoint } from '../bgp/speaker-effect.ts';
import type { Accept } from '../runtime/transport.ts';
import type { Libc } from './libc.ts';
import { handleOf, socketOf, TcpStream } from './tcp-stream.ts';

const AF_UNIX = 1;
/** SOCK_STREAM, not blocking, closed on exec. */
const TYPE = 1 | 0x800 | 0x80000;

/** `near` and `far` take one end each, which say that they are at these addresses. Throws SystemError. */
export function connectPair(libc: Libc, ends: Record<'near' | 'far', Endpoint>, near: Accept, far: Accept): void {
  const [a, b] = libc.socketpair(AF_UNIX, TYPE);
  open(libc, a, { local: ends.near, remote: ends.far }, near);
  open(libc, b, { local: ends.far, remote: ends.near }, far);
}

function open(libc: Libc, fd: number, ends: { local: Endpoint; remote: Endpoint }, accept: Accept): void {
  const socket = socketOf(handleOf(fd), () => stream);
  const stream = new TcpStream(socket, libc, { ...ends, hops: false });
  stream.attach(accept(stream));
}
