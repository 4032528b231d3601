/** Two ends of one connection within this process, each a stream like those of TCP: for rehearsals. */
import type { Endpoint } from '../bgp/speaker-effect.ts';
import type { Accept } from '../runtime/transport.ts';
import type { Libc } from './libc.ts';
import { socketOf, TcpStream } from './tcp-stream.ts';

const AF_UNIX = 1;
/** SOCK_STREAM, not blocking, closed on exec. */
const TYPE = 1 | 0x800 | 0x80000;

/** `near` and `far` take one end each, which say that they are at these addresses. Throws SystemError. */
export function connectPair(libc: Libc, ends: Record<'near' | 'far', Endpoint>, near: Accept, far: Accept): void {
  const [a, b] = libc.socketpair(AF_UNIX, TYPE);
  open(libc, a, { local: ends.near, remote: ends.far }, near);
  open(libc, b, { local: ends.far, remote: ends.near }, far);
}

class PairStream extends TcpStream {
  /** There is no way on which a packet could lose hops. */
  override adopt(): void {}
}

function open(libc: Libc, fd: number, ends: { local: Endpoint; remote: Endpoint }, accept: Accept): void {
  const stream: PairStream = new PairStream(
    socketOf({ fd }, () => stream),
    libc,
    ends,
  );
  stream.attach(accept(stream));
}
