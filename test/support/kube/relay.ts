/**
 * `node relay.ts FROM TO`: passes connections on, each end a port on 127.0.0.1 or the path of a unix socket. These
 * are the same in every network namespace: two relays make a port of one namespace answer in another.
 */
import { chmodSync } from 'node:fs';
import { connect, createServer, type NetConnectOpts } from 'node:net';

const [from = '', to = ''] = process.argv.slice(2);

createServer({ allowHalfOpen: true, noDelay: true }, near => {
  const far = connect({ ...endpoint(to), allowHalfOpen: true });
  near.pipe(far).pipe(near);
  near.once('error', () => far.destroy());
  far.once('error', () => near.destroy());
}).listen(endpoint(from), () => {
  if (from.startsWith('/')) chmodSync(from, 0o666);
});

function endpoint(text: string): NetConnectOpts & { host?: string } {
  return text.startsWith('/') ? { path: text } : { host: '127.0.0.1', port: Number(text) };
}
