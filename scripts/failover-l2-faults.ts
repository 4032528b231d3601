/** What is done to the node that owns addresses, and how it is undone: a table. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Lab, LabNode } from './failover-l2-lab.ts';
import { nodeObject, sliceObject } from './failover-l2-objects.ts';

export interface Fault {
  readonly name: string;
  readonly about: string;
  /** Options of every node while it is tried. */
  readonly words?: readonly string[];
  /** Whether somebody else is to answer while it lasts. `never`: it stays; `dark`: nobody can. */
  readonly moves: 'yes' | 'never' | 'dark';
  /** How long it lasts at least; `long`: as long as the caller says. */
  readonly lastsMs?: number | 'long';
  /** Every node is a victim: what is measured is all addresses. */
  readonly everywhere?: true;
  readonly begin: (lab: Lab, victim: LabNode) => void | Promise<void>;
  readonly undo: (lab: Lab, victim: LabNode) => void | Promise<void>;
}

const nobody = () => {};
const start = (_: Lab, victim: LabNode) => victim.start();
const nodes = (lab: Lab, change: (name: string) => Parameters<typeof nodeObject>[1]) =>
  lab.apply('nodes', ...lab.nodes.map(({ name }) => nodeObject(name, change(name))));
const endpoints = (lab: Lab, but?: string) =>
  lab.apply(
    'slices',
    sliceObject(
      'd',
      lab.nodes.map(({ name }) => name).filter(name => name !== but),
    ),
  );

export const faults: readonly Fault[] = [
  {
    name: 'stop',
    about: 'SIGTERM, and started again later',
    moves: 'yes',
    begin: (_, victim) => victim.signal('SIGTERM'),
    async undo(lab, victim) {
      await victim.ended();
      start(lab, victim);
    },
  },
  {
    name: 'drain',
    about: 'the node is cordoned, and uncordoned',
    moves: 'yes',
    begin: (lab, victim) => nodes(lab, name => ({ cordoned: name === victim.name })),
    undo: lab => nodes(lab, () => ({})),
  },
  {
    name: 'policy',
    about: 'the policy no longer selects the node, and selects it again',
    moves: 'yes',
    begin: (lab, victim) => nodes(lab, name => ({ labels: name === victim.name ? { rack: 'b' } : {} })),
    undo: lab => nodes(lab, () => ({})),
  },
  {
    name: 'endpoint',
    about: 'the last local endpoint of a Service with externalTrafficPolicy Local leaves the node, and comes back',
    moves: 'yes',
    begin: (lab, victim) => endpoints(lab, victim.name),
    undo: lab => endpoints(lab),
  },
  {
    name: 'link',
    about: 'the link goes down, and up',
    moves: 'yes',
    begin: (_, victim) => victim.link('down'),
    undo: (_, victim) => victim.link('up'),
  },
  {
    name: 'kill',
    about: 'kill -9, and started again after somebody else answers',
    moves: 'yes',
    begin: (_, victim) => victim.signal('SIGKILL'),
    undo: start,
  },
  {
    name: 'kill-restart',
    about: 'kill -9, and started again at once',
    moves: 'never',
    async begin(lab, victim) {
      victim.signal('SIGKILL');
      await victim.ended();
      start(lab, victim);
    },
    undo: nobody,
  },
  {
    name: 'upgrade',
    about: 'SIGTERM under --restart-grace 15s, and started again as soon as it ended',
    words: ['--restart-grace', '15s'],
    moves: 'never',
    async begin(_, victim) {
      victim.signal('SIGTERM');
      await victim.ended();
      victim.start('--restart-grace', '15s');
    },
    undo: nobody,
  },
  {
    name: 'freeze',
    about: 'SIGSTOP, and SIGCONT after somebody else answers',
    moves: 'yes',
    begin: (_, victim) => victim.freeze(),
    undo: (_, victim) => victim.signal('SIGCONT'),
  },
  {
    name: 'clock',
    about: 'the clock of the node is set 30 s ahead, and right again',
    moves: 'never',
    // Longer than a session.
    lastsMs: 4000,
    begin: (_, victim) => victim.stepClock(),
    undo: (_, victim) => victim.stepClock(),
  },
  {
    name: 'clock-kill',
    about: 'kill -9 of a node whose clock is 30 s ahead, and started again with a clock that is 30 s behind',
    moves: 'yes',
    async begin(_, victim) {
      victim.stepClock();
      await delay(1500);
      victim.signal('SIGKILL');
    },
    undo(lab, victim) {
      victim.clockMs = -30_000;
      start(lab, victim);
    },
  },
  {
    name: 'power',
    about: 'kill -9 and nothing of the node on the network any more, and all of it back',
    moves: 'yes',
    begin(_, victim) {
      victim.lan('gone');
      victim.signal('SIGKILL');
    },
    undo(lab, victim) {
      victim.lan('there');
      start(lab, victim);
    },
  },
  {
    name: 'isolated',
    about: 'the node reaches neither the network nor the store, and does again',
    moves: 'yes',
    async begin(_, victim) {
      victim.lan('gone');
      await victim.store('gone');
    },
    async undo(_, victim) {
      victim.lan('there');
      await victim.store('there');
    },
  },
  {
    name: 'store-owner',
    about: 'the owner alone does not reach the store, and does again',
    moves: 'yes',
    begin: (_, victim) => victim.store('gone'),
    undo: (_, victim) => victim.store('there'),
  },
  {
    name: 'store-all',
    about: 'nobody reaches the store for a minute, and all do again',
    moves: 'never',
    lastsMs: 'long',
    everywhere: true,
    begin: lab => each(lab, node => node.store('gone')),
    undo: lab => each(lab, node => node.store('there')),
  },
  {
    name: 'network',
    about: 'no node reaches another or the store for a minute, and all do again',
    moves: 'dark',
    lastsMs: 'long',
    everywhere: true,
    begin: lab =>
      each(lab, node => {
        node.lan('gone');
        return node.store('gone');
      }),
    // As it happens: not everything at the same moment.
    async undo(lab) {
      for (const node of lab.nodes) {
        node.lan('there');
        await delay(100);
        await node.store('there');
      }
    },
  },
];

async function each(lab: Lab, act: (node: LabNode) => Promise<void>): Promise<void> {
  for (const node of lab.nodes) await act(node);
}
