/** The options of `herald run` about announcements on local networks. Reference §2.15 items 5-6, L30. */
import { clampLeaseTimes, leaseTimesDefault } from '../control/l2-times.ts';
import type { OwnershipTimes } from '../l2/ownership-event.ts';
import { durationOption, type Options, type OptionValues } from './command.ts';

const datapaths = ['auto', 'ebpf', 'socket'] as const;
const losses = ['hold', 'silent'] as const;

export const l2Options = {
  'l2-lease-duration': {
    type: 'string',
    alias: 'l2-announcements-lease-duration',
    default: `${leaseTimesDefault.durationMs / 1000}s`,
    value: 'DURATION',
    about: 'how long other nodes wait for a node that is silent before they take its addresses; 1s at least',
  },
  'l2-lease-renew-deadline': {
    type: 'string',
    alias: 'l2-announcements-lease-renew-deadline',
    default: `${leaseTimesDefault.renewMs / 1000}s`,
    value: 'DURATION',
    about: 'how often each node that may answer says that it is there: nodes divided by this are requests a second',
  },
  'l2-lease-retry-period': {
    type: 'string',
    alias: 'l2-announcements-lease-retry-period',
    default: `${leaseTimesDefault.retryMs}ms`,
    value: 'DURATION',
    about: 'how soon it says so again when that failed',
  },
  'l2-store-loss': {
    type: 'string',
    oneOf: losses,
    default: 'hold',
    value: 'WHAT',
    about: 'when the store is out of reach: hold addresses until another station speaks for them, or fall silent',
  },
  'l2-datapath': {
    type: 'string',
    oneOf: datapaths,
    default: 'auto',
    value: 'PATH',
    about: 'who answers: a program in the kernel, a thread with packet sockets, or the kernel where it can',
  },
  'garp-interval': {
    type: 'string',
    default: '60s',
    value: 'DURATION',
    about: 'how often an owned address is announced unasked after the first seconds; 0s: not at all',
  },
} as const satisfies Options;

export interface L2Choices {
  readonly times: OwnershipTimes;
  readonly storeLoss: (typeof losses)[number];
  readonly datapath: (typeof datapaths)[number];
  readonly garpIntervalMs: number;
}

export function l2Choices(options: OptionValues<typeof l2Options>): L2Choices {
  const duration = (name: keyof typeof l2Options) => durationOption(name, options[name]);
  const { durationMs, renewMs, retryMs } = clampLeaseTimes({
    durationMs: duration('l2-lease-duration'),
    renewMs: duration('l2-lease-renew-deadline'),
    retryMs: duration('l2-lease-retry-period'),
  });
  return {
    times: { sessionMs: durationMs, renewMs, retryMs },
    storeLoss: losses.find(each => each === options['l2-store-loss']) ?? 'hold',
    datapath: datapaths.find(each => each === options['l2-datapath']) ?? 'auto',
    garpIntervalMs: duration('garp-interval'),
  };
}
