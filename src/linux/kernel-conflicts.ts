/**
 * What this host's kernel does beside the responder: it answers ARP for any address the host has, on whichever link
 * the question came by (arp_ignore 0), speaks for them in questions of its own (arp_announce 0), and refuses neighbour
 * solicitations for addresses it does not have. All three are put right where that can be done, and named where not.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import type { OwnedRow } from '../l2/address-table.ts';
import { IpAddress } from '../net/ip.ts';
import type { Contradiction, ResponderLink } from '../runtime/responder.ts';
import { type Libc, SystemError } from './libc.ts';
import { LocalAddresses } from './local-addresses.ts';
import { SolicitationFilter } from './solicitation-filter.ts';

/** Least values, per link; the kernel goes by the higher of the link's own and that of `all` (ip-sysctl.rst). */
const knobs = [
  { name: 'arp_ignore', least: 1, otherwise: 'answers ARP for addresses of every other link' },
  { name: 'arp_announce', least: 2, otherwise: 'may ask ARP questions in the name of any address' },
] as const;

/** A filter that could not be had is tried again no sooner. */
const RETRY_MS = 30_000;
/** The host's addresses are looked at no more often. */
const LOOK_EVERY_MS = 5000;

export class KernelConflicts {
  readonly #libc: Libc;
  readonly #nowMs: () => number;
  #links = new Map<number, ResponderLink>();
  #rows: readonly OwnedRow[] = [];
  /** Per link and knob what could not be set. */
  #stubborn: readonly { readonly link: number; readonly contradiction: Contradiction }[] = [];
  #filter: SolicitationFilter | undefined;
  #filterProblem: string | undefined;
  #filterTriedMs = Number.NEGATIVE_INFINITY;
  #local: LocalAddresses | undefined;
  #lookedMs = Number.NEGATIVE_INFINITY;

  constructor(libc: Libc, nowMs: () => number) {
    this.#libc = libc;
    this.#nowMs = nowMs;
  }

  /** Links that are answered on. Their settings stay as they were made when they are no longer in the set. */
  links(all: readonly ResponderLink[]): void {
    this.#links = new Map(all.map(link => [link.index, link]));
    this.#stubborn = all.flatMap(({ index, name }) =>
      knobs.flatMap(knob => {
        const message = setKnob(name, knob);
        return message === undefined ? [] : [{ link: index, contradiction: { name: 'arp-ignore', message } }];
      }),
    );
  }

  own(rows: readonly OwnedRow[]): void {
    this.#rows = rows;
    this.#lookedMs = Number.NEGATIVE_INFINITY;
    this.#tendFilter();
  }

  /** As things stand now; asks the kernel no more often than every few seconds. */
  find(): readonly Contradiction[] {
    if (this.#filterProblem !== undefined) this.#tendFilter();
    const found = this.#stubborn.map(each => each.contradiction);
    if (this.#filterProblem !== undefined)
      found.push({
        name: 'icmpv6-unreachable',
        message:
          'unicast neighbour solicitations for owned addresses are also refused by the kernel: ' +
          `no filter in nf_tables (${this.#filterProblem})`,
      });
    return [...found, ...this.#boundLocally()];
  }

  close(): void {
    this.#filter?.close();
    this.#filter = undefined;
  }

  #tendFilter(): void {
    const solicited = this.#rows
      .filter(({ address, mode }) => address.family === 'ipv6' && mode !== 'listen')
      .map(({ address }) => address);
    if (this.#filter === undefined) {
      if (solicited.length === 0) return;
      if (this.#nowMs() - this.#filterTriedMs < RETRY_MS) return;
      this.#filterTriedMs = this.#nowMs();
    }
    try {
      this.#filter ??= new SolicitationFilter(this.#libc, `herald-l2-${Math.random().toString(36).slice(2, 10)}`);
      this.#filter.set(solicited);
      this.#filterProblem = undefined;
    } catch (error) {
      this.#filter?.close();
      this.#filter = undefined;
      this.#filterProblem = (error as Error).message;
    }
  }

  /** Owned addresses for which the kernel answers too: IPv4 by arp_ignore, IPv6 only those of the very link. */
  #boundLocally(): readonly Contradiction[] {
    if (this.#rows.length === 0) return [];
    if (this.#nowMs() - this.#lookedMs >= LOOK_EVERY_MS) {
      this.#look();
    }
    const loose = new Set(this.#stubborn.map(each => each.link));
    const found = new Map<string, Contradiction>();
    for (const { address, link } of this.#rows)
      for (const holder of this.#local?.linksOf(address) ?? []) {
        if (holder.index !== link && (address.family === 'ipv6' || !loose.has(link))) continue;
        const text = IpAddress.format(address);
        const asked = this.#links.get(link)?.name ?? 'its link';
        found.set(`${text} ${holder.name}`, {
          name: 'bound-locally',
          message:
            `${text} is an address of ${holder.name}: the kernel answers for it on ${asked}, whoever owns it; ` +
            advice(holder.name),
        });
      }
    return [...found.values()];
  }

  #look(): void {
    this.#lookedMs = this.#nowMs();
    try {
      this.#local = LocalAddresses.read(this.#libc);
    } catch (error) {
      // Without netlink there is nothing to be said.
      if (!(error instanceof SystemError)) throw error;
      this.#local = undefined;
    }
  }
}

function advice(device: string): string {
  return device === 'kube-ipvs0' ? "set kube-proxy's ipvs.strictARP" : 'take it off that device';
}

/** Why it could not be made strict enough; undefined when it is. */
function setKnob(link: string, { name, least, otherwise }: (typeof knobs)[number]): string | undefined {
  const path = (of: string) => `/proc/sys/net/ipv4/conf/${of}/${name}`;
  try {
    if (Math.max(read(path('all')), read(path(link))) >= least) return undefined;
    writeFileSync(path(link), `${least}\n`);
    return undefined;
  } catch (error) {
    // A link that is gone needs no setting.
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    const setting = `net.ipv4.conf.${link}.${name}`;
    return `on ${link} the kernel ${otherwise}: ${setting} has to be ${least} and cannot be set (${code})`;
  }
}

function read(path: string): number {
  return Number(readFileSync(path, 'latin1'));
}
