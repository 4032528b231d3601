/**
 * Conditions on Services whose addresses are to be announced on local networks. That nobody can answer, or that no node
 * has the subnet, follows from what all nodes see, so that every node that a policy selects says the same. That another
 * station contests an address, or that its owner could not answer, only the owner knows.
 */
import type { ObjectRef } from '../api/object.ts';
import type { Service } from '../api/service.ts';
import type { Snapshot } from '../api/snapshot.ts';
import { collectConditions, errorCondition, type ObjectConditions, type Trouble } from './conditions.ts';
import type { NodeL2Desired } from './desired.ts';
import type { L2Address } from './l2-addresses.ts';
import { type LiveReason, liveReasons, Refusal } from './reason.ts';

/** Something that is wrong with one address, found while running. */
export interface L2Trouble {
  readonly address: string;
  readonly reason: LiveReason;
  readonly detail: string;
}

const types = {
  'no-l2-candidate': 'herald.io/L2NotAnnounced',
  'subnet-nowhere': 'herald.io/L2SubnetNowhere',
  'address-contested': 'herald.io/L2Conflict',
  'responder-not-programmed': 'herald.io/L2NotProgrammed',
} as const satisfies { readonly [R in LiveReason]?: string };
type Told = keyof typeof types;

/** What every selected node says; `node` is this one. */
export function sharedL2Conditions(snapshot: Snapshot, node: string, l2: NodeL2Desired): readonly ObjectConditions[] {
  if (l2.host === undefined) return [];
  const ours = l2.all.filter(each => each.claims.some(({ policies }) => policies.some(at => at.nodes.includes(node))));
  const troubles = ours.flatMap(each => troubleOf(each, l2));
  return conditionsOf(snapshot, ours, troubles, ['no-l2-candidate', 'subnet-nowhere']);
}

/**
 * What only this node says: of what it owns whether it is contested, and of what it could not answer for, which others
 * own now, that. Two nodes that spoke of one condition of one Service would correct each other for ever.
 */
export function ownL2Conditions(
  snapshot: Snapshot,
  { all }: NodeL2Desired,
  owned: ReadonlySet<string>,
  troubles: readonly L2Trouble[],
): readonly ObjectConditions[] {
  const mine = all.filter(each => owned.has(each.text));
  const silent = troubles.filter(each => each.reason === 'responder-not-programmed');
  const lost = all.filter(each => silent.some(({ address }) => address === each.text));
  const contested = conditionsOf(snapshot, mine, troubles, ['address-contested']);
  const unprogrammed = conditionsOf(snapshot, lost, silent, ['responder-not-programmed']);
  return collectConditions([...contested, ...unprogrammed]);
}

function troubleOf(each: L2Address, { node, plan }: NodeL2Desired): readonly L2Trouble[] {
  const reach = node.reach(each);
  if (reach === undefined) return [];
  const { text: address, candidates } = each;
  if (reach.able.names.length > 0)
    return reach.subnetNowhere ? [{ address, reason: 'subnet-nowhere', detail: '' }] : [];
  const selected = each.claims.flatMap(({ policies }) => policies.flatMap(policy => policy.nodes));
  const local = each.claims.some(({ localTo }) => localTo !== undefined);
  const leaving = selected.map(name => plan.leaving.get(name)).find(reason => reason !== undefined);
  const why =
    candidates.names.length > 0 ? 'no-subnet' : local ? 'no-local-endpoint' : (leaving ?? 'node-not-selected');
  return [{ address, reason: 'no-l2-candidate', detail: Refusal.format(Refusal.of(why)) }];
}

function conditionsOf(
  snapshot: Snapshot,
  addresses: readonly L2Address[],
  troubles: readonly L2Trouble[],
  told: readonly Told[],
): readonly ObjectConditions[] {
  const byAddress = Map.groupBy(troubles, each => each.address);
  const byService = new Map<string, L2Trouble[]>();
  for (const { text, claims } of addresses)
    for (const { service } of claims)
      byService.set(service, [...(byService.get(service) ?? []), ...(byAddress.get(text) ?? [])]);
  const all = [...byService].flatMap(([key, own]): readonly ObjectConditions[] => {
    const [namespace = '', name = ''] = key.split('/');
    const service = snapshot.get('Service', namespace, name);
    if (service === undefined) return [];
    const ref: ObjectRef = { kind: 'Service', namespace, name };
    return [{ ref, conditions: told.flatMap(reason => conditionOf(service, reason, own)) }];
  });
  return collectConditions(all);
}

function conditionOf(service: Service, reason: Told, troubles: readonly L2Trouble[]) {
  const own = troubles.filter(each => each.reason === reason);
  const texts = own.map(({ address, detail }) => (detail === '' ? address : `${address} (${detail})`));
  const trouble: Trouble = { reason, message: `${liveReasons[reason].sentence}: ${[...new Set(texts)].join(', ')}` };
  return errorCondition(types[reason], service, own.length === 0 ? undefined : trouble);
}
