/** `cilium/state/nodes/v1/<cluster>/<node>`: a node as its cluster shows it to the others. Reference §1.4. */
import { IpAddress } from '../net/ip.ts';
import type { Prefix } from '../net/prefix.ts';
import { readCidr, writeCidr } from './cidr-json.ts';
import { Fields, type Json, parseJson, writeJson } from './go-json.ts';
import { MeshRefusal } from './reason.ts';

export interface RecordAddress {
  /** `InternalIP`, `ExternalIP`, `CiliumInternalIP`, `Hostname`. */
  readonly type: string;
  readonly address: IpAddress;
}

/** Everything of the record, so that what was read is written back the same. */
export interface NodeRecord {
  readonly name: string;
  readonly cluster: string;
  readonly clusterId: number;
  readonly addresses: readonly RecordAddress[];
  readonly ipv4Cidr: Prefix | undefined;
  readonly ipv4Secondary: readonly Prefix[];
  readonly ipv6Cidr: Prefix | undefined;
  readonly ipv6Secondary: readonly Prefix[];
  readonly ipv4Health: IpAddress | undefined;
  readonly ipv6Health: IpAddress | undefined;
  readonly ipv4Ingress: IpAddress | undefined;
  readonly ipv6Ingress: IpAddress | undefined;
  /** Of the writer: `custom-resource`, `local`, `k8s`. */
  readonly source: string;
  /** Index of the IPsec key; 0: none. */
  readonly encryptionKey: number;
  readonly labels: Labels | undefined;
  readonly annotations: Labels | undefined;
  /** Base64. */
  readonly wireguardKey: string;
  readonly bootId: string;
}

type Labels = Readonly<Record<string, string>>;

/** A record with every label and annotation Kubernetes allows is smaller. */
const recordOctetsMax = 512 * 1024;
const addressesMax = 64;
const cidrsMax = 1024;

export const NodeRecord = {
  /** Fields that are not known are passed over, those of another type refuse the record. */
  read(bytes: Uint8Array): NodeRecord | MeshRefusal {
    if (bytes.length > recordOctetsMax) return MeshRefusal.of('value-too-large', `${bytes.length} octets`);
    const fields = Fields.of(parseJson(bytes));
    if (fields === undefined) return MeshRefusal.of('bad-value', 'it is no JSON object');
    const reader = new RecordReader(fields);
    const record = readRecord(reader);
    const [fault] = reader.faults;
    return fault === undefined ? record : MeshRefusal.of('bad-value', fault);
  },

  /** Absent lists and maps are null, as the other writers have them; labels are sorted. */
  write(record: NodeRecord): Uint8Array {
    const { addresses } = record;
    return writeJson({
      Name: record.name,
      Cluster: record.cluster,
      IPAddresses:
        addresses.length === 0
          ? null
          : addresses.map(({ type, address }) => ({ Type: type, IP: IpAddress.format(address) })),
      IPv4AllocCIDR: writeCidr(record.ipv4Cidr),
      IPv4SecondaryAllocCIDRs: cidrsJson(record.ipv4Secondary),
      IPv6AllocCIDR: writeCidr(record.ipv6Cidr),
      IPv6SecondaryAllocCIDRs: cidrsJson(record.ipv6Secondary),
      IPv4HealthIP: addressJson(record.ipv4Health),
      IPv6HealthIP: addressJson(record.ipv6Health),
      IPv4IngressIP: addressJson(record.ipv4Ingress),
      IPv6IngressIP: addressJson(record.ipv6Ingress),
      ClusterID: record.clusterId,
      Source: record.source,
      EncryptionKey: record.encryptionKey,
      Labels: labelsJson(record.labels),
      Annotations: labelsJson(record.annotations),
      WireguardPubKey: record.wireguardKey,
      BootID: record.bootId,
    });
  },
};

