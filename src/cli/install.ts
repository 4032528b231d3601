/** `herald install`: everything a cluster needs to run Herald, as one stream for kubectl. */
import { crds } from '../api/crd.ts';
import type { RawObject } from '../api/object.ts';
import { toYaml } from '../directory/yaml.ts';
import { defineCommand } from './command.ts';
import { meshAliases } from './install-mesh.ts';
import { accessObjects } from './install-roles.ts';
import { type InstallSettings, installKeys, installSettings } from './install-settings.ts';
import { agentObjects, labelsOf, operatorObjects } from './install-workloads.ts';

const keyLines = [
  ...Object.entries(installKeys).map(
    ([name, key]) => `  ${name.padEnd(22)}${key.about}${key.default === '' ? '' : ` (${key.default})`}`,
  ),
  ...Object.entries(meshAliases).map(([name, { about }]) => `  ${name.padEnd(22)}${about}`),
];

export const install = defineCommand({
  name: 'install',
  about: [
    'Prints what a cluster needs to run Herald: CustomResourceDefinitions, service accounts with the least roles that',
    'do, the operator (Deployment, two replicas, of which one leads) and the agent (DaemonSet on the hosts’ network).',
    'Printing again and applying again changes nothing.',
    '',
    '  herald install | kubectl apply -f -',
    '  herald install --namespace herald --create-namespace --set image=registry.example/herald:1 | kubectl apply -f -',
    '',
    '--set takes these, and every option of `herald operator` and `herald agent`: for both roles where both have it',
    '(log-level=debug), for one with its name before it (agent.listen=:9879).',
    '',
    ...keyLines,
  ].join('\n'),
  options: {
    namespace: { type: 'string', default: 'kube-system', value: 'NAME', about: 'where all of it lives' },
    'create-namespace': { type: 'boolean', about: 'print the namespace as well' },
    set: { type: 'string', multiple: true, value: 'KEY=VALUE', about: 'changes a setting' },
  },
  run: async ({ options, streams }) => {
    const settings = installSettings(options.namespace, options['create-namespace'], options.set);
    streams.out(
      installObjects(settings)
        .map(each => `---\n${toYaml(each)}`)
        .join(''),
    );
    return 0;
  },
});

/** In the order they have to be made. */
function installObjects(settings: InstallSettings): readonly RawObject[] {
  return [
    ...(settings.createNamespace ? [namespaceObject(settings.namespace)] : []),
    // Kinds that Cilium defines and Herald only reads are left out: where they are of use they are there already.
    ...(settings.keys.crds === 'true' ? crds().filter(crd => crd.owner === 'herald') : []).map(crd => crd.object),
    ...(['operator', 'agent'] as const).flatMap(role => accessObjects(role, settings, labelsOf(role))),
    ...operatorObjects(settings),
    ...agentObjects(settings),
  ];
}

/** The agents are on the hosts' network, which only the most lenient of the pod security standards allows. */
function namespaceObject(name: string): RawObject {
  const labels = { 'pod-security.kubernetes.io/enforce': 'privileged' };
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } };
}
