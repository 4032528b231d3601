/** Free TCP ports on the loopback address for servers that must be told one before they start. */
import { createServer } from 'node:net';

/** Below the range the kernel takes ports of outgoing connections from: nobody takes one while its server is away. */
const first = 15_000;
const count = 15_000;
const triesMax = 100;

export async function freePort(): Promise<number> {
  for (let tries = 0; tries < triesMax; tries++) {
    const port = first + Math.floor(Math.random() * count);
    if (await isFree(port)) return port;
  }
  throw new Error(`${triesMax} ports tried, none free`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
