/** Who may do what (RBAC): for each role what its table of accesses says, and nothing else. */
import type { RawObject } from '../api/object.ts';
import { type AccessRule, accessRules } from '../kube/access.ts';
import type { InstalledRole, InstallSettings } from './install-settings.ts';

const rbac = 'rbac.authorization.k8s.io';

/** The service account, a ClusterRole, and a Role for each namespace something is confined to; all bound. */
export function accessObjects(role: InstalledRole, settings: InstallSettings, labels: RawObject): readonly RawObject[] {
  const { namespace, secretsNamespace } = settings;
  const name = `herald-${role}`;
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace, labels } };
  const rules = Map.groupBy(accessRules(role, { node: '', namespace, secretsNamespace }), each => each.namespace);
  const granted = [...rules].flatMap(([confinedTo, all]) => {
    const scope = confinedTo === undefined ? 'ClusterRole' : 'Role';
    const metadata = { name, ...(confinedTo === undefined ? {} : { namespace: confinedTo }), labels };
    const subject = { kind: 'ServiceAccount', name, namespace };
    return [
      { apiVersion: `${rbac}/v1`, kind: scope, metadata, rules: policyRules(all) },
      {
        apiVersion: `${rbac}/v1`,
        kind: `${scope}Binding`,
        metadata,
        roleRef: { apiGroup: rbac, kind: scope, name },
        subjects: [subject],
      },
    ];
  });
  return [account, ...granted];
}

/** Resources of one group with the same verbs share a rule. */
function policyRules(rules: readonly AccessRule[]): readonly RawObject[] {
  const alike = Map.groupBy(rules, ({ group, verbs, names }) => `${group} ${verbs.join()} ${names?.join() ?? ''}`);
  return [...alike.values()].flatMap(same => {
    const [first] = same;
    if (first === undefined) return [];
    const { group, verbs, names } = first;
    const resourceNames = names === undefined ? {} : { resourceNames: names };
    return [{ apiGroups: [group], resources: same.map(each => each.resource), ...resourceNames, verbs }];
  });
}
