/** TCP without a kernel: connections between Transports of one MemoryNetwork, octets handed over in later turns. */
import type { ListenConfig } from '../../src/bgp/config.ts';
import type { Endpoint } from '../../src/bgp/speaker-effect.ts';
import { IpAddress } from '../../src/net/ip.ts';
import type {
  Accept,
  ConnectHandler,
  Outgoing,
  Stream,
  StreamHandler,
  Transport,
} from '../../src/runtime/transport.ts';

export class MemoryNetwork {
  readonly #listening = new Map<string, { readonly accept: Accept; readonly password: string | undefined }>();

  /** The transport of a host with this address. */
  host(address: string): Transport {
    const local = endpoint(address, 50_000);
    const mine = new Set<string>();
    const network = this.#listening;
    return {
      connect: (to, handler) => this.#connect(local, to, handler),
      async listen(listeners: readonly ListenConfig[], keys, accept) {
        for (const name of mine) network.delete(name);
        mine.clear();
        for (const { port } of listeners) {
          const name = nameOf(endpoint(address, port));
          mine.add(name);
          network.set(name, { accept, password: keys[0]?.password });
        }
        return [];
      },
      discover: async () => [],
      dropped: () => undefined,
      close() {
        for (const name of mine) network.delete(name);
      },
    };
  }

  #connect(local: Endpoint, { remote, transport }: Outgoing, handler: ConnectHandler): () => void {
    let given = false;
    setImmediate(() => {
      const listener = this.#listening.get(nameOf(remote));
      if (given) return;
      if (listener === undefined || listener.password !== transport.password) handler.failed('no answer');
      else join(local, remote, handler, listener.accept);
    });
    return () => {
      given = true;
    };
  }
}

function join(local: Endpoint, remote: Endpoint, handler: ConnectHandler, accept: Accept): void {
  const [near, far] = [new MemoryStream(local, remote), new MemoryStream(remote, local)];
  near.other = far;
  far.other = near;
  near.handler = handler.connected(near);
  far.handler = accept(far);
}

class MemoryStream implements Stream {
  readonly localAddresses = [];
  readonly local: Endpoint;
  readonly remote: Endpoint;
  other: MemoryStream | undefined;
  handler: StreamHandler | undefined;

  constructor(local: Endpoint, remote: Endpoint) {
    this.local = local;
    this.remote = remote;
  }

  write(bytes: Uint8Array): boolean {
    const copy = bytes.slice();
    const { other } = this;
    setImmediate(() => other?.handler?.data(copy));
    return true;
  }

  pause(): void {}
  resume(): void {}
  adopt(): void {}

  finish(last: Uint8Array | undefined): void {
    if (last !== undefined) this.write(last);
    this.handler = undefined;
    const { other } = this;
    setImmediate(() => {
      const handler = other?.handler;
      if (other !== undefined) other.handler = undefined;
      handler?.closed('the other side closed it');
    });
  }
}

function endpoint(text: string, port: number): Endpoint {
  const address = IpAddress.parse(text);
  if (address === undefined) throw new Error(`${text} is no address`);
  return { address, port };
}

function nameOf({ address, port }: Endpoint): string {
  return `${IpAddress.format(address)} ${port}`;
}

/** Lets everything happen that waits for no timer. */
export async function turns(count = 40): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise(resolve => setImmediate(resolve));
}
