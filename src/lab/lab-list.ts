/** The labs that stand, with their nodes, for people and for programs. */
import { labNames, readLab } from './lab-state.ts';
import { type Place, placesOf } from './place.ts';
import { isPodLink } from './pods-network.ts';

export interface ListedLab {
  readonly name: string;
  readonly file: string;
  /** `partial`: on its way, or what is left of one that was killed. */
  readonly state: 'standing' | 'partial';
  readonly nodes: readonly ListedNode[];
}

export interface ListedNode {
  readonly name: string;
  readonly role: string;
  readonly image: string;
  readonly pid: number;
  /** With prefix lengths; without those of `lo`, and of a node's ends of its pods' links, which all have the same. */
  readonly addresses: readonly string[];
}

export async function listLabs(only: string | undefined): Promise<readonly ListedLab[]> {
  const names = labNames().filter(name => only === undefined || name === only);
  return await Promise.all(
    names.map(async name => {
      const state = readLab(name);
      const images = new Map(state?.topology.nodes.map(node => [node.name, node.image]));
      const places = placesOf(name).filter(place => place.about['role'] !== 'network');
      const nodes: ListedNode[] = [];
      for (const place of places)
        nodes.push({
          name: place.name,
          role: place.about['role'] ?? '',
          image: images.get(place.name) ?? '',
          pid: place.pid,
          addresses: await addressesOf(place),
        });
      const standing = state?.standing === true ? 'standing' : 'partial';
      return { name, file: state?.topology.file ?? '', state: standing, nodes };
    }),
  );
}

async function addressesOf(place: Place): Promise<readonly string[]> {
  const { stdout } = await place.run(['ip', '-o', 'addr', 'show', 'scope', 'global']);
  const rows = [...stdout.matchAll(/^[0-9]+: (\S+) +inet6? (\S+)/gm)];
  return rows.flatMap(([, link = '', address]) => (isPodLink(link) ? [] : [`${link} ${address}`]));
}

export function labTable({ name, file, state, nodes }: ListedLab): string {
  const width = Math.max(4, ...nodes.map(node => node.name.length));
  const rows = nodes.map(node =>
    `  ${node.name.padEnd(width)}  ${node.role.padEnd(13)}  ${node.addresses.join(', ')}`.trimEnd(),
  );
  return [`${name} (${state}) ${file}`.trimEnd(), ...rows, ''].join('\n');
}
