/** `herald migrate peering-policy`: the objects of the second API that do what peering policies do. */
import type { CiliumBGPPeeringPolicy } from '../api/bgp-peering-policy.ts';
import type { Node } from '../api/node.ts';
import { parseObject } from '../api/parse.ts';
import { migratePolicy } from '../control/migrate.ts';
import { loadManifest } from '../directory/manifest-file.ts';
import { toYaml } from '../directory/yaml.ts';
import { CommandError, defineCommand } from './command.ts';

export const migratePeeringPolicy = defineCommand({
  name: 'migrate peering-policy',
  operands: 'FILE…',
  count: { min: 1, max: Number.POSITIVE_INFINITY },
  about: `Prints the objects of the second BGP API (cilium.io/v2) that do what the CiliumBGPPeeringPolicies of these
files do, as YAML. Annotations of Nodes in the same files become CiliumBGPNodeConfigOverrides. What does not
translate is listed as comments above the objects; the status is 0 all the same.

  herald migrate peering-policy policy.yaml > v2.yaml
  kubectl get bgpp,nodes -o yaml > old.yaml && herald migrate peering-policy old.yaml`,
  options: {},
  async run({ args, streams }) {
    const { policies, nodes } = read(args);
    if (policies.length === 0) throw new CommandError('there is no CiliumBGPPeeringPolicy in these files');
    const migrations = policies.map(policy => migratePolicy(policy, nodes));
    const notes = migrations.flatMap(each => each.notes).map(note => `# ${note}\n`);
    const objects = migrations.flatMap(each => each.objects).map(toYaml);
    streams.out(`${notes.join('')}---\n${objects.join('---\n')}`);
    return 0;
  },
});

/** CommandError when a policy or a file cannot be read. */
function read(paths: readonly string[]): { policies: readonly CiliumBGPPeeringPolicy[]; nodes: readonly Node[] } {
  const policies: CiliumBGPPeeringPolicy[] = [];
  const nodes: Node[] = [];
  for (const path of paths) {
    const { documents, fault } = loadManifest(path);
    if (fault !== undefined) throw new CommandError(`${path}: ${fault.message}; ${fault.fix}`);
    for (const { content } of documents) {
      const [bad] = content.faults;
      if (bad !== undefined) throw new CommandError(`${path}: ${bad.message}; ${bad.fix}`);
      for (const { raw } of content.items) {
        const parsed = parseObject(raw);
        if (parsed.outcome === 'known' && parsed.object.kind === 'CiliumBGPPeeringPolicy') policies.push(parsed.object);
        else if (parsed.outcome === 'known' && parsed.object.kind === 'Node') nodes.push(parsed.object);
        else if (parsed.outcome === 'refused' && parsed.ref?.kind === 'CiliumBGPPeeringPolicy') {
          const [first] = parsed.faults;
          throw new CommandError(
            `${path}: ${parsed.ref.name}: ${first?.path} ${first?.message}; \`herald check\` says more`,
          );
        }
      }
    }
  }
  return { policies, nodes };
}
