/**
 * One file for each peer, in Cilium's format: where its etcd is and which certificates open it. The file's name is the
 * cluster's. Reference §2.1.
 */
import { IpAddress } from '../net/ip.ts';
import { Fields } from './go-json.ts';

export interface PeerFile {
  /** `https://host:2379`; at least one. */
  readonly endpoints: readonly string[];
  readonly caFile: string | undefined;
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** Addresses of host names that no name server knows. */
  readonly hostAliases: ReadonlyMap<string, readonly string[]>;
}

const endpointsMax = 16;

export const PeerFile = {
  /** What makes a file a peer's: others in the folder, such as certificates, are passed over. */
  isOne(text: string): boolean {
    return text.includes('endpoints:');
  },

  /** From what the file's YAML is, or what is wrong with it in words. */
  read(value: unknown): PeerFile | string {
    const fields = Fields.of(value);
    if (fields === undefined) return 'it is no mapping';
    const endpoints = texts(fields.get('endpoints'));
    if (endpoints === undefined || endpoints.length === 0 || endpoints.length > endpointsMax)
      return `endpoints is no list of 1 to ${endpointsMax} URLs`;
    const wrong = endpoints.find(each => !isEndpoint(each));
    if (wrong !== undefined) return `endpoint '${wrong.slice(0, 80)}' is no URL like https://host:2379`;
    const words = ['trusted-ca-file', 'cert-file', 'key-file', 'username', 'password'] as const;
    const odd = words.find(word => !['string', 'undefined'].includes(typeof fields.get(word)));
    if (odd !== undefined) return `${odd} is no text`;
    const [caFile, certFile, keyFile, username, password] = words.map(word => text(fields.get(word)));
    if ((certFile === undefined) !== (keyFile === undefined)) return 'cert-file and key-file go together';
    const hostAliases = readAliases(fields.get('cilium-host-aliases') ?? []);
    if (typeof hostAliases === 'string') return hostAliases;
    return { endpoints, caFile, certFile, keyFile, username, password, hostAliases };
  },

  /** As Cilium writes it. Every text is one that YAML takes as it is. */
  write(file: PeerFile): string {
    const line = (name: string, value: string | undefined) =>
      value === undefined ? [] : [`${name}: ${JSON.stringify(value)}`];
    const aliases = [...file.hostAliases].flatMap(([hostname, ips]) => [
      `- hostname: ${JSON.stringify(hostname)}`,
      `  ips: ${JSON.stringify(ips)}`,
    ]);
    return `${[
      'endpoints:',
      ...file.endpoints.map(each => `- ${JSON.stringify(each)}`),
      ...line('trusted-ca-file', file.caFile),
      ...line('key-file', file.keyFile),
      ...line('cert-file', file.certFile),
      ...line('username', file.username),
      ...line('password', file.password),
      ...(aliases.length === 0 ? [] : ['cilium-host-aliases:', ...aliases]),
    ].join('\n')}\n`;
  },
};

function readAliases(value: unknown): ReadonlyMap<string, readonly string[]> | string {
  if (!Array.isArray(value)) return 'cilium-host-aliases is no list';
  const aliases = new Map<string, readonly string[]>();
  for (const each of value) {
    const fields = Fields.of(each);
    const hostname = text(fields?.get('hostname'));
    const ips = texts(fields?.get('ips'));
    if (hostname === undefined) return 'cilium-host-aliases has an entry without a hostname';
    if (aliases.has(hostname)) return `cilium-host-aliases has ${hostname} twice`;
    if (ips === undefined || ips.length === 0 || ips.some(ip => IpAddress.parse(ip) === undefined))
      return `cilium-host-aliases: ${hostname} has no list of addresses`;
    aliases.set(hostname, ips);
  }
  return aliases;
}

function isEndpoint(endpoint: string): boolean {
  return /^https?:\/\/(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(:[0-9]{1,5})?\/?$/.test(endpoint);
}

/** Undefined for what is no text or an empty one. */
function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function texts(value: unknown): readonly string[] | undefined {
  return Array.isArray(value) && value.every(each => typeof each === 'string') ? value : undefined;
}
