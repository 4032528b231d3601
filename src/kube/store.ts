/**
 * The Store over the Kubernetes API: every kind the roles need is listed and watched (access.ts says which, and how
 * much of it), what they say is written by the API's own means for it. While the API server is away the last snapshot
 * stands.
 */
import { type KindName, kinds } from '../api/kinds.ts';
import type { ObjectRef, RawObject } from '../api/object.ts';
import type { Snapshot } from '../api/snapshot.ts';
import type { Role } from '../runtime/control-plane.ts';
import type { Campaign, Clock, EventRecord, Log, Store } from '../runtime/ports.ts';
import { type Interest, interestsOf, type Place, statusKinds } from './access.ts';
import { Api, ApiError, type Observe } from './api.ts';
import { Cache, headOf } from './cache.ts';
import { type CampaignTimes, LeaseCampaign } from './campaign.ts';
import { Definitions } from './crds.ts';
import type { Credentials } from './credentials.ts';
import { Events } from './events.ts';
import { Objects } from './objects.ts';
import { type Resource, resourceOf } from './paths.ts';
import { Reflector, type ReflectorState } from './reflector.ts';

export interface KubeStoreOptions {
  readonly credentials: Credentials;
  readonly roles: ReadonlySet<Role>;
  readonly place: Place;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  /** Told of every request that was answered, or was not. */
  readonly observe?: Observe;
  readonly campaignTimes?: CampaignTimes;
}

/** How well the store follows the API server. */
export interface KubeStoreHealth {
  /** How long some kind has been out of step, in milliseconds; 0 while all are in step. */
  readonly staleMs: number;
  /** Kinds that are out of step, and why. */
  readonly broken: readonly { readonly kind: string; readonly error: string }[];
  /** Kinds that this server does not have. */
  readonly absent: readonly string[];
  readonly droppedEvents: number;
}

/** The first that is worth a line: some three seconds after the first of all. */
const refusalsPassing = 5;

export class KubeStore implements Store {
  readonly #options: KubeStoreOptions;
  readonly #api: Api;
  readonly #cache: Cache;
  readonly #objects: Objects;
  readonly #events: Events;
  readonly #definitions: Definitions;
  readonly #reflectors: ReadonlyMap<string, Reflector>;
  readonly #subscribers = new Set<() => void>();
  readonly #campaigns = new Set<{ readonly campaign: LeaseCampaign; readonly watch: Reflector }>();
  readonly #identity: string;
  readonly #complaints = new Map<string, string>();
  #started = false;
  #settleStart: { readonly resolve: () => void; readonly reject: (error: Error) => void } | undefined;
  #isOut = false;

