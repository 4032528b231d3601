/**
 * The thread `nd`: waits for ARP and neighbour discovery on packet sockets and answers from the address table in shared
 * memory, whatever the main thread is doing. The clock is read for every frame after it was received, so that a process
 * that was stopped in between answers nothing late. What other stations say of owned addresses goes to the main thread.
 */
import { AddressTable } from '../l2/address-table.ts';
import { dropCode, isHeard } from '../l2/drop.ts';
import { REPLY_OCTETS_MAX, type RespondingLink, readHeard, respond } from '../l2/responder.ts';
import { IpAddress } from '../net/ip.ts';
import { WAIT_MAX_MS, WorkerReins } from './blocking-worker.ts';
import { type Libc, loadLibc, SystemError } from './libc.ts';
import type { FromNd, NdWork, ToNd } from './nd-messages.ts';
import { Rehearsal } from './nd-rehearsal.ts';
import { LINK_ADDRESS_SIZE, PACKET_OTHERHOST, PACKET_TYPE_AT } from './packet-socket.ts';
import { rowClearer } from './tcx.ts';

/** Frames taken from one socket before the others have their turn. */
const BATCH_MAX = 64;
/** Errors in a row after which a socket is given up. */
const ERRORS_MAX = 16;
/** The same station saying the same again is told no sooner; well within the time after which silence counts. */
const REPEAT_MS = 100;
/** Different things told in one such time; the rest is counted in the table alone. */
const TOLD_MAX = 256;

type RowClearer = (link: number, address: Uint8Array) => void;

/** Ahead of what shares the core, up to so many frames in such a time: a flood has to take its turn like the others. */
const REALTIME_PRIORITY = 1;
const PACE_MS = 20;
const PACE_MAX = 1000;
/**
 * Questions come in bursts, as from all the clients of an address that moved, and waking a thread takes many times what
 * an answer takes: after one for an address of ours it looks for the next so long before it sleeps. What others ask of
 * others keeps nobody awake, so that this costs no more than such a time a question.
 */
const AWAKE_MS = 0.1;

interface Socket {
  readonly fd: number;
  link: RespondingLink;
  errors: number;
}

class Answering {
  readonly #libc: Libc;
  readonly #reins: WorkerReins<ToNd, FromNd>;
  readonly #clearRow: RowClearer | undefined;
  readonly #counts: Float64Array;
  readonly #epoll: number;
  readonly #sockets = new Map<number, Socket>();
  readonly #frame = new Uint8Array(2048);
  readonly #from = new Uint8Array(LINK_ADDRESS_SIZE);
  readonly #out = new Uint8Array(REPLY_OCTETS_MAX);
  readonly #told = new Set<string>();
  #toldSinceMs = 0;
  #awakeUntilMs = 0;
  #pacedSinceMs = 0;
  #paced = 0;
  #isFlooded = false;
  #table: AddressTable;

