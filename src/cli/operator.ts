/** `herald operator`: the part of the control plane that a cluster has one of, from the Kubernetes API. */
import { defineCommand } from './command.ts';
import { runRoles } from './run.ts';
import { runOptions } from './run-options.ts';

const { manifests, node, roles, once, output, 'restart-grace': grace, ...shared } = runOptions;
export const operatorOptions = shared;

export const operator = defineCommand({
  name: 'operator',
  about: `Gives addresses to the Services of a cluster and hands every node its BGP configuration. Reads and writes the
Kubernetes API, as the service account of its pod or by --kubeconfig. Of several only one does the work: the others
wait for its lease and take over within seconds. In a cluster it is started by what \`herald install\` prints.`,
  options: operatorOptions,
  run: context => runRoles({ ...ofOthers, ...context.options, roles: 'operator' }, context),
});

/** Options of `herald run` that this role has no use for. */
const ofOthers = {
  manifests: undefined,
  node: undefined,
  once: false,
  output: output.default,
  'restart-grace': grace.default,
};
