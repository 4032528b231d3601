/** What runs in a cluster: the operator as a Deployment with a budget for disruptions, the agent as a DaemonSet. */
import type { RawObject } from '../api/object.ts';
import { defaultStateDir } from './client.ts';
import { meshMounts } from './install-mesh.ts';
import { type InstalledRole, type InstallSettings, wordsOf } from './install-settings.ts';

/** Of the image: neither root nor anybody of the host. */
const userId = 65_532;
/** Longer than a restart's grace: what ends a process must not cut it off. */
const terminationGraceSeconds = 30;
/** Of the host's bpffs only this is shown to the agent, where it keeps its pins when it sees no bpffs of the host's. */
const hostBpfFolder = '/sys/fs/bpf/herald';
const bpfFolder = '/run/herald/bpf';

export function labelsOf(role: InstalledRole): RawObject {
  return { 'app.kubernetes.io/name': 'herald', 'app.kubernetes.io/component': role };
}

export function operatorObjects(settings: InstallSettings): readonly RawObject[] {
  const { namespace, keys } = settings;
  const labels = labelsOf('operator');
  const metadata = { name: 'herald-operator', namespace, labels };
  const mesh = meshMounts('operator', settings);
  const pod = {
    ...podBasics('operator'),
    priorityClassName: 'system-cluster-critical',
    nodeSelector: { 'kubernetes.io/os': 'linux' },
    // It can be what a cluster needs before anything else runs.
    tolerations: [
      { key: 'node-role.kubernetes.io/control-plane', operator: 'Exists', effect: 'NoSchedule' },
      { key: 'CriticalAddonsOnly', operator: 'Exists' },
    ],
    topologySpreadConstraints: [
      {
        maxSkew: 1,
        topologyKey: 'kubernetes.io/hostname',
        whenUnsatisfiable: 'ScheduleAnyway',
        labelSelector: { matchLabels: labels },
      },
    ],
    containers: [
      {
        name: 'operator',
        ...containerBasics('operator', settings),
        command: ['herald', 'operator'],
        securityContext: { ...confined, capabilities: { drop: ['ALL'] } },
        ...probes(settings.options.operator['listen'], undefined),
        volumeMounts: [stateMount, ...mesh.mounts],
      },
    ],
    volumes: [stateVolume, ...mesh.volumes],
  };
  return [
    {
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata,
      spec: { maxUnavailable: 1, selector: { matchLabels: labels } },
    },
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata,
      spec: {
        replicas: Number(keys['operator.replicas']),
        selector: { matchLabels: labels },
        strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1, maxSurge: 1 } },
        template: { metadata: { labels }, spec: pod },
      },
    },
  ];
}

export function agentObjects(settings: InstallSettings): readonly RawObject[] {
  const { namespace, keys } = settings;
  const labels = labelsOf('agent');
  const inKernel = keys['agent.in-kernel'] === 'true';
  const mesh = meshMounts('agent', settings);
  const capabilities = ['NET_ADMIN', 'NET_BIND_SERVICE', 'NET_RAW', ...(inKernel ? ['BPF'] : [])];
  const pod = {
    ...podBasics('agent'),
    hostNetwork: true,
    dnsPolicy: 'Default',
    priorityClassName: 'system-node-critical',
    nodeSelector: labelPairs(keys['agent.node-selector']),
    // A node that is tainted announces as long as it serves.
    tolerations: [{ operator: 'Exists' }],
    ...(inKernel ? { initContainers: [bpfFolderContainer(settings)] } : {}),
    containers: [
      {
        name: 'agent',
        ...containerBasics('agent', settings),
        command: [...ambient(capabilities), 'herald', 'agent'],
        securityContext: { ...confined, capabilities: { drop: ['ALL'], add: capabilities } },
        ...probes(settings.options.agent['listen'], '127.0.0.1'),
        volumeMounts: [stateMount, ...(inKernel ? [{ name: 'bpf', mountPath: bpfFolder }] : []), ...mesh.mounts],
      },
    ],
    volumes: [
      stateVolume,
      ...(inKernel ? [{ name: 'bpf', hostPath: { path: hostBpfFolder, type: 'DirectoryOrCreate' } }] : []),
      ...mesh.volumes,
    ],
  };
  return [
    {
      apiVersion: 'apps/v1',
      kind: 'DaemonSet',
      metadata: { name: 'herald-agent', namespace, labels },
      spec: {
        selector: { matchLabels: labels },
        updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1 } },
        template: { metadata: { labels }, spec: pod },
      },
    },
  ];
}

