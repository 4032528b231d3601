/** `herald mesh connect` and `herald mesh troubleshoot`: the files of other clusters, written and examined. */
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseYaml } from '../directory/yaml.ts';
import type { Finding } from '../etcd/finding.ts';
import { troubleshoot } from '../etcd/troubleshoot.ts';
import { ClusterIdentity, type ClustersMax } from '../mesh/cluster.ts';
import { PeerFile } from '../mesh/peer-file.ts';
import { systemClock } from '../runtime/clock.ts';
import { CommandError, defineCommand, durationOption, type OptionValues, outputOption, UsageError } from './command.ts';
import { clusterOptions, ownCluster } from './mesh-options.ts';
import { json, table } from './table.ts';

const ownCa = {
  type: 'string',
  value: 'FILE',
  about: 'our own cluster’s authority, to be compared with theirs; without it, that of our own file in the folder',
} as const;
const timeout = { type: 'string', default: '5s', value: 'DURATION', about: 'how long one step may take' } as const;

export const meshTroubleshoot = defineCommand({
  name: 'mesh troubleshoot',
  operands: '[CLUSTER…]',
  count: { min: 0, max: 600 },
  about: `Goes the way to each other cluster's state step by step with this node's own files: certificates, name, TCP,
TLS, etcd and its authentication, the configuration, the canary. Ends with 1 when a step fails.

  herald mesh troubleshoot --clustermesh-config /var/lib/herald/clustermesh --cluster-name west --cluster-id 1
  herald mesh troubleshoot east --clustermesh-config /var/lib/herald/clustermesh`,
  options: { ...clusterOptions, 'own-ca': ownCa, timeout, output: outputOption },
  async run({ args, options, streams }) {
    const folder = folderOf(options);
    const own = ownCluster(options);
    const names = args.length > 0 ? args : peersIn(folder, own?.name);
    if (names.length === 0) throw new CommandError(`there is no peer in ${folder}`);
    const report: { readonly cluster: string; readonly steps: readonly Finding[] }[] = [];
    for (const cluster of names) report.push({ cluster, steps: await examine(cluster, folder, options) });
    if (options.output === 'json') streams.out(json(report));
    else for (const { cluster, steps } of report) streams.out(stepsText(cluster, steps));
    return report.every(({ steps }) => steps.every(each => each.outcome !== 'failed')) ? 0 : 1;
  },
});

export const meshConnect = defineCommand({
  name: 'mesh connect',
  operands: 'CLUSTER ENDPOINT…',
  count: { min: 2, max: 16 },
  about: `Writes the file of another cluster from the access data its people gave you, after going all the way there:
name, IDs and certificates are checked first, and nothing is written when one of them is wrong. Their server must have
its certificate from the authority given; where the two clusters have different authorities, it is said what each needs.

  herald mesh connect east https://east.example.org:2379 --ca ca.crt --cert remote.crt --key remote.key \\
    --cluster-name west --cluster-id 1 --clustermesh-config /var/lib/herald/clustermesh`,
  options: {
    ...clusterOptions,
    ca: { type: 'string', value: 'FILE', about: 'certificate of the authority that issued the other side’s' },
    cert: { type: 'string', value: 'FILE', about: 'our certificate for the other cluster' },
    key: { type: 'string', value: 'FILE', about: 'its key' },
    'own-ca': ownCa,
    timeout,
  },
  async run({ args, options, streams }) {
    const [cluster = '', ...endpoints] = args;
    const folder = folderOf(options);
    const own = ownCluster(options);
    if (own === undefined || own.id === 0) throw new UsageError('who are we? --cluster-name and --cluster-id');
    if (cluster === own.name) throw new UsageError(`${cluster} is this cluster’s own name`);
    const fault = ClusterIdentity.nameFault(cluster);
    if (fault !== undefined) throw new UsageError(`cluster name '${cluster}' ${fault}`);
    const path = (file: string | undefined) => (file === undefined ? undefined : resolve(file));
    const written = {
      endpoints,
      'trusted-ca-file': path(options.ca),
      'cert-file': path(options.cert),
      'key-file': path(options.key),
    };
    const file = PeerFile.read(written);
    if (typeof file === 'string') throw new UsageError(file);
    const steps = await examineFile(cluster, file, options);
    streams.out(stepsText(cluster, steps));
    // Its writer may still be at work: that is no reason not to be connected when it has done.
    const wrong = steps.filter(each => each.outcome === 'failed' && !each.step.startsWith('cilium/synced/'));
    if (wrong.length > 0) throw new CommandError('nothing was written');
    save(folder, cluster, PeerFile.write(file));
    streams.out(`wrote ${join(folder, cluster)}\n`);
    return 0;
  },
});

