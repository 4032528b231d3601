/** `herald lab`: a topology and a cluster of this host, without containers. */
import { resolve } from 'node:path';
import {
  type Command,
  CommandError,
  type Context,
  defineCommand,
  orCommandError,
  outputOption,
  UsageError,
} from './command.ts';
import { json } from './table.ts';

const upOptions = {
  cluster: { type: 'string', value: 'FILE', about: 'the kind cluster that nodes are in (default: found beside it)' },
  kube: { type: 'boolean', about: 'objects in a real kube-apiserver, and kube-proxy in place of its stand-in' },
  manifests: { type: 'string', value: 'PATH', multiple: true, about: 'what kubectl would apply, files or folders' },
} as const;

export const labUp: Command = defineCommand({
  name: 'lab up',
  operands: 'TOPOLOGY',
  count: { min: 1, max: 1 },
  about: `Brings up a containerlab topology without containers: a network namespace for each node, with files and
processes of its own, the exec lines run as they are written, Debian's FRR where the image is FRR. Nodes of a kind
cluster have Herald's agent. The status is 0 when all stands; otherwise it is 1, and lines name what does not.

  herald lab up topology.clab.yml --cluster kind.yaml --manifests bgp.yaml --manifests service.yaml
  herald lab up topology.clab.yml --kube --manifests bgp.yaml
  herald lab exec router0 vtysh -c 'show bgp summary'
  herald lab down`,
  options: upOptions,
  run: up,
});

async function up({ args: [path = ''], options, streams, signal }: Context<typeof upOptions>): Promise<0 | 1> {
  const { readLabFiles } = await import('../lab/topology-read.ts');
  const { kubeMissing, labMissing } = await import('../lab/topology-needs.ts');
  const { claimLab, endProcesses, removeLab } = await import('../lab/lab-state.ts');
  const { value, notes, faults } = readLabFiles(path, options.cluster);
  for (const line of [...notes, ...faults]) streams.err(`${line}\n`);
  if (value === undefined) return 1;
  const missing = [...labMissing(value.topology), ...(options.kube ? kubeMissing() : [])];
  if (missing.length > 0) throw new CommandError(missing.join('; '));
  const { topology, cluster, plan } = value;
  const manifests = options.manifests.map(each => resolve(each));
  const state = await orCommandError(claimLab({ topology, cluster, manifests, kube: options.kube }));
  const { bringUp } = await import('../lab/topology-up.ts');
  // Whatever is waited for ends at once, then.
  signal.addEventListener('abort', () => endProcesses(topology.name));
  try {
    const problems = await bringUp({ state, plan, signal, say: line => streams.out(`${line}\n`) });
    for (const line of problems) streams.err(`${line}\n`);
    streams.out(`the lab ${topology.name} stands${problems.length > 0 ? ', but for what is named above' : ''}; `);
    streams.out(`enter a node: herald lab exec ${topology.nodes[0]?.name} bash\n`);
    return problems.length > 0 ? 1 : 0;
  } catch (error) {
    await removeLab(topology.name);
    if (signal.aborted) throw new CommandError(`interrupted; nothing is left of the lab ${topology.name}`);
    throw error instanceof Error ? new CommandError(`${error.message}; nothing is left of the lab`) : error;
  }
}

/** Not by `defineCommand`: what follows the node is another program's, options and all. */
export const labExec: Command = {
  name: 'lab exec',
  operands: '[--lab NAME] NODE COMMAND…',
  count: { min: 2, max: Number.POSITIVE_INFINITY },
  about: `Runs a command in a node of a lab: nothing is printed but its output, and its status is the status.

  herald lab exec router0 vtysh -c 'show bgp summary'
  herald lab exec client ping -c 1 10.0.0.1`,
  options: { lab: { type: 'string', value: 'NAME', about: 'which lab, where there are several' } },
  verbatim: true,
  async run(words) {
    const named = /^--lab(?:=(.*))?$/.exec(words[0] ?? '');
    const lab = named === null ? undefined : (named[1] ?? words[1]);
    const [node, ...command] = words.slice(named === null ? 0 : named[1] === undefined ? 2 : 1);
    if (node === undefined || command.length === 0) throw new UsageError('lab exec what? NODE COMMAND…');
    const { file, words: all, env } = await orCommandError(entryOf(lab, node, command));
    // This process becomes the command: its output, its status and its signals are its own.
    waitForReaders();
    process.execve?.(file, [file, ...all], { TERM: process.env['TERM'] ?? 'dumb', ...env });
    throw new CommandError('this Node cannot become another program');
  },
};

/**
 * Streams that Node opened do not block, and that is theirs, not the process's: a command that does not expect it would
 * lose what its reader is not quick enough for.
 */
function waitForReaders(): void {
  for (const stream of [process.stdout, process.stderr]) {
    const { _handle: handle } = stream as { readonly _handle?: { setBlocking?(on: boolean): void } };
    handle?.setBlocking?.(true);
  }
}

export const labLs: Command = defineCommand({
  name: 'lab ls',
  operands: '[NAME]',
  count: { min: 0, max: 1 },
  about: `Lists the labs that stand, and their nodes with what they are and the addresses they have.

  herald lab ls
  herald lab ls -o json`,
  options: { output: outputOption },
  async run({ args: [name], options, streams }) {
    const { listLabs, labTable } = await import('../lab/lab-list.ts');
    const labs = await listLabs(name);
    if (options.output === 'json') streams.out(json(labs));
    else for (const lab of labs) streams.out(labTable(lab));
    if (name !== undefined && labs.length === 0) throw new CommandError(`there is no lab ${name}`);
    return 0;
  },
});

export const labDown: Command = defineCommand({
  name: 'lab down',
  operands: '[NAME|TOPOLOGY]',
  count: { min: 0, max: 1 },
  about: `Ends and removes a lab: processes, namespaces and files; also what was left by one that was killed. Without a
name it is the only one.`,
  options: { all: { type: 'boolean', about: 'every lab of this host' } },
  async run({ args: [name], options, streams }) {
    const { labNames, removeLab } = await import('../lab/lab-state.ts');
    for (const each of options.all ? labNames() : [await orCommandError(labOf(name))]) {
      await removeLab(each);
      streams.out(`the lab ${each} is gone\n`);
    }
    return 0;
  },
});

export const labDraw: Command = defineCommand({
  name: 'lab draw',
  operands: 'TOPOLOGY',
  count: { min: 1, max: 1 },
  about: `Prints a topology as a drawing (SVG): nodes, links and the names of their ends.

  herald lab draw topology.clab.yml > topology.svg`,
  options: { cluster: upOptions.cluster },
  async run({ args: [path = ''], options, streams }) {
    const { readLabFiles } = await import('../lab/topology-read.ts');
    const { drawing } = await import('../lab/topology-drawing.ts');
    const { value, faults } = readLabFiles(path, options.cluster);
    for (const line of faults) streams.err(`${line}\n`);
    if (value === undefined) return 1;
    streams.out(drawing(value.topology));
    return 0;
  },
});

async function entryOf(lab: string | undefined, node: string, command: readonly string[]) {
  const { entry } = await import('../lab/lab-entry.ts');
  return entry(lab, node, command);
}

async function labOf(name: string | undefined): Promise<string> {
  const { labNamed } = await import('../lab/lab-entry.ts');
  return labNamed(name);
}
