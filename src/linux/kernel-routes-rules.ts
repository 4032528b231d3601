/** The rules that have a table of ours looked up, as wanted and as they are. Of a table that others look up: none. */
import type { KernelRefusal } from '../runtime/kernel-routes.ts';
import { NetlinkWriter } from './netlink.ts';
import type { NetlinkBatch } from './netlink-batch.ts';
import type { NetlinkSocket } from './netlink-socket.ts';
import { askRules, decodeRule, type Rule, writeRule, writeRuleGone } from './rtnetlink-rules.ts';

const ENOENT = 2;

export class RoutingRules {
  readonly #socket: NetlinkSocket;
  readonly #batch: NetlinkBatch;
  readonly #protocol: number;
  readonly #writer = new NetlinkWriter(256);
  #wanted: readonly Rule[] = [];
  readonly #there = new Map<string, Rule>();
  readonly #refused = new Map<string, KernelRefusal>();

  constructor(socket: NetlinkSocket, batch: NetlinkBatch, protocol: number) {
    this.#socket = socket;
    this.#batch = batch;
    this.#protocol = protocol;
  }

  get refusals(): Iterable<KernelRefusal> {
    return this.#refused.values();
  }

  want(rules: readonly Rule[]): void {
    this.#wanted = rules;
  }

  /** Throws SystemError. */
  observe(): void {
    this.#there.clear();
    const writer = this.#writer;
    for (const family of ['ipv4', 'ipv6'] as const)
      this.#socket.dump(
        writer,
        (flags, seq) => askRules(writer, flags, seq, family),
        () => {},
        message => {
          const rule = decodeRule(message, this.#protocol);
          if (rule !== undefined) this.#there.set(keyOf(rule), rule);
        },
      );
  }

  add(): void {
    this.#refused.clear();
    for (const rule of this.#wanted) {
      const key = keyOf(rule);
      if (this.#there.has(key)) continue;
      this.#batch.add(
        (writer, seq) => writeRule(writer, seq, rule, this.#protocol),
        refused => {
          if (refused === undefined) this.#there.set(key, rule);
          else this.#refused.set(key, { what: key, reason: 'kernel', detail: refused.detail });
        },
      );
    }
    this.#batch.send();
  }

  remove(): void {
    const wanted = new Set(this.#wanted.map(keyOf));
    for (const [key, rule] of this.#there) {
      if (wanted.has(key)) continue;
      this.#batch.add(
        (writer, seq) => writeRuleGone(writer, seq, rule, this.#protocol),
        refused => {
          if (refused === undefined || refused.errno === ENOENT) this.#there.delete(key);
        },
      );
    }
    this.#batch.send();
  }
}

function keyOf({ family, priority, table }: Rule): string {
  return `${family} rule ${priority} lookup ${table}`;
}
