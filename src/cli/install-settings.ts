/**
 * What `herald install --set` takes: a table of what is about the installation, and every option of the two roles, for
 * both where they share it (`log-level`), for one with its name before it (`agent.listen`).
 */
import { controlDefaults } from '../control/settings.ts';
import { agentOptions } from './agent.ts';
import { numberOption, type Options, UsageError } from './command.ts';
import { meshAliases, meshKeys, meshPresets } from './install-mesh.ts';
import { operatorOptions } from './operator.ts';
import { version } from './version.ts';

export type InstalledRole = 'operator' | 'agent';
const installedRoles = ['operator', 'agent'] as const satisfies readonly InstalledRole[];

interface Key {
  readonly default: string;
  readonly about: string;
  readonly check?: (name: string, value: string) => void;
}

const trueOrFalse = (name: string, value: string) => {
  if (value !== 'true' && value !== 'false') throw new UsageError(`--set ${name} takes true or false, not '${value}'`);
};
const quantity = (name: string, value: string) => {
  if (!/^[1-9][0-9]*(Ki|Mi|Gi|k|M|G)?$/.test(value))
    throw new UsageError(`--set ${name} takes an amount of memory such as 512Mi, not '${value}'`);
};

export const installKeys = {
  image: { default: `herald:${version()}`, about: 'the image, as the Containerfile makes it' },
  'image-pull-policy': { default: 'IfNotPresent', about: 'Always, IfNotPresent or Never' },
  crds: { default: 'true', about: 'false where somebody else keeps the CustomResourceDefinitions', check: trueOrFalse },
  'api-server': { default: '', about: 'HOST:PORT, where the API server has to be reached without kube-proxy' },
  'operator.replicas': {
    default: '2',
    about: 'of which one leads',
    check: (name, value) => void numberOption(`set ${name}`, value, { min: 1, max: 10 }),
  },
  'operator.memory': { default: '512Mi', about: 'limit', check: quantity },
  'agent.memory': { default: '512Mi', about: 'limit', check: quantity },
  'agent.in-kernel': {
    default: 'true',
    about: 'capability BPF and a folder of /sys/fs/bpf, for the responder in the kernel',
    check: trueOrFalse,
  },
  'agent.node-selector': { default: 'kubernetes.io/os=linux', about: 'LABEL=VALUE,…: nodes that have an agent' },
  ...meshKeys,
} as const satisfies Record<string, Key>;
type KeyName = keyof typeof installKeys;

/** What the roles are started with unless --set says otherwise. */
const presetOptions: { readonly [R in InstalledRole]: Readonly<Record<string, string>> } = {
  // The kubelet asks at the pod's address.
  operator: { listen: ':9879' },
  // On the host's network: no further than this host.
  agent: { listen: '127.0.0.1:9879', 'restart-grace': '15s' },
};

const optionsOf: { readonly [R in InstalledRole]: Options } = { operator: operatorOptions, agent: agentOptions };
/** `agent.listen`, `log-level`. */
const roleName = /^(?:(operator|agent)\.)?(.+)$/;
/** Said by the manifests themselves, by other means. */
const fixedOptions = ['kubeconfig', 'namespace', 'node', 'socket', 'state'];

export interface InstallSettings {
  readonly namespace: string;
  readonly createNamespace: boolean;
  readonly keys: { readonly [K in KeyName]: string };
  /** Options of each role that are not left at their defaults. */
  readonly options: { readonly [R in InstalledRole]: Readonly<Record<string, string>> };
  /** Where the Secrets with BGP passwords are. */
  readonly secretsNamespace: string;
}

/** Each of `sets` is `KEY=VALUE`; the last of several wins. */
export function installSettings(namespace: string, createNamespace: boolean, sets: readonly string[]): InstallSettings {
  if (!/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(namespace))
    throw new UsageError(`--namespace takes the name of a namespace, not '${namespace}'`);
  const keys: Record<string, string> = Object.fromEntries(
    Object.entries<Key>(installKeys).map(([name, key]) => [name, key.default]),
  );
  const options = { operator: { ...presetOptions.operator }, agent: { ...presetOptions.agent } };
  for (const text of sets) {
    const [, name = '', value = ''] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
    if (name === '') throw new UsageError(`--set takes KEY=VALUE, not '${text}'`);
    const key: Key | undefined = Object.hasOwn(installKeys, name) ? installKeys[name as KeyName] : undefined;
    if (key !== undefined) {
      key.check?.(name, value);
      keys[name] = value;
    } else setOption(options, name, value);
  }
  for (const role of installedRoles)
    options[role] = { ...meshPresets(role, options[role], keys['mesh.etcd-secret'] ?? ''), ...options[role] };
  const secretsNamespace = options.agent['bgp-secrets-namespace'] ?? controlDefaults.secretsNamespace;
  // Every key has its default above.
  return { namespace, createNamespace, keys: keys as InstallSettings['keys'], options, secretsNamespace };
}

function setOption(options: Record<InstalledRole, Record<string, string>>, name: string, value: string): void {
  const alias = Object.hasOwn(meshAliases, name) ? meshAliases[name as keyof typeof meshAliases] : undefined;
  const [, only, bare = ''] = alias ? [name, undefined, alias.option] : (roleName.exec(name) ?? []);
  const among: readonly InstalledRole[] = alias?.roles ?? installedRoles;
  const takers = among.filter(
    role => (only ?? role) === role && Object.hasOwn(optionsOf[role], bare) && !fixedOptions.includes(bare),
  );
  if (takers.length === 0) throw new UsageError(`--set knows no '${name}'; see \`herald install --help\``);
  for (const role of takers) {
    const option = optionsOf[role][bare];
    const allowed = option?.type === 'boolean' ? ['true', 'false'] : option?.oneOf;
    if (allowed !== undefined && !allowed.includes(value))
      throw new UsageError(`--set ${name} takes ${allowed.join(', ')}, not '${value}'`);
    options[role][bare] = value;
  }
}

/** The words a role is started with. */
export function wordsOf(role: InstalledRole, { options }: InstallSettings): readonly string[] {
  return Object.entries(options[role])
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, value]) => {
      if (optionsOf[role][name]?.type !== 'boolean') return [`--${name}=${value}`];
      return value === 'true' ? [`--${name}`] : [];
    });
}
