/**
 * Conditions that say what is wrong with an object. One that tells of an error appears when there is one, goes False
 * when it is mended, and is never written on an object that was always well (reference §1.2). Types under cilium.io are
 * Cilium's own (§1.2, §1.4); those under herald.io say what Cilium leaves to its logs.
 */
import { type Condition, type FaultCode, type ObjectMeta, ObjectRef } from '../api/object.ts';
import type { FaultyObject, Snapshot } from '../api/snapshot.ts';

/** Everything that is to be said about one object; what was said before and is not in here is taken back. */
export interface ObjectConditions {
  readonly ref: ObjectRef;
  /** By type. */
  readonly conditions: readonly Condition[];
}

/** What is wrong; undefined: nothing. */
export interface Trouble {
  readonly reason: string;
  readonly message: string;
}

interface Conditioned {
  readonly kind: string;
  readonly metadata: ObjectMeta;
  readonly status: { readonly conditions: readonly Condition[] };
}

/** True while there is trouble, False always otherwise: what Cilium's operator does on its own kinds. */
export function statedCondition(type: string, generation: number, trouble: Trouble | undefined): Condition {
  const status = trouble === undefined ? 'False' : 'True';
  const { reason, message } = trouble ?? { reason: type.slice(type.indexOf('/') + 1), message: '' };
  return { type, status, reason, message, observedGeneration: generation };
}

/** True while there is trouble, False once there was. */
export function errorCondition(type: string, object: Conditioned, trouble: Trouble | undefined): readonly Condition[] {
  const { metadata, status } = object;
  if (trouble !== undefined) return [statedCondition(type, metadata.generation, trouble)];
  if (!status.conditions.some(condition => condition.type === type)) return [];
  const resolved = { type, status: 'False', reason: 'resolved', message: '' } as const;
  return [{ ...resolved, observedGeneration: metadata.generation }];
}

/** Faults that have a condition of their own; any other error is `refused`. */
const conditionOf: Partial<Readonly<Record<FaultCode, string>>> = {
  'bad-node-selector': 'io.cilium/bad-node-selector',
  'bad-service-selector': 'io.cilium/bad-service-selector',
  'bad-interface-regex': 'io.cilium/bad-interface-regex',
};

const refused = 'herald.io/Refused';

/** The kinds whose faults are told here. Pools are the allocator's; core kinds are not ours to write on. */
const reportedKinds = [
  'CiliumBGPAdvertisement',
  'CiliumBGPClusterConfig',
  'CiliumBGPNodeConfig',
  'CiliumBGPNodeConfigOverride',
  'CiliumBGPPeerConfig',
  'CiliumBGPPeeringPolicy',
  'CiliumL2AnnouncementPolicy',
] as const;

/**
 * What parsing found: an object that was refused is in the snapshot's list of faulty ones, one that is mended in its
 * kind's.
 */
export function faultConditions(snapshot: Snapshot): readonly ObjectConditions[] {
  const kinds: readonly string[] = reportedKinds;
  const bad = snapshot.faulty.filter(
    ({ ref, faults }) => kinds.includes(ref.kind) && faults.some(fault => fault.severity === 'error'),
  );
  const badKeys = new Set(bad.map(({ ref }) => `${ref.kind} ${ref.name}`));
  const good = reportedKinds
    .flatMap((kind): readonly Conditioned[] => snapshot.list(kind))
    .filter(({ kind, metadata }) => !badKeys.has(`${kind} ${metadata.name}`));
  return [...bad.map(refusedConditions), ...good.map(mendedConditions)];
}

function refusedConditions({ ref, generation, faults }: FaultyObject): ObjectConditions {
  const byType = new Map<string, string[]>();
  for (const { severity, code, path, message } of faults) {
    if (severity !== 'error') continue;
    const type = conditionOf[code] ?? refused;
    byType.set(type, [...(byType.get(type) ?? []), `${path}: ${message}`]);
  }
  const conditions = [...byType].map(([type, messages]) =>
    statedCondition(type, generation, { reason: 'error', message: messages.join('; ') }),
  );
  return { ref, conditions };
}

function mendedConditions(object: Conditioned): ObjectConditions {
  const types = [refused, ...Object.values(conditionOf)];
  const conditions = types.flatMap(type => errorCondition(type, object, undefined));
  return { ref: { kind: object.kind, namespace: '', name: object.metadata.name }, conditions };
}

/** One entry for each object that has anything said about it, by kind and name; conditions by type. */
export function collectConditions(all: readonly ObjectConditions[]): readonly ObjectConditions[] {
  const byObject = new Map<string, ObjectConditions>();
  for (const { ref, conditions } of all) {
    const key = ObjectRef.format(ref);
    byObject.set(key, { ref, conditions: [...(byObject.get(key)?.conditions ?? []), ...conditions] });
  }
  return [...byObject]
    .filter(([, { conditions }]) => conditions.length > 0)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, { ref, conditions }]) => ({
      ref,
      conditions: [...conditions].sort((a, b) => (a.type < b.type ? -1 : 1)),
    }));
}
