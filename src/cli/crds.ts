/** `herald crds`: the CustomResourceDefinitions, as one stream for kubectl or one file each for a repository. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crds as definitions } from '../api/crd.ts';
import { toYaml } from '../directory/yaml.ts';
import { CommandError, defineCommand } from './command.ts';

interface CrdFile {
  /** `ciliumloadbalancerippools.yaml`. */
  readonly file: string;
  readonly text: string;
}

/** Ours; with `all` also those of the kinds that Cilium defines and Herald only reads. */
function crdFiles(all = false): readonly CrdFile[] {
  return definitions()
    .filter(crd => all || crd.owner === 'herald')
    .map(({ name, object }) => ({ file: `${name.split('.')[0]}.yaml`, text: toYaml(object) }));
}

export const crds = defineCommand({
  name: 'crds',
  about: [
    'Prints the CustomResourceDefinitions of the kinds that Herald defines, as one stream of YAML documents.',
    '',
    '  herald crds | kubectl apply --server-side -f -',
    '',
    'Kinds that Cilium defines and Herald only reads (CiliumNode, CiliumPodIPPool) are left out, because where they',
    'are of use they are there already. --all prints them too: for a test cluster without Cilium.',
  ].join('\n'),
  options: {
    write: { type: 'string', value: 'DIR', about: 'write one file for each into this folder instead' },
    all: { type: 'boolean', about: 'also the kinds of Cilium that Herald only reads' },
  },
  run: async ({ options, streams }) => {
    const files = crdFiles(options.all);
    if (options.write === undefined) {
      streams.out(files.map(each => `---\n${each.text}`).join(''));
      return 0;
    }
    await writeFiles(options.write, files);
    streams.err(`${files.length} files written to ${options.write}\n`);
    return 0;
  },
});

async function writeFiles(folder: string, files: readonly CrdFile[]): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
    for (const { file, text } of files) await writeFile(join(folder, file), text);
  } catch (error) {
    throw new CommandError(`cannot write to ${folder}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
