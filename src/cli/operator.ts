/** `herald operator`: the part of the control plane that a cluster has one of, from the Kubernetes API. */
import { defineCommand } from './command.ts';
import { runRoles } from './run.ts';
import { runOptions } from './run-options.ts';

const { manifests, node, roles, once, output, 'restart-grace': grace, ...more } = runOptions;
const {
  'l2-lease-duration': duration,
  'l2-lease-renew-deadline': deadline,
  'l2-lease-retry-period': retry,
  'l2-store-loss': loss,
  'l2-datapath': datapath,
  'garp-interval': garp,
  ...shared
} = more;
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
  'l2-lease-duration': duration.default,
  'l2-lease-renew-deadline': deadline.default,
  'l2-lease-retry-period': retry.default,
  'l2-store-loss': loss.default,
  'l2-datapath': datapath.default,
  'garp-interval': garp.default,
};
