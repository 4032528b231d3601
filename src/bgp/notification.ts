/**
 * Why a session ends, as a value: the body of a NOTIFICATION (RFC 4271 §4.5, §6). The table holds every code and
 * subcode: RFC 4271 §4.5, RFC 6608 §3 (FSM), RFC 4486 §4 and RFC 8538 §3 (Cease), RFC 5492 §5 and RFC 9234 §4.2
 * (OPEN), RFC 7313 §5 (ROUTE-REFRESH), RFC 9687 §3 (send hold timer), RFC 9384 §3 (BFD down).
 */

export interface Notification {
  readonly code: number;
  readonly subcode: number;
  readonly data: Uint8Array;
}

/** Error codes, by number. */
const groups: Readonly<Record<number, string>> = {
  1: 'message header error',
  2: 'OPEN message error',
  3: 'UPDATE message error',
  4: 'hold timer expired',
  5: 'finite state machine error',
  6: 'cease',
  7: 'ROUTE-REFRESH message error',
  8: 'send hold timer expired',
};

/** Every error this speaker sends or can name: its code and subcode. */
const errorCodes = {
  'connection not synchronized': [1, 1],
  'bad message length': [1, 2],
  'bad message type': [1, 3],
  'unspecific OPEN error': [2, 0],
  'unsupported version number': [2, 1],
  'bad peer AS': [2, 2],
  'bad BGP identifier': [2, 3],
  'unsupported optional parameter': [2, 4],
  'authentication failure': [2, 5],
  'unacceptable hold time': [2, 6],
  'unsupported capability': [2, 7],
  'role mismatch': [2, 11],
  'malformed attribute list': [3, 1],
  'unrecognized well-known attribute': [3, 2],
  'missing well-known attribute': [3, 3],
  'attribute flags error': [3, 4],
  'attribute length error': [3, 5],
  'invalid ORIGIN attribute': [3, 6],
  'AS routing loop': [3, 7],
  'invalid NEXT_HOP attribute': [3, 8],
  'optional attribute error': [3, 9],
  'invalid network field': [3, 10],
  'malformed AS_PATH': [3, 11],
  'hold timer expired': [4, 0],
  'unspecific state machine error': [5, 0],
  'unexpected message in OpenSent': [5, 1],
  'unexpected message in OpenConfirm': [5, 2],
  'unexpected message in Established': [5, 3],
  'maximum number of prefixes reached': [6, 1],
  'administrative shutdown': [6, 2],
  'peer de-configured': [6, 3],
  'administrative reset': [6, 4],
  'connection rejected': [6, 5],
  'other configuration change': [6, 6],
  'connection collision resolution': [6, 7],
  'out of resources': [6, 8],
  'hard reset': [6, 9],
  'BFD down': [6, 10],
  'invalid message length': [7, 1],
  'send hold timer expired': [8, 0],
} as const satisfies Record<string, readonly [code: number, subcode: number]>;

export type ErrorName = keyof typeof errorCodes;

const nothing = new Uint8Array(0);

export const Notification = {
  /** Every error that has a name. */
  names: Object.keys(errorCodes) as readonly ErrorName[],

  of(name: ErrorName, data: Uint8Array = nothing): Notification {
    const [code, subcode] = errorCodes[name];
    return { code, subcode, data };
  },

  /** Undefined for a code or subcode that the table does not have. */
  nameOf(notification: Notification): ErrorName | undefined {
    const { code, subcode } = notification;
    return Notification.names.find(name => errorCodes[name][0] === code && errorCodes[name][1] === subcode);
  },

  is(notification: Notification, name: ErrorName): boolean {
    const [code, subcode] = errorCodes[name];
    return notification.code === code && notification.subcode === subcode;
  },

  /** In words, for people: `cease: administrative shutdown`, `OPEN message error: subcode 99`, `code 77, subcode 1`. */
  format(notification: Notification): string {
    const { code, subcode } = notification;
    const group = groups[code];
    if (group === undefined) return `code ${code}, subcode ${subcode}`;
    const name = Notification.nameOf(notification);
    if (name === group || (name === undefined && subcode === 0)) return group;
    return `${group}: ${name ?? `subcode ${subcode}`}`;
  },
};