function readRecord(from: RecordReader): NodeRecord {
  return {
    name: from.text('Name'),
    cluster: from.text('Cluster'),
    clusterId: from.number('ClusterID'),
    addresses: from.list('IPAddresses', addressesMax).flatMap(each => from.recordAddress(each) ?? []),
    ipv4Cidr: from.cidr('IPv4AllocCIDR', 'ipv4'),
    ipv4Secondary: from.cidrs('IPv4SecondaryAllocCIDRs', 'ipv4'),
    ipv6Cidr: from.cidr('IPv6AllocCIDR', 'ipv6'),
    ipv6Secondary: from.cidrs('IPv6SecondaryAllocCIDRs', 'ipv6'),
    ipv4Health: from.address('IPv4HealthIP'),
    ipv6Health: from.address('IPv6HealthIP'),
    ipv4Ingress: from.address('IPv4IngressIP'),
    ipv6Ingress: from.address('IPv6IngressIP'),
    source: from.text('Source'),
    encryptionKey: from.number('EncryptionKey'),
    labels: from.labels('Labels'),
    annotations: from.labels('Annotations'),
    wireguardKey: from.text('WireguardPubKey'),
    bootId: from.text('BootID'),
  };
}

/** Reads one field after another and notes what is wrong with them. */
class RecordReader {
  readonly #fields: Fields;
  readonly faults: string[] = [];

  constructor(fields: Fields) {
    this.#fields = fields;
  }

  text(name: string): string {
    const value = this.#fields.get(name) ?? '';
    return typeof value === 'string' ? value : this.#fault(name, 'is no text', '');
  }

  number(name: string): number {
    const value = this.#fields.get(name) ?? 0;
    const isWhole = typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff;
    return isWhole ? value : this.#fault(name, 'is no number', 0);
  }

  list(name: string, countMax: number): readonly unknown[] {
    const value = this.#fields.get(name) ?? [];
    if (!Array.isArray(value)) return this.#fault(name, 'is no list', []);
    return value.length <= countMax ? value : this.#fault(name, `has more than ${countMax} entries`, []);
  }

  labels(name: string): Labels | undefined {
    const value = this.#fields.get(name);
    if (value === undefined) return undefined;
    const isLabels =
      typeof value === 'object' &&
      value !== null &&
      !Array.isArray(value) &&
      Object.values(value).every(each => typeof each === 'string');
    return isLabels ? (value as Labels) : this.#fault(name, 'is no map of texts', undefined);
  }

  address(name: string): IpAddress | undefined {
    return this.#address(this.#fields.get(name), name);
  }

  recordAddress(value: unknown): RecordAddress | undefined {
    const fields = Fields.of(value);
    if (fields === undefined) return this.#fault('IPAddresses', 'has an entry that is no object', undefined);
    const type = fields.get('Type') ?? '';
    const address = this.#address(fields.get('IP'), 'IPAddresses');
    return typeof type === 'string' && address !== undefined ? { type, address } : undefined;
  }

  cidr(name: string, family: 'ipv4' | 'ipv6'): Prefix | undefined {
    return this.#cidr(this.#fields.get(name), name, family);
  }

  cidrs(name: string, family: 'ipv4' | 'ipv6'): readonly Prefix[] {
    return this.list(name, cidrsMax).flatMap(each => this.#cidr(each, name, family) ?? []);
  }

  #cidr(value: unknown, name: string, family: 'ipv4' | 'ipv6'): Prefix | undefined {
    const prefix = readCidr(value);
    if (prefix === 'bad') return this.#fault(name, 'is no network', undefined);
    if (prefix !== undefined && prefix.address.family !== family)
      return this.#fault(name, 'is of the other family', undefined);
    return prefix;
  }

  #address(value: unknown, name: string): IpAddress | undefined {
    if (value === undefined || value === '') return undefined;
    const address = typeof value === 'string' ? IpAddress.parse(value) : undefined;
    return address === undefined ? this.#fault(name, 'is no address', undefined) : IpAddress.unmapped(address);
  }

  #fault<T>(name: string, what: string, instead: T): T {
    this.faults.push(`${name} ${what}`);
    return instead;
  }
}

function addressJson(address: IpAddress | undefined): string {
  return address === undefined ? '' : IpAddress.format(address);
}

function cidrsJson(all: readonly Prefix[]): Json {
  return all.length === 0 ? null : all.map(writeCidr);
}

function labelsJson(labels: Labels | undefined): Json {
  return labels === undefined ? null : new Map(Object.entries(labels));
}