  constructor(options: KubeStoreOptions) {
    const { clock, random, roles, place, log } = options;
    this.#options = options;
    this.#identity = `${place.node}-${Math.floor(random() * 2 ** 32).toString(16)}`;
    this.#api = new Api(options);
    this.#cache = new Cache(statusKinds(roles), () => this.#wake());
    this.#definitions = new Definitions({ api: this.#api, clock, random });
    this.#reflectors = new Map(interestsOf(roles, place).map(each => [each.kind, this.#reflector(each)]));
    this.#objects = new Objects({
      api: this.#api,
      cache: this.#cache,
      wallMs: () => clock.wallMs(),
      resource: kind => this.#reflectors.get(kind)?.resource,
      isInStep: kind => this.#reflectors.get(kind)?.state.at === 'watching',
    });
    this.#events = new Events({
      clock,
      log,
      controller: `herald.io/${[...roles].join('-')}`,
      instance: this.#identity,
      uidOf: ref => this.#cache.known(ref)?.uid,
      send: (method, path, body) => {
        const contentType = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
        return this.#api.call('event', { method, path, body, contentType });
      },
    });
  }

  start(): Promise<void> {
    this.#definitions.start();
    for (const reflector of this.#reflectors.values()) reflector.start();
    return new Promise((resolve, reject) => {
      this.#settleStart = { resolve, reject };
      this.#settle();
    });
  }

  snapshot(): Snapshot {
    return this.#cache.snapshot();
  }

  subscribe(wake: () => void): () => void {
    // A function of its own, so that subscribing twice is two subscriptions.
    const subscriber = () => wake();
    this.#subscribers.add(subscriber);
    // Who subscribes has looked: the next change is news.
    this.#cache.snapshot();
    return () => this.#subscribers.delete(subscriber);
  }

  applyStatus(ref: ObjectRef, manager: string, status: RawObject): Promise<boolean> {
    return this.#objects.applyStatus(ref, manager, status);
  }

  read(ref: ObjectRef): Promise<RawObject | undefined> {
    return this.#objects.read(ref);
  }

  put(object: RawObject, resourceVersion: string | undefined): Promise<string> {
    return this.#objects.put(object, resourceVersion);
  }

  remove(ref: ObjectRef, resourceVersion: string): Promise<void> {
    return this.#objects.remove(ref, resourceVersion);
  }

  campaign(name: string, changed: () => void): Campaign {
    const { clock, random, log, place, campaignTimes } = this.#options;
    const ref = { kind: 'Lease', namespace: place.namespace, name: `herald-${name}` };
    const campaign = new LeaseCampaign(
      {
        clock,
        log,
        random,
        ref,
        identity: this.#identity,
        read: () => this.#objects.read(ref),
        put: (object, version) => this.#objects.put(object, version),
        ...(campaignTimes === undefined ? {} : { times: campaignTimes }),
      },
      changed,
    );
    const watch = new Reflector({
      api: this.#api,
      clock,
      random,
      resources: [resourceOf('Lease')],
      namespace: ref.namespace,
      selectors: { fieldSelector: `metadata.name=${ref.name}` },
      sink: {
        put: (_, object) => campaign.observe(object),
        delete: () => campaign.observe(undefined),
        keepOnly: keys => {
          if (keys.size === 0) campaign.observe(undefined);
        },
      },
      moved: () => {},
    });
    watch.start();
    const entry = { campaign, watch };
    this.#campaigns.add(entry);
    return {
      get leading() {
        return campaign.leading;
      },
      close: () => {
        watch.close();
        campaign.close();
      },
    };
  }

  record(event: EventRecord): void {
    this.#events.record(event);
  }

  health(): KubeStoreHealth {
    const nowMs = this.#options.clock.nowMs();
    const states = [...this.#reflectors].map(([kind, { state }]) => ({ kind, state }));
    const since = states.flatMap(({ state }) => ('sinceMs' in state ? [state.sinceMs] : []));
    return {
      staleMs: since.length === 0 ? 0 : nowMs - Math.min(...since),
      broken: states.flatMap(({ kind, state }) =>
        state.at === 'broken' ? [{ kind, error: state.error.message }] : [],
      ),
      absent: states.flatMap(({ kind, state }) => (state.at === 'absent' ? [kind] : [])),
      droppedEvents: this.#events.dropped,
    };
  }

  async close(): Promise<void> {
    this.#events.close();
    for (const { campaign, watch } of this.#campaigns) {
      watch.close();
      campaign.close();
    }
    this.#definitions.close();
    for (const reflector of this.#reflectors.values()) reflector.close();
    // A lease that is let go of is worth the moment it takes.
    await Promise.all([...this.#campaigns].map(({ campaign }) => campaign.ended()));
    this.#api.close();
    this.#settleStart?.reject(new Error('closed before the first snapshot stood'));
  }

  #reflector({ kind, namespace, fieldSelector, labelSelector, prefixes, metadataOnly, whole }: Interest): Reflector {
    const { clock, random } = this.#options;
    const { versions, plural, group, crd } = kinds[kind];
    const [first, ...others] = versions;
    const cache = this.#cache;
    const isWanted = (object: RawObject) =>
      prefixes === undefined || prefixes.some(prefix => headOf(object).name.startsWith(prefix));
    return new Reflector({
      api: this.#api,
      clock,
      random,
      resources: [resourceOf(kind, first), ...others.map(version => resourceOf(kind, version))],
      namespace,
      selectors: { fieldSelector, labelSelector },
      metadataOnly,
      together: whole && (work => cache.together(work)),
      sink: {
        put: ({ apiVersion }: Resource, object) => {
          if (!isWanted(object) || cache.put(kind, apiVersion, object)) return;
          this.#complain(kind, 'an object without a name was passed over');
        },
        delete: (_, object) => cache.delete(kind, object),
        keepOnly: keys => cache.keepOnly(kind, keys),
      },
      moved: state => this.#moved(kind, state),
      ...(crd === undefined ? {} : { definition: this.#definitions.of(`${plural}.${group}`) }),
    });
  }

  #moved(kind: KindName, state: ReflectorState): void {
    const { log } = this.#options;
    if (state.at === 'broken') {
      // One line for a server that is away, not one for each kind.
      const { error, refusals } = state;
      // A server that has just begun refuses this and that, knowing nobody's rights yet.
      if (error instanceof ApiError && refusals < refusalsPassing) return;
      if (error instanceof ApiError) this.#complain(kind, error.message);
      else if (!this.#isOut) log.warn('API server out of reach', { error: error.message });
      this.#isOut ||= !(error instanceof ApiError);
    } else {
      if (this.#complaints.delete(kind)) log.info('kind in step again', { kind });
      const isOut = [...this.#reflectors.values()].some(each => each.state.at === 'broken');
      if (this.#isOut && !isOut) {
        this.#isOut = false;
        log.info('in step with the API server again');
      }
    }
    this.#settle();
  }

  #complain(kind: string, error: string): void {
    if (this.#complaints.get(kind) === error) return;
    this.#complaints.set(kind, error);
    this.#options.log.warn('kind not readable', { kind, error });
  }

  #settle(): void {
    const states = [...this.#reflectors.values()].map(each => each.state);
    if (this.#started) {
      const isBehind = (state: ReflectorState) => state.at === 'starting' || (state.at === 'broken' && state.isFirst);
      this.#cache.partial(states.some(isBehind));
    } else if (states.every(({ at }) => at === 'watching' || at === 'absent')) {
      this.#started = true;
      this.#settleStart?.resolve();
      this.#settleStart = undefined;
    }
  }

  #wake(): void {
    if (!this.#started) return;
    for (const wake of this.#subscribers) wake();
  }
}
