/**
 * The routers around the speaker under test, all in one process in a namespace of their own: each holds a session,
 * says a load that was built before, and counts the distinct prefixes it is told. Takes its orders over IPC. Times are
 * milliseconds of CLOCK_MONOTONIC, the same in every process.
 */
import { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { buildLoad, type LoadSpec, oneUpdate, prefixKey } from './bench-bgp-load.ts';

export interface PeerSpec {
  readonly address: string;
  readonly asn: number;
}

export type Order =
  | {
      readonly kind: 'connect';
      readonly to: string;
      readonly peers: readonly PeerSpec[];
      readonly holdSeconds: number;
      readonly keepaliveSeconds: number;
      /** Connections that may wait for their answer at once. */
      readonly inFlightMax: number;
    }
  | { readonly kind: 'build'; readonly load: LoadSpec }
  | { readonly kind: 'send'; readonly peer: number }
  | { readonly kind: 'until'; readonly peers: readonly number[]; readonly prefixes: number }
  | { readonly kind: 'close'; readonly peer: number }
  | { readonly kind: 'churn'; readonly from: number; readonly to: number; readonly load: LoadSpec }
  | { readonly kind: 'standing' };

/** The time at which it was so; what is not a time is in the other fields. */
export interface Reply {
  readonly atMs: number;
  readonly standing?: number;
  readonly latenciesMs?: readonly number[];
  readonly error?: string;
}

const RETRY_MS = 10;
/** One change a millisecond. */
const CHURN_CHANGES = 2000;
/** The last may be on its way for this long. */
const CHURN_TAIL_MS = 500;
const KEEPALIVE = Uint8Array.from([...new Array<number>(16).fill(255), 0, 19, 4]);
const shared = Buffer.allocUnsafeSlow(256 * 1024);

const nowMs = () => Number(process.hrtime.bigint()) / 1e6;

class Session {
  readonly #key: PeerSpec;
  readonly #order: Order & { kind: 'connect' };
  readonly #changed: () => void;
  /** Told of each prefix that comes and goes, while somebody wants to know. */
  watch: ((key: number) => void) | undefined;
  /** A bit for each prefix; made when the first one comes. */
  #seen: Uint8Array | undefined;
  prefixes = 0;
  up = false;
  socket = new Socket();
  #carry = Buffer.alloc(0);
  #timer: NodeJS.Timeout | undefined;
  #closing = false;
  error: string | undefined;

  constructor(key: PeerSpec, order: Order & { kind: 'connect' }, changed: () => void) {
    this.#key = key;
    this.#order = order;
    this.#changed = changed;
  }

  connect(): void {
    const options = {
      onread: { buffer: shared, callback: (length: number) => this.#read(length) },
    };
    const socket = new Socket(options as object);
    this.socket = socket;
    socket.on('error', () => {});
    socket.on('connect', () => {
      socket.setNoDelay(true);
      socket.write(openMessage(this.#key, this.#order.holdSeconds));
    });
    socket.on('end', () => {});
    socket.on('close', () => {
      if (this.#closing) return;
      if (this.up || this.error !== undefined) {
        this.error ??= 'the connection closed';
        this.#end();
      } else setTimeout(() => this.connect(), RETRY_MS);
    });
    this.#carry = Buffer.alloc(0);
    socket.connect({ host: this.#order.to, port: 179, localAddress: this.#key.address });
  }

  close(): void {
    this.#closing = true;
    this.#end();
    this.socket.destroy();
  }

  #end(): void {
    clearInterval(this.#timer);
    this.up = false;
    this.#changed();
  }

  #read(length: number): boolean {
    let bytes = shared.subarray(0, length);
    if (this.#carry.length > 0) bytes = Buffer.concat([this.#carry, bytes]);
    let at = 0;
    while (bytes.length - at >= 19) {
      const size = ((bytes[at + 16] as number) << 8) | (bytes[at + 17] as number);
      if (bytes.length - at < size) break;
      this.#message(bytes, at, at + size);
      at += size;
    }
    this.#carry = Buffer.from(bytes.subarray(at));
    this.#changed();
    return true;
  }

  #message(bytes: Uint8Array, at: number, end: number): void {
    const type = bytes[at + 18];
    if (type === 1) this.socket.write(KEEPALIVE);
    else if (type === 2) this.#update(bytes, at + 19, end);
    else if (type === 3) this.error = `NOTIFICATION ${bytes[at + 19]}/${bytes[at + 20]}`;
    else if (type === 4 && !this.up) {
      this.up = true;
      this.#timer = setInterval(() => this.socket.write(KEEPALIVE), this.#order.keepaliveSeconds * 1000);
    }
  }

  #update(bytes: Uint8Array, at: number, end: number): void {
    const withdrawnEnd = at + 2 + (((bytes[at] as number) << 8) | (bytes[at + 1] as number));
    this.#prefixes(bytes, at + 2, withdrawnEnd, false);
    const attributes = ((bytes[withdrawnEnd] as number) << 8) | (bytes[withdrawnEnd + 1] as number);
    this.#prefixes(bytes, withdrawnEnd + 2 + attributes, end, true);
  }

  #prefixes(bytes: Uint8Array, at: number, end: number, present: boolean): void {
    if (at >= end) return;
    this.#seen ??= new Uint8Array(2 ** 21);
    const seen = this.#seen;
    while (at < end) {
      const length = bytes[at++] as number;
      const octets = (length + 7) >> 3;
      let address = 0;
      for (let i = 0; i < octets; i++) address |= (bytes[at + i] as number) << (24 - 8 * i);
      at += octets;
      const key = prefixKey(address, length);
      const bit = 1 << (key & 7);
      const before = seen[key >> 3] as number;
      if (((before & bit) !== 0) === present) continue;
      seen[key >> 3] = before ^ bit;
      this.prefixes += present ? 1 : -1;
      this.watch?.(key);
    }
  }
}

/** IPv4 unicast and four-octet AS numbers, nothing else (RFC 4760, 6793). */
function openMessage({ address, asn }: PeerSpec, holdSeconds: number): Uint8Array {
  const capabilities = [1, 4, 0, 1, 0, 1, 65, 4, ...[24, 16, 8, 0].map(shift => (asn >>> shift) & 255)];
  const body = [4, 23456 >>> 8, 23456 & 255, holdSeconds >>> 8, holdSeconds & 255, ...address.split('.').map(Number)];
  const options = [2, capabilities.length, ...capabilities];
  const message = [...new Array<number>(16).fill(255), 0, 0, 1, ...body, options.length, ...options];
  message[17] = message.length;
  return Uint8Array.from(message);
}

const sessions: Session[] = [];
let load: Uint8Array = new Uint8Array(0);
let wait: (() => void) | undefined;

/** Resolves when `holds`, asked whenever something was read; rejects when a session that is needed has ended. */
function until(holds: () => boolean, needed: readonly Session[]): Promise<void> {
  return new Promise((resolve, reject) => {
    wait = () => {
      const lost = needed.find(session => session.error !== undefined);
      if (!holds() && lost === undefined) return;
      wait = undefined;
      if (lost === undefined) resolve();
      else reject(new Error(lost.error));
    };
    wait();
  });
}

async function connectAll(order: Order & { kind: 'connect' }): Promise<void> {
  const added = order.peers.map(peer => new Session(peer, order, () => wait?.()));
  sessions.push(...added);
  let next = 0;
  await until(() => {
    const up = added.slice(0, next).filter(session => session.up).length;
    while (next < added.length && next - up < order.inFlightMax) added[next++]?.connect();
    return up === added.length;
  }, added);
}

/** One /24 a millisecond, announced and then withdrawn; how long each took to arrive at the other end. */
async function churn({ from, to, load: spec }: Order & { kind: 'churn' }): Promise<number[]> {
  const [source, sink] = [sessions[from], sessions[to]];
  if (source === undefined || sink === undefined) throw new Error('no such peer');
  const base = 223 << 24;
  const sentMs = new Float64Array(CHURN_CHANGES);
  const latencies: number[] = [];
  sink.watch = key => {
    const change = (key - (base >>> 8)) * 2;
    // A prefix's withdrawal is the odd change behind its announcement.
    const which = (sentMs[change + 1] as number) > 0 ? change + 1 : change;
    latencies.push(nowMs() - (sentMs[which] as number));
  };
  let sent = 0;
  const timer = setInterval(() => {
    if (sent === CHURN_CHANGES) return;
    const update = oneUpdate(spec, base + ((sent >> 1) << 8), 24, (sent & 1) === 1);
    sentMs[sent++] = nowMs();
    source.socket.write(update);
  }, 1);
  // Not all arrive: an announcement and its withdrawal that wait together are nothing.
  while (sent < CHURN_CHANGES && source.up && sink.up) await delay(10);
  clearInterval(timer);
  await delay(CHURN_TAIL_MS);
  sink.watch = undefined;
  return latencies;
}

async function obey(order: Order): Promise<Omit<Reply, 'atMs'>> {
  switch (order.kind) {
    case 'connect':
      await connectAll(order);
      return {};
    case 'build':
      load = buildLoad(order.load);
      return {};
    case 'send':
      sessions[order.peer]?.socket.write(load);
      return {};
    case 'until': {
      const those = order.peers.flatMap(i => sessions[i] ?? []);
      await until(() => those.every(session => session.prefixes === order.prefixes), those);
      return {};
    }
    case 'close':
      sessions[order.peer]?.close();
      return {};
    case 'churn':
      return { latenciesMs: await churn(order) };
    case 'standing':
      return { standing: sessions.filter(session => session.up).length };
  }
}

process.on('message', (order: Order) => {
  const startMs = nowMs();
  obey(order).then(
    // What is sent takes time to hand over: its time is when that began.
    reply => process.send?.({ ...reply, atMs: order.kind === 'send' || order.kind === 'close' ? startMs : nowMs() }),
    (error: Error) => process.send?.({ atMs: nowMs(), error: error.message }),
  );
});
process.on('disconnect', () => process.exit());
