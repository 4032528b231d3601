/** How many messages of each type went each way, and how often the session stood and fell. */
import { HEADER_OCTETS, type MessageName, messageTypes } from './message.ts';

export type MessageCounts = Record<MessageName, number>;

const none = (): MessageCounts => ({ open: 0, update: 0, notification: 0, keepalive: 0, routeRefresh: 0 });
const names = Object.keys(messageTypes) as MessageName[];

export class PeerCounters {
  readonly received = none();
  readonly sent = none();
  /** Times Established was reached, and left. */
  established = 0;
  dropped = 0;

  /** Counts whole messages that stand one after the other. */
  countSent(bytes: Uint8Array, end: number): void {
    for (let at = 0; at + HEADER_OCTETS <= end; at += ((bytes[at + 16] as number) << 8) | (bytes[at + 17] as number)) {
      const name = names[(bytes[at + 18] as number) - 1];
      if (name !== undefined) this.sent[name]++;
    }
  }
}