const confined = { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true } as const;
const stateMount = { name: 'state', mountPath: defaultStateDir } as const;
const stateVolume = { name: 'state', emptyDir: {} } as const;

function podBasics(role: InstalledRole): RawObject {
  return {
    serviceAccountName: `herald-${role}`,
    terminationGracePeriodSeconds: terminationGraceSeconds,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: userId,
      runAsGroup: userId,
      seccompProfile: { type: 'RuntimeDefault' },
    },
    volumes: [stateVolume],
  };
}

function containerBasics(role: InstalledRole, settings: InstallSettings): RawObject {
  const { keys } = settings;
  return {
    image: keys.image,
    imagePullPolicy: keys['image-pull-policy'],
    args: wordsOf(role, settings),
    env: environment(keys['api-server']),
    resources: { requests: { cpu: '50m', memory: '128Mi' }, limits: { memory: keys[`${role}.memory`] } },
    volumeMounts: [stateMount],
  };
}

/** A default that has to be said: left to the API server, a later `kubectl apply --server-side` is a conflict. */
const podField = { apiVersion: 'v1' } as const;

function environment(apiServer: string): readonly RawObject[] {
  const own = [
    { name: 'NODE_NAME', valueFrom: { fieldRef: { ...podField, fieldPath: 'spec.nodeName' } } },
    { name: 'POD_NAMESPACE', valueFrom: { fieldRef: { ...podField, fieldPath: 'metadata.namespace' } } },
  ];
  const [, host, port] = /^\[?([^\]]*)\]?:([0-9]+)$/.exec(apiServer) ?? [];
  if (host === undefined || port === undefined) return own;
  return [...own, { name: 'KUBERNETES_SERVICE_HOST', value: host }, { name: 'KUBERNETES_SERVICE_PORT', value: port }];
}

/**
 * A container's capabilities do not reach a process that is not root by themselves: the runtime grants them, execve
 * takes them away. `with-capabilities` of the image, a setpriv whose file may have them, hands them on as ambient ones.
 */
function ambient(capabilities: readonly string[]): readonly string[] {
  const list = capabilities.map(each => `+${each.toLowerCase()}`).join();
  return ['with-capabilities', `--inh-caps=${list}`, `--ambient-caps=${list}`];
}

/** The kubelet makes the folder, as root; from then on its group is ours. Root may do that without any capability. */
function bpfFolderContainer({ keys }: InstallSettings): RawObject {
  return {
    name: 'bpf-folder',
    image: keys.image,
    imagePullPolicy: keys['image-pull-policy'],
    command: ['sh', '-c', `chgrp ${userId} ${bpfFolder} && chmod 0770 ${bpfFolder}`],
    resources: { requests: { cpu: '10m', memory: '16Mi' }, limits: { memory: '64Mi' } },
    securityContext: { ...confined, runAsNonRoot: false, runAsUser: 0, capabilities: { drop: ['ALL'] } },
    volumeMounts: [{ name: 'bpf', mountPath: bpfFolder }],
  };
}

/** A process that stands still answers nobody, and is begun anew. `host`: where the kubelet asks, if not at the pod. */
function probes(listen: string | undefined, host: string | undefined): RawObject {
  const port = Number(/:([0-9]+)$/.exec(listen ?? '')?.[1]);
  if (!Number.isInteger(port)) return {};
  const get = (path: string) => ({ path, port, ...(host === undefined ? {} : { host }) });
  return {
    ports: [{ name: 'metrics', containerPort: port }],
    readinessProbe: { httpGet: get('/readyz'), periodSeconds: 5, timeoutSeconds: 2 },
    livenessProbe: { httpGet: get('/healthz'), periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 3 },
  };
}

/** `a=b,c=d`. */
function labelPairs(text: string): RawObject {
  const pairs = text.split(',').filter(each => each !== '');
  return Object.fromEntries(pairs.map(each => [each.replace(/=.*$/s, ''), each.replace(/^[^=]*=?/, '')]));
}
