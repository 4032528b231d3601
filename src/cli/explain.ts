/** `herald explain service`: the whole way of a Service's address to the routers, and where it ends. */
import { desiredForNode } from '../control/desired.ts';
import { type ExplainLink, explainServiceRoutes, type ServiceExplanation } from '../control/explain.ts';
import { afterOperator } from '../control/explain-files.ts';
import { IpamControl } from '../control/ipam.ts';
import { explainService } from '../control/ipam-view.ts';
import { controlDefaults } from '../control/settings.ts';
import { ask, socketOption } from './client.ts';
import { CommandError, defineCommand, type OptionValues, outputOption, UsageError } from './command.ts';
import { fileOptions, fileSettings, readFolders } from './ipam-source.ts';
import { json, table } from './table.ts';

const options = {
  ...fileOptions,
  node: { type: 'string', value: 'NAME', about: 'with --manifests: only this node' },
  socket: socketOption,
  output: outputOption,
} as const;

export const explainServiceCommand = defineCommand({
  name: 'explain service',
  operands: 'NAMESPACE/NAME',
  count: { min: 1, max: 1 },
  about: `Follows a Service's addresses from pool to router: pool, address, policy, node, peer, what was sent and when.
At the first broken link it says why and what to change. With --manifests it says what would be, for every node.
The status is 1 when nobody is told.

  herald explain service default/web
  herald explain service default/web --manifests /etc/herald/manifests`,
  options,
  async run({ args: [path = ''], options: chosen, streams }) {
    const [namespace = '', name = '', ...rest] = path.split('/');
    if (namespace === '' || name === '' || rest.length > 0)
      throw new UsageError(`name the Service as NAMESPACE/NAME, not '${path}'`);
    const view =
      chosen.manifests === undefined
        ? ((await ask(chosen.socket, `/explain/service?service=${encodeURIComponent(path)}`)) as ServiceExplanation)
        : await fromFiles(chosen.manifests, chosen, namespace, name);
    if (view === undefined) throw new CommandError(`there is no Service ${path}`);
    streams.out(chosen.output === 'json' ? json(view) : explanationText(view));
    return view.reached ? 0 : 1;
  },
});

async function fromFiles(
  manifests: string,
  chosen: OptionValues<typeof options>,
  namespace: string,
  name: string,
): Promise<ServiceExplanation | undefined> {
  const settings = fileSettings(chosen);
  const ipam = new IpamControl(settings);
  const written = await readFolders(manifests, chosen.state);
  ipam.reconcile(written);
  const snapshot = afterOperator(written, ipam, controlDefaults);
  const kinds = ['Node', 'CiliumNode', 'CiliumBGPNodeConfig'] as const;
  const known = new Set(kinds.flatMap(kind => snapshot.list(kind)).map(each => each.metadata.name));
  const names = chosen.node === undefined ? [...known].sort() : [chosen.node];
  const nodes = names.map(node => desiredForNode(snapshot, node, controlDefaults));
  return explainServiceRoutes({
    snapshot,
    namespace,
    name,
    ipam: explainService(ipam, settings, namespace, name),
    nodes,
  });
}

function explanationText({ service, links, nodes }: ServiceExplanation): string {
  const rows = (all: readonly ExplainLink[]) =>
    all.flatMap(({ link, ok, text, reason, fix }) => [
      [ok ? 'ok' : 'BROKEN', link, text],
      ...(ok ? [] : [['', '', `${reason}; to mend it: ${fix}`]]),
    ]);
  const columns = ['', 'LINK', 'WHAT'];
  const parts = nodes.map(({ node, instance, links: each }) => {
    const title = instance === undefined ? `node ${node}` : `node ${node}, BGP instance ${instance}`;
    return `\n${title}\n${table(columns, rows(each))}`;
  });
  const none = nodes.length === 0 && links.every(link => link.ok) ? '\nno node is known that could announce it\n' : '';
  return `Service ${service}\n${table(columns, rows(links))}${parts.join('')}${none}`;
}