type Chosen = OptionValues<typeof clusterOptions> & {
  readonly timeout: string;
  readonly 'own-ca': string | undefined;
};

async function examine(cluster: string, folder: string, options: Chosen): Promise<readonly Finding[]> {
  const path = join(folder, cluster);
  try {
    const file = PeerFile.read(parseYaml(readFileSync(path, 'utf8')));
    if (typeof file === 'string') return [{ step: path, outcome: 'failed', detail: file }];
    const found: Finding = { step: path, outcome: 'ok', detail: file.endpoints.join(', ') };
    return [found, ...(await examineFile(cluster, file, options))];
  } catch (error) {
    return [{ step: path, outcome: 'failed', detail: error instanceof Error ? error.message : String(error) }];
  }
}

async function examineFile(cluster: string, access: PeerFile, options: Chosen): Promise<readonly Finding[]> {
  const own = ownCluster(options);
  const clustersMax: ClustersMax = options['max-connected-clusters'] === '511' ? 511 : 255;
  const timeoutMs = durationOption('timeout', options.timeout);
  const findings: Finding[] = [];
  const ownCaFile = options['own-ca'] ?? (own && cluster !== own.name ? ownFile(options, own.name)?.caFile : undefined);
  const examined = { cluster, access, own, ownCaFile, clustersMax, timeoutMs, clock: systemClock };
  for await (const finding of troubleshoot(examined)) findings.push(finding);
  return findings;
}

/** As Cilium has it, the folder may hold a file of our own cluster too. */
function ownFile(options: Chosen, name: string): PeerFile | undefined {
  try {
    const file = PeerFile.read(parseYaml(readFileSync(join(folderOf(options), name), 'utf8')));
    return typeof file === 'string' ? undefined : file;
  } catch {
    return undefined;
  }
}

function folderOf(options: OptionValues<typeof clusterOptions>): string {
  const folder = options['clustermesh-config'];
  if (folder === undefined) throw new UsageError('which folder? name it with --clustermesh-config');
  return folder;
}

function peersIn(folder: string, own: string | undefined): readonly string[] {
  const isPeer = (name: string) => {
    try {
      return PeerFile.isOne(readFileSync(join(folder, name), 'utf8'));
    } catch {
      return false;
    }
  };
  try {
    return readdirSync(folder)
      .filter(name => !name.startsWith('.') && name !== own && isPeer(name))
      .sort();
  } catch (error) {
    throw new CommandError(error instanceof Error ? error.message : String(error));
  }
}

function save(folder: string, cluster: string, text: string): void {
  mkdirSync(folder, { recursive: true });
  // A name with a dot in front is no peer's: what is half written is never read.
  const temporary = join(folder, `.${cluster}.new`);
  writeFileSync(temporary, text, { mode: 0o600 });
  renameSync(temporary, join(folder, cluster));
}

function stepsText(cluster: string, steps: readonly Finding[]): string {
  return `${cluster}\n${table(
    ['STEP', 'OUTCOME', 'DETAIL'],
    steps.map(each => [each.step, each.outcome, each.detail]),
  )}\n`;
}
