/** `herald agent`: the part of the control plane that every node has, from the Kubernetes API. */
import { defineCommand } from './command.ts';
import { runRoles } from './run.ts';
import { runOptions } from './run-options.ts';

const { manifests, roles, once, output, ...shared } = runOptions;
export const agentOptions = shared;

export const agent = defineCommand({
  name: 'agent',
  about: `Announces Services for one node, over BGP and on its local networks. Reads the Kubernetes API, as the service
account of its pod or by --kubeconfig; which node it is says --node, else NODE_NAME of the environment. In a cluster it
is started on every node by what \`herald install\` prints, with restarts that its peers hardly notice.`,
  options: agentOptions,
  run: context => runRoles({ ...ofOthers, ...context.options, roles: 'agent' }, context),
});

/** Options of `herald run` that this role has no use for. */
const ofOthers = { manifests: undefined, once: false, output: output.default };
