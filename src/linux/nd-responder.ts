/**
 * Answers ARP requests and neighbour solicitations on this host: a thread with packet sockets that knows every form,
 * and where the kernel lets us a program inside it that answers the common ones first. Both go by the same rows and the
 * same deadlines. What the program has answered never reaches the sockets, so nothing is answered twice.
 */

import type { OwnedRow, Deadlines as ResponderDeadlines, Wire } from '../l2/address-table.ts';
import { AddressTable, type RowStatus, TableFullError } from '../l2/address-table.ts';
import { solicitedNode } from '../l2/ndp.ts';
import type { Heard } from '../l2/responder.ts';
import { IpAddress } from '../net/ip.ts';
import type {
  Responder,
  ResponderEvents,
  ResponderHealth,
  ResponderLink,
  ResponderLinkStatus,
  ResponderRowStatus,
  ResponderStatus,
} from '../runtime/responder.ts';
import { BlockingWorker, workerEntry } from './blocking-worker.ts';
import type { PinPlaces } from './bpf-filesystem.ts';
import { KernelConflicts } from './kernel-conflicts.ts';
import { type Libc, loadLibc } from './libc.ts';
import { NdLinks } from './nd-links.ts';
import { type FromNd, type NdWork, ndCounts, type ToNd } from './nd-messages.ts';
import { SolicitedGroups } from './solicited-groups.ts';
import { type TcxCounter, TcxDatapath, TcxUnavailable } from './tcx.ts';
import { TcxRemains } from './tcx-pins.ts';

/** `auto`: in the kernel where it lets us; `ebpf`: there or not at all; `socket`: never there. */
export type DatapathChoice = 'auto' | 'ebpf' | 'socket';

export interface NdOptions {
  readonly datapath: DatapathChoice;
  /** Where the in-kernel path is pinned. */
  readonly places: PinPlaces;
}

export class NdResponder implements Responder {
  readonly #events: ResponderEvents;
  readonly #tcx: TcxDatapath | undefined;
  /** What a former process left in the kernel, where this one does without. */
  #remains: TcxRemains | undefined;
  #note: string | undefined;
  readonly #worker: BlockingWorker<ToNd, FromNd>;
  readonly #counts = new Float64Array(new SharedArrayBuffer(ndCounts.length * 8));
  readonly #sockets: NdLinks;
  readonly #groups: SolicitedGroups;
  readonly #conflicts: KernelConflicts;
  #table = AddressTable.make();
  #links: readonly ResponderLink[] = [];
  /** Per link why the in-kernel path is not on it. */
  #refusals: ReadonlyMap<number, string> = new Map();
  #rows: readonly OwnedRow[] = [];
  /** Rows in `hold` that were given up, by `keyOf`: until they are something else, they are only listened for. */
  readonly #yielded = new Set<string>();

  /** Throws TcxUnavailable when the choice is `ebpf` and cannot be. */
  static async open({ datapath, places }: NdOptions, events: ResponderEvents): Promise<NdResponder> {
    const libc = await loadLibc();
    const [tcx, note] = datapath === 'socket' ? [] : await openTcx(places, datapath);
    const remains = tcx === undefined ? await TcxRemains.find(places) : undefined;
    return new NdResponder(libc, tcx, remains, note, events);
  }

