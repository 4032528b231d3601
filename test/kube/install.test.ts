/** What `herald install` prints: taken by a real API server, the same a second time, safe as it is, set by a table. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { commands } from '../../src/cli/commands.ts';
import { run } from '../../src/cli/main.ts';
import { ownBpffs } from '../../src/cli/run-l2.ts';
import { parseYaml } from '../../src/directory/yaml.ts';
import { type ApiServer, startApiServer } from '../support/kube/api-server.ts';
import { kubeMissing } from '../support/kube/programs.ts';
import { root } from '../support/run-herald.ts';

const missing = kubeMissing();
const badName = 'is not made of lower-case letters, digits and dashes, beginning and ending with a letter or digit';

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly resourceVersion?: string };
  readonly spec?: { readonly replicas?: number; readonly template: { readonly spec: Pod } };
}
interface Pod {
  readonly hostNetwork?: boolean;
  readonly nodeSelector: object;
  readonly tolerations: readonly object[];
  readonly priorityClassName: string;
  readonly terminationGracePeriodSeconds: number;
  readonly securityContext: object;
  readonly initContainers?: readonly Container[];
  readonly containers: readonly [Container];
  readonly volumes: readonly { readonly hostPath?: { readonly path: string } }[];
}
interface Container {
  readonly image: string;
  readonly command: readonly string[];
  readonly args: readonly string[];
  readonly env: readonly { readonly name: string; readonly value?: string }[];
  readonly securityContext: {
    readonly capabilities: { readonly drop: readonly string[]; readonly add?: readonly string[] };
  };
  readonly livenessProbe?: { readonly httpGet: object };
  readonly readinessProbe?: { readonly httpGet: object };
  readonly resources: object;
  readonly volumeMounts: readonly object[];
}

async function said(...words: string[]): Promise<{ status: number; out: string; err: string }> {
  let [out, err] = ['', ''];
  const streams = {
    out: (text: string) => {
      out += text;
    },
    err: (text: string) => {
      err += text;
    },
    isTerminal: false,
    width: 120,
  };
  const status = await run(['install', ...words], streams, new AbortController().signal, commands);
  return { status, out, err };
}

async function objects(...words: string[]): Promise<readonly Manifest[]> {
  const { status, out, err } = await said(...words);
  expect([status, err]).toEqual([0, '']);
  return out
    .split(/^---\n/m)
    .slice(1)
    .map(text => parseYaml(text) as Manifest);
}

async function pod(kind: 'Deployment' | 'DaemonSet', ...words: string[]): Promise<Pod> {
  const found = (await objects(...words)).find(each => each.kind === kind)?.spec?.template.spec;
  if (found === undefined) throw new Error(`no ${kind}`);
  return found;
}

describe('herald install', () => {
  it('is examples/install, written by `npm run crds`', async () => {
    const { out } = await said();
    expect(readFileSync(`${root}examples/install/herald.yaml`, 'utf8')).toBe(out);
  });

  it('prints a namespace when asked for one, and puts everything into the one that was named', async () => {
    const printed = await objects('--namespace', 'herald', '--create-namespace');
    expect(printed[0]).toMatchObject({ kind: 'Namespace', metadata: { name: 'herald' } });
    const elsewhere = printed.filter(
      ({ metadata }) => metadata.namespace !== undefined && metadata.namespace !== 'herald',
    );
    // Secrets with BGP passwords are where Cilium has them.
    expect(elsewhere.map(({ kind, metadata }) => `${kind} ${metadata.namespace}`)).toEqual([
      'Role kube-system',
      'RoleBinding kube-system',
      'Role kube-system',
      'RoleBinding kube-system',
    ]);
    expect((await objects()).some(each => each.kind === 'Namespace')).toBe(false);
  });

  it('runs the agent on the host’s network, as nobody, with four capabilities and no way to more', async () => {
    const spec = await pod('DaemonSet');
    const [agent] = spec.containers;
    expect(spec).toMatchObject({
      hostNetwork: true,
      priorityClassName: 'system-node-critical',
      tolerations: [{ operator: 'Exists' }],
      nodeSelector: { 'kubernetes.io/os': 'linux' },
      securityContext: { runAsNonRoot: true, runAsUser: 65_532, seccompProfile: { type: 'RuntimeDefault' } },
    });
    expect(agent.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'], add: ['NET_ADMIN', 'NET_BIND_SERVICE', 'NET_RAW', 'BPF'] },
    });
    expect(agent.command.slice(0, 3)).toEqual([
      'with-capabilities',
      '--inh-caps=+net_admin,+net_bind_service,+net_raw,+bpf',
      '--ambient-caps=+net_admin,+net_bind_service,+net_raw,+bpf',
    ]);
    expect(agent.command.slice(3)).toEqual(['herald', 'agent']);
    expect(agent.args).toContain('--restart-grace=15s');
    expect(agent.env.map(each => each.name)).toContain('NODE_NAME');
    // Who has no capability is root here: the owner of the folder the kubelet made.
    expect(spec.initContainers?.map(each => each.securityContext.capabilities)).toEqual([{ drop: ['ALL'] }]);
    expect(agent.volumeMounts).toContainEqual({ name: 'bpf', mountPath: ownBpffs });
  });

  it('runs two operators without a single capability', async () => {
    const spec = await pod('Deployment');
    expect(spec.hostNetwork).toBeUndefined();
    expect(spec.securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: 65_532 });
    expect(spec.containers[0].securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    expect((await objects()).find(each => each.kind === 'Deployment')?.spec?.replicas).toBe(2);
  });

  it.each(['Deployment', 'DaemonSet'] as const)('%s: probes, resources, time to leave', async kind => {
    const spec = await pod(kind);
    const host = kind === 'DaemonSet' ? { host: '127.0.0.1' } : {};
    expect(spec.containers[0].livenessProbe?.httpGet).toEqual({ path: '/healthz', port: 9879, ...host });
    expect(spec.containers[0].readinessProbe?.httpGet).toEqual({ path: '/readyz', port: 9879, ...host });
    expect(spec.containers[0].resources).toMatchObject({ requests: { memory: '128Mi' }, limits: { memory: '512Mi' } });
    // Longer than the grace of a restart.
    expect(spec.terminationGracePeriodSeconds).toBeGreaterThan(15);
  });

  it('--set changes the installation, options of both roles, and options of one', async () => {
    const words = ['image=r.example/herald:9', 'log-level=debug', 'agent.listen=:9000', 'agent.in-kernel=false'];
    words.push('api-server=[fd00::1]:6443', 'agent.node-selector=rack=1,tor=a', 'strict-policy-conflicts=true');
    const sets = words.flatMap(each => ['--set', each]);
    const [operator, agent] = [await pod('Deployment', ...sets), await pod('DaemonSet', ...sets)];
    for (const { containers } of [operator, agent]) {
      expect(containers[0].image).toBe('r.example/herald:9');
      expect(containers[0].args).toEqual(expect.arrayContaining(['--log-level=debug', '--strict-policy-conflicts']));
      expect(containers[0].env).toContainEqual({ name: 'KUBERNETES_SERVICE_HOST', value: 'fd00::1' });
      expect(containers[0].env).toContainEqual({ name: 'KUBERNETES_SERVICE_PORT', value: '6443' });
    }
    expect(operator.containers[0].args).toContain('--listen=:9879');
    expect(agent.containers[0].args).toContain('--listen=:9000');
    expect(agent.containers[0].livenessProbe?.httpGet).toMatchObject({ port: 9000 });
    expect(agent.nodeSelector).toEqual({ rack: '1', tor: 'a' });
    expect(agent.containers[0].securityContext.capabilities.add).not.toContain('BPF');
    expect([agent.initContainers, agent.volumes.filter(each => each.hostPath)]).toEqual([undefined, []]);
  });

  it('--set mesh.…: both roles know the cluster, each sees the Secret it needs', async () => {
    const words = ['cluster-name=west', 'cluster-id=7', 'routing=vxlan', 'advertise-remote=true'];
    words.push('etcd-secret=own-etcd', 'peers-secret=others');
    const sets = words.flatMap(each => ['--set', `mesh.${each}`]);
    const [operator, agent] = [await pod('Deployment', ...sets), await pod('DaemonSet', ...sets)];
    for (const { containers } of [operator, agent])
      expect(containers[0].args).toEqual(expect.arrayContaining(['--cluster-name=west', '--cluster-id=7']));
    expect(operator.containers[0].args).toContain('--mesh-etcd=/var/lib/etcd-secrets/etcd.config');
    expect(operator.containers[0].volumeMounts).toContainEqual({
      name: 'mesh-etcd',
      mountPath: '/var/lib/etcd-secrets',
      readOnly: true,
    });
    expect(operator.volumes).toContainEqual({ name: 'mesh-etcd', secret: { secretName: 'own-etcd' } });
    expect(agent.containers[0].args).toEqual(
      expect.arrayContaining([
        '--mesh-routing=vxlan',
        '--mesh-advertise-remote',
        '--clustermesh-config=/var/lib/cilium/clustermesh',
      ]),
    );
    expect(agent.containers[0].args.some(each => each.startsWith('--mesh-etcd'))).toBe(false);
    // Other clusters may come later, and the agent runs before they do.
    expect(agent.volumes).toContainEqual({ name: 'clustermesh', secret: { secretName: 'others', optional: true } });
    expect(agent.containers[0].securityContext.capabilities.add).toContain('NET_ADMIN');
  });

  it('--set mesh.cluster-name alone: routes between the nodes of one cluster, and no Secret', async () => {
    const agent = await pod('DaemonSet', '--set', 'mesh.cluster-name=default');
    expect(agent.containers[0].args).toContain('--cluster-name=default');
    expect(agent.volumes.some(each => 'secret' in each)).toBe(false);
  });

  it('the operator may lead what is published to other clusters', async () => {
    const roles = (await objects()).filter(each => each.kind === 'Role' && each.metadata.name === 'herald-operator');
    expect(JSON.stringify(roles)).toContain('["herald-operator","herald-mesh"]');
  });

  it('leaves the CRDs out where somebody else keeps them, and the probes where nobody listens', async () => {
    const sets = ['--set', 'crds=false', '--set', 'listen=off'];
    expect((await objects(...sets)).some(each => each.kind === 'CustomResourceDefinition')).toBe(false);
    expect((await pod('DaemonSet', ...sets)).containers[0].livenessProbe).toBeUndefined();
  });

  it.each([
    ['--set', 'colour=red', "--set knows no 'colour'; see `herald install --help`"],
    ['--set', 'agent.node=n1', "--set knows no 'agent.node'; see `herald install --help`"],
    ['--set', 'operator.restart-grace=1s', "--set knows no 'operator.restart-grace'; see `herald install --help`"],
    ['--set', 'image', "--set takes KEY=VALUE, not 'image'"],
    ['--set', 'log-level=loud', "--set log-level takes debug, info, warn, error, silent, not 'loud'"],
    ['--set', 'operator.replicas=0', "--set operator.replicas takes a whole number from 1 to 10, not '0'"],
    ['--set', 'agent.memory=lots', "--set agent.memory takes an amount of memory such as 512Mi, not 'lots'"],
    ['--set', 'mesh.routing=vxlan', 'a mesh needs --set mesh.cluster-name'],
    ['--set', 'mesh.cluster-name=No!', `--cluster-name 'No!' ${badName}`],
    ['--set', 'mesh.colour=red', "--set knows no 'mesh.colour'; see `herald install --help`"],
    ['--namespace', 'Not_A_Name', "--namespace takes the name of a namespace, not 'Not_A_Name'"],
  ])('%s %s is wrong usage: %s', async (option, value, message) => {
    expect(await said(option, value)).toEqual({ status: 2, out: '', err: `herald: ${message}\n` });
  });
});

describe.skipIf(missing !== undefined)(
  `an installation under a real API server${missing ? `: skipped, ${missing}` : ''}`,
  () => {
    let server: ApiServer;
    beforeAll(async () => {
      server = await startApiServer();
    }, 180_000);
    afterAll(() => server?.stop());

    it.each([
      { title: 'as it is', words: [] },
      {
        title: 'in a namespace of its own',
        words: ['--namespace', 'herald', '--create-namespace', '--set', 'listen=off'],
      },
      {
        title: 'with a mesh',
        words: [
          'cluster-name=west',
          'cluster-id=7',
          'etcd-secret=own-etcd',
          'routing=auto',
          'import=10.0.0.0/8',
        ].flatMap(each => ['--set', `mesh.${each}`]),
      },
    ])('kubectl takes it, $title, without a warning, and a second time nothing changes', async ({ words }) => {
      const { out: manifests } = await said(...words);
      const versions = () => {
        const read = JSON.parse(server.kubectl(['get', '-o', 'json', '-f', '-'], manifests)) as { items: Manifest[] };
        return read.items.map(({ kind, metadata }) => `${kind} ${metadata.name} ${metadata.resourceVersion}`);
      };
      const first = server.admin.tryKubectl(['apply', '--validate=strict', '-f', '-'], manifests);
      expect([first.status, first.err]).toEqual([0, '']);
      // The API server itself writes into fresh CRDs.
      server.kubectl(['wait', '--for=condition=Established', 'crd', '--all']);
      const before = versions();
      const second = server.admin.tryKubectl(['apply', '--validate=strict', '-f', '-'], manifests);
      expect([second.status, second.err]).toEqual([0, '']);
      expect(versions()).toEqual(before);
      // kubectl never calls a budget unchanged: it sends its selector every time, to no effect.
      const changed = second.out.split('\n').filter(line => line !== '' && !line.endsWith(' unchanged'));
      expect(changed).toEqual(['poddisruptionbudget.policy/herald-operator configured']);
      // Whoever goes over to server-side apply meets no conflict: no default of the API server's is in the way.
      const other = server.admin.tryKubectl(['apply', '--server-side', '-f', '-'], manifests);
      expect([other.status, other.err]).toEqual([0, '']);
    });
  },
);