  constructor(libc: Libc, reins: WorkerReins<ToNd, FromNd>, clearRow: RowClearer | undefined) {
    const work = reins.data as NdWork;
    this.#libc = libc;
    this.#reins = reins;
    this.#clearRow = clearRow;
    this.#table = new AddressTable(work.table);
    this.#counts = new Float64Array(work.counts);
    this.#epoll = libc.epoll();
    libc.epollAdd(this.#epoll, reins.wakeFd);
  }

  run(): void {
    const ready = new Int32Array(64);
    const rehearsal = new Rehearsal();
    while (!this.#reins.stopped) {
      const isWaiting = rehearsal.isOver && this.#libc.boottimeMs() >= this.#awakeUntilMs;
      const count = this.#libc.epollWait(this.#epoll, ready, isWaiting ? WAIT_MAX_MS : 0);
      if (count === 0 && !rehearsal.isOver) {
        rehearsal.step();
        // A busy node makes others wait for a core; an answer must not. Without CAP_SYS_NICE it waits as well.
        if (rehearsal.isOver) this.#libc.realtime(REALTIME_PRIORITY);
      }
      for (let i = 0; i < count; i++) {
        const fd = ready[i] as number;
        const socket = this.#sockets.get(fd);
        if (socket !== undefined) this.#serve(socket);
        else if (fd === this.#reins.wakeFd) for (const message of this.#reins.messages()) this.#hearMain(message);
      }
    }
    // Sockets that were handed over in the last moment are among those to close.
    for (const message of this.#reins.messages()) this.#hearMain(message);
    for (const fd of this.#sockets.keys()) this.#libc.close(fd);
    this.#libc.close(this.#epoll);
  }

  #hearMain(message: ToNd): void {
    if (message.about === 'table') this.#table = new AddressTable(message.table);
    else if (message.about === 'forget') this.#forget(message.fd);
    else {
      const known = this.#sockets.get(message.fd);
      if (known !== undefined) known.link = message.link;
      else {
        this.#sockets.set(message.fd, { fd: message.fd, link: message.link, errors: 0 });
        this.#libc.epollAdd(this.#epoll, message.fd);
      }
    }
  }

  #forget(fd: number): void {
    if (this.#sockets.delete(fd)) this.#libc.close(fd);
  }

  #serve(socket: Socket): void {
    try {
      for (let i = 0; i < BATCH_MAX; i++) {
        const length = this.#libc.recvfrom(socket.fd, this.#frame, this.#from);
        if (length === undefined) return;
        socket.errors = 0;
        this.#answer(socket, length);
      }
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      // ENETDOWN once when the link goes down, which reading it has cleared; the socket lives on.
      if (++socket.errors < ERRORS_MAX) return;
      this.#forget(socket.fd);
      this.#reins.post({ about: 'lost', fd: socket.fd, why: error.message });
    }
  }

  #answer({ fd, link }: Socket, length: number): void {
    const table = this.#table;
    if (this.#from[PACKET_TYPE_AT] === PACKET_OTHERHOST && isOurDestination(this.#frame, link)) {
      // The kernel has taken the tag off, and left this as the only trace of it.
      table.dropped(dropCode['vlan-tagged']);
      return;
    }
    const nowMs = this.#libc.boottimeMs();
    const result = respond(table, link, this.#frame, length, nowMs, this.#out);
    if (result > 0) {
      this.#awakeUntilMs = nowMs + AWAKE_MS;
      if (this.#libc.send(fd, this.#out, result) !== 0) this.#counts[0] = (this.#counts[0] ?? 0) + 1;
    } else if (isHeard(result)) this.#tell(link, result);
    this.#pace(nowMs);
  }

  #pace(nowMs: number): void {
    this.#paced++;
    if (nowMs - this.#pacedSinceMs < PACE_MS) return;
    const isFlood = this.#paced > PACE_MAX;
    if (isFlood !== this.#isFlooded) this.#libc.realtime(isFlood ? 0 : REALTIME_PRIORITY);
    this.#isFlooded = isFlood;
    this.#pacedSinceMs = nowMs;
    this.#paced = 0;
  }

  #tell(link: RespondingLink, code: number): void {
    const heard = readHeard(link, this.#frame, code);
    if (heard.yielded) this.#clearRow?.(heard.link, IpAddress.toBytes(heard.address));
    const nowMs = this.#libc.boottimeMs();
    if (nowMs - this.#toldSinceMs >= REPEAT_MS) {
      this.#told.clear();
      this.#toldSinceMs = nowMs;
    }
    const key = `${heard.link} ${heard.address.value} ${heard.mac.value} ${heard.kind}`;
    // A row is given up once: that is always told.
    if (!heard.yielded && (this.#told.has(key) || this.#told.size >= TOLD_MAX)) return;
    this.#told.add(key);
    this.#reins.post({ about: 'heard', heard });
  }
}

/** To us or to everybody: what a switch has reason to send here. */
function isOurDestination(frame: Uint8Array, { mac }: RespondingLink): boolean {
  if (((frame[0] ?? 0) & 1) === 1) return true;
  for (let i = 0; i < 6; i++) if (frame[i] !== mac[i]) return false;
  return true;
}

const libc = await loadLibc();
const reins = new WorkerReins<ToNd, FromNd>(libc);
const { rowsFd } = reins.data as NdWork;
new Answering(libc, reins, rowsFd === undefined ? undefined : await rowClearer(rowsFd)).run();
