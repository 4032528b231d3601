/**
 * The objects as they will be once the operator has spoken: addresses in the Services, a CiliumBGPNodeConfig for every
 * node.
 */
import type { Kinds } from '../api/kinds.ts';
import { parseObject } from '../api/parse.ts';
import { type Snapshot, SnapshotBuilder } from '../api/snapshot.ts';
import { ClusterControl } from './desired.ts';
import type { IpamControl } from './ipam.ts';
import { nodeConfigObject } from './node-config-object.ts';
import type { ControlSettings } from './settings.ts';

/** `ipam` has reconciled this snapshot. */
export function afterOperator(snapshot: Snapshot, ipam: IpamControl, settings: ControlSettings): Snapshot {
  const builder = new SnapshotBuilder();
  for (const kind of snapshot.kinds()) copyKind(builder, snapshot, kind);
  for (const { service, claim, allocation } of ipam.all()) {
    if (claim === undefined) continue;
    builder.put('Service', { ...service, status: { ...service.status, ingress: allocation.addresses } });
  }
  for (const config of new ClusterControl(settings).desired(snapshot).nodeConfigs) {
    const parsed = parseObject(nodeConfigObject(config));
    if (parsed.outcome === 'known' && parsed.object.kind === 'CiliumBGPNodeConfig')
      builder.put('CiliumBGPNodeConfig', parsed.object);
  }
  for (const faulty of snapshot.faulty) builder.fault(faulty);
  return builder.snapshot();
}

function copyKind<K extends keyof Kinds>(builder: SnapshotBuilder, snapshot: Snapshot, kind: K): void {
  for (const object of snapshot.list(kind)) builder.put(kind, object);
}
