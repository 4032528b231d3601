/**
 * kubeadm's configuration as kind patches it (`kubeadmConfigPatches`): of it, what the kubelet is told of its node's
 * addresses and labels. kubeletExtraArgs is a mapping up to v1beta3, a list of names and values from v1beta4 on.
 */
import { IpAddress } from '../net/ip.ts';
import { openFile, type Section } from './topology-file.ts';

export interface KubeletSettings {
  /** None: the node's own of its first interface. */
  readonly nodeIps: readonly string[];
  readonly nodeLabels: Readonly<Record<string, string>>;
}

/** Patches of the cluster, then of the node; the later ones win. */
export function kubeletSettings(
  patched: readonly Section[],
  configuration: 'InitConfiguration' | 'JoinConfiguration',
): KubeletSettings {
  let settings: KubeletSettings = { nodeIps: [], nodeLabels: {} };
  for (const section of patched)
    for (const [i, patch] of section.texts('kubeadmConfigPatches').entries())
      for (const text of documents(patch.value)) {
        const { file, root } = openFile(text);
        const at = `kubeadmConfigPatches[${i}]`;
        for (const { message } of file.faults) section.fault(at, 'bad-value', `in this patch, ${message}`);
        if (root?.text('kind')?.value !== configuration) continue;
        const args = extraArgs(root);
        const ips = nodeIps(args.get('node-ip') ?? '', problem => section.fault(at, 'bad-value', problem));
        settings = {
          nodeIps: ips.length > 0 ? ips : settings.nodeIps,
          nodeLabels: { ...settings.nodeLabels, ...labels(args.get('node-labels') ?? '') },
        };
      }
  return settings;
}

function documents(text: string): readonly string[] {
  return text.split(/^---.*$/m).filter(part => part.trim() !== '');
}

function extraArgs(root: Section): ReadonlyMap<string, string> {
  const registration = root.section('nodeRegistration');
  const args = registration?.raw('kubeletExtraArgs');
  if (registration === undefined || args === undefined) return new Map();
  if (!Array.isArray(args)) return new Map(Object.entries(registration.pairs('kubeletExtraArgs')));
  const items = registration.list('kubeletExtraArgs').map(({ value, path }) => root.file.section(value, path));
  return new Map(items.map(item => [item?.text('name')?.value ?? '', item?.text('value')?.value ?? '']));
}

function nodeIps(text: string, fault: (problem: string) => void): readonly string[] {
  const parts = text.split(',').map(part => part.trim());
  return parts.flatMap(part => {
    if (part === '') return [];
    const address = IpAddress.parse(part);
    if (address === undefined) fault(`node-ip: '${part}' is no address`);
    return address === undefined ? [] : [IpAddress.format(address)];
  });
}

/** `a=b,c=d` */
function labels(text: string): Readonly<Record<string, string>> {
  const pairs = text.split(',').filter(part => part.trim() !== '');
  return Object.fromEntries(
    pairs.map(pair => [pair.replace(/=.*/s, '').trim(), pair.includes('=') ? pair.replace(/^[^=]*=/, '').trim() : '']),
  );
}