  private constructor(
    libc: Libc,
    tcx: TcxDatapath | undefined,
    remains: TcxRemains | undefined,
    note: string | undefined,
    events: ResponderEvents,
  ) {
    this.#tcx = tcx;
    this.#remains = remains;
    this.#note = note;
    this.#events = events;
    const work: NdWork = {
      table: sharedMemory(this.#table),
      counts: this.#counts.buffer,
      rowsFd: tcx?.rowsFd,
    };
    this.#worker = new BlockingWorker(libc, workerEntry('nd-worker', import.meta.url), work, {
      message: message => this.#hear(message),
      // Nothing of the world's gets here: whoever supervises the process starts it again.
      failed: error => {
        throw error;
      },
    });
    this.#sockets = new NdLinks(libc, message => this.#worker.post(message), events.changed);
    this.#groups = new SolicitedGroups(libc);
    this.#conflicts = new KernelConflicts(libc, () => libc.boottimeMs());
  }

  links(all: readonly ResponderLink[]): void {
    this.#links = all;
    this.#sockets.set(all);
    this.#refusals = this.#tcx?.links(all) ?? new Map();
    this.#conflicts.links(all);
    this.#tendGroups();
  }

  own(rows: readonly OwnedRow[]): void {
    this.#rows = rows;
    this.#fill(rows);
    const held = new Set(rows.filter(row => row.mode === 'hold').map(keyOf));
    for (const key of this.#yielded) if (!held.has(key)) this.#yielded.delete(key);
    this.#program();
    this.#endRemains();
    this.#tendGroups();
    this.#conflicts.own(rows);
  }

  deadlines(deadlines: ResponderDeadlines): void {
    this.#table.setDeadlines(deadlines);
    this.#tcx?.deadlines(deadlines);
  }

  cap(sessionMs: number): void {
    this.#tcx?.cap(sessionMs);
    // Its deadline is nothing that this process can write.
    this.#endRemains();
  }

  send(link: number, frame: Uint8Array): void {
    if (this.#sockets.send(link, frame) !== 0) this.#counts[0] = (this.#counts[0] ?? 0) + 1;
  }

  wires(): readonly Wire[] {
    return this.#links.map(({ index }) => this.#table.wire(index));
  }

  health(): ResponderHealth {
    return {
      links: this.#links.map(link => this.#linkStatus(link)),
      rows: this.#table
        .status()
        .filter(({ yielded }) => !yielded)
        .map(({ row }) => row),
    };
  }

  status(): ResponderStatus {
    const inKernel = new Map((this.#tcx?.counters() ?? []).map(counter => [keyOf(counter), counter]));
    const drops = Object.fromEntries(this.#table.counters().drops);
    const more = { 'send-failed': this.#counts[0] ?? 0, 'queue-full': this.#sockets.queueFull() };
    for (const [name, count] of Object.entries(more)) if (count > 0) drops[name] = count;
    const links = this.#links.map(link => this.#linkStatus(link));
    const answering = new Set(links.filter(each => each.datapath !== undefined).map(each => each.link));
    return {
      links,
      rows: this.#table
        .status()
        .filter(({ row, yielded }) => !yielded && row.mode !== 'listen' && answering.has(row.link))
        .map(status => rowStatus(status, inKernel.get(keyOf(status.row)))),
      drops,
      contradictions: this.#conflicts.find(),
      note: this.#note,
    };
  }

  async close({ keep }: { readonly keep: boolean }): Promise<void> {
    this.#groups.close();
    this.#conflicts.close();
    this.#sockets.close();
    await this.#worker.close();
    await this.#tcx?.close({ keep });
    if (!keep) this.#endRemains();
  }

  #fill(rows: readonly OwnedRow[]): void {
    try {
      this.#table.replaceAll(rows);
    } catch (error) {
      if (!(error instanceof TableFullError)) throw error;
      const larger = AddressTable.make(rows.length * 2);
      larger.setDeadlines(this.#table.deadlines);
      larger.replaceAll(rows);
      // Until the thread has the new one it answers nothing rather than something that is no longer owned.
      this.#table.setDeadlines({ sessionMs: 0, holdMs: 0 });
      this.#table = larger;
      this.#worker.post({ about: 'table', table: sharedMemory(larger) });
    }
  }

  #endRemains(): void {
    try {
      this.#remains?.end();
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      const stays = `what a former process left pinned stays: ${error.message}`;
      this.#note = this.#note === undefined ? stays : `${this.#note}; ${stays}`;
    }
    this.#remains = undefined;
  }

  #tendGroups(): void {
    const present = new Set(this.#links.map(link => link.index));
    const asked = this.#rows.filter(
      ({ address, link, mode }) => mode !== 'listen' && address.family === 'ipv6' && present.has(link),
    );
    this.#groups.set(asked.map(({ address, link }) => ({ link, group: solicitedNode(address) })));
  }

  #hear(message: FromNd): void {
    if (message.about === 'lost') {
      this.#sockets.lost(message.fd, message.why);
      return;
    }
    const { heard } = message;
    if (heard.yielded) this.#giveUp(heard);
    this.#events.heard(heard);
  }

  /** The thread has cleared the row everywhere. It stays so, unless it was owned otherwise meanwhile. */
  #giveUp(heard: Heard): void {
    const key = keyOf(heard);
    if (this.#rows.some(row => row.mode === 'hold' && keyOf(row) === key)) this.#yielded.add(key);
    this.#tcx?.yielded(heard.link, heard.address);
    this.#program();
  }

  #program(): void {
    const given = (row: OwnedRow) => this.#yielded.has(keyOf(row));
    this.#tcx?.program(this.#rows.map(row => (given(row) ? { ...row, mode: 'listen' } : row)));
  }

  #linkStatus({ index, name }: ResponderLink): ResponderLinkStatus {
    const unheard = this.#sockets.problem(index);
    const refusal = this.#refusals.get(index);
    const inKernel = this.#tcx !== undefined && refusal === undefined;
    const problems = [unheard, refusal && `in-kernel path: ${refusal}`, this.#groups.problems.get(index)];
    return {
      link: index,
      name,
      datapath: inKernel ? 'ebpf' : unheard === undefined ? 'socket' : undefined,
      problem: problems.filter(each => each !== undefined).join('; ') || undefined,
    };
  }
}

/** The path or undefined, and what there is to say about it. */
async function openTcx(
  places: PinPlaces,
  datapath: DatapathChoice,
): Promise<readonly [TcxDatapath | undefined, string | undefined]> {
  try {
    const tcx = await TcxDatapath.open(places);
    const { pins } = tcx;
    return [tcx, 'directory' in pins ? `pinned in ${pins.directory}` : `not pinned: ${pins.unpinned}`];
  } catch (error) {
    if (!(error instanceof TcxUnavailable) || datapath === 'ebpf') throw error;
    return [undefined, `no in-kernel path (${error.reason}): ${error.message}`];
  }
}

function rowStatus({ row, answers, lastAsker }: RowStatus, inKernel: TcxCounter | undefined): ResponderRowStatus {
  const last = inKernel?.last;
  const asker = last !== undefined && last.atMs >= (lastAsker?.atMs ?? 0) ? last.asker : lastAsker?.address;
  return {
    link: row.link,
    address: row.address,
    answers: answers + (inKernel?.answers ?? 0),
    lastAsker: asker === undefined || IpAddress.isUnspecified(asker) ? undefined : asker,
  };
}

function keyOf({ link, address }: { readonly link: number; readonly address: IpAddress }): string {
  return `${link} ${address.family} ${address.value}`;
}

function sharedMemory({ memory }: AddressTable): SharedArrayBuffer {
  if (memory instanceof SharedArrayBuffer) return memory;
  throw new Error('an address table that no thread can share');
}
