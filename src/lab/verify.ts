/**
 * Checks what a person would look at in a lab that stands: sessions established on both sides, routes that were sent
 * present at who they were sent to, addresses that answer wherever a way leads to them.
 */
import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { askSocket } from './agents-socket.ts';
import type { ControllerStatus } from './cluster-controller.ts';
import { LabFolder } from './cluster-facts.ts';
import { folderOf, type LabState } from './lab-state.ts';
import { placesOf } from './place.ts';
import { checkSessions, heraldSessions, routersOf } from './verify-bgp.ts';
import { addressOwners, checkAddresses } from './verify-reach.ts';
import { checkRoutes } from './verify-routes.ts';

/** One thing that was looked at. */
export interface Check {
  readonly what: 'session' | 'route' | 'address' | 'service' | 'process';
  /** Where it was looked at: a node. */
  readonly from: string;
  /** Whom or what it is about: a peer, a prefix, `http://192.0.2.1:80`. */
  readonly to: string;
  readonly ok: boolean;
  /** What was seen, in words. */
  readonly seen: string;
}

export interface Report {
  readonly checks: readonly Check[];
  readonly ok: boolean;
}

/** Between two looks, while sessions and routes are still on their way. */
const againMs = 500;

/** Looks again until all is well, or `waitMs` have passed. */
export async function verifyLab(state: LabState, waitMs = 0): Promise<Report> {
  const endMs = performance.now() + waitMs;
  for (;;) {
    const report = await look(state);
    if (report.ok || performance.now() >= endMs) return report;
    await delay(againMs);
  }
}

async function look({ topology, cluster }: LabState): Promise<Report> {
  const folder = folderOf(topology.name);
  const nodes = new Set([...topology.nodes.map(({ name }) => name), ...(cluster?.nodes ?? []).map(({ name }) => name)]);
  const places = placesOf(topology.name).filter(({ name }) => nodes.has(name));
  const gone: Check[] = [...nodes]
    .filter(name => !places.some(place => place.name === name))
    .map(name => ({ what: 'process', from: name, to: 'the place', ok: false, seen: 'it does not stand' }));
  const herald = await heraldSessions(folder, places, topology);
  const routers = await routersOf(places.filter(({ about }) => about['role'] === 'frr'));
  const owners = await addressOwners(places);
  const checks = [
    ...gone,
    ...(await checkController(folder)),
    ...herald.checks,
    ...checkSessions(herald.sessions, routers, owners),
    ...(await checkRoutes(herald.sessions, routers)),
    ...(await checkAddresses({ folder, places, owners, routers, members: herald.members })),
  ];
  return { checks, ok: checks.every(({ ok }) => ok) };
}

/** Where there is a cluster's part, its controller has nothing to complain of. */
async function checkController(folder: string): Promise<readonly Check[]> {
  if (!existsSync(LabFolder.facts(folder))) return [];
  const about = { what: 'process', from: 'cluster', to: 'the controller', ok: false } as const;
  try {
    const { problems } = (await askSocket(LabFolder.socket(folder, 'controller'), '/status')) as ControllerStatus;
    return problems.map(seen => ({ ...about, seen }));
  } catch (error) {
    return [{ ...about, seen: error instanceof Error ? error.message : String(error) }];
  }
}
