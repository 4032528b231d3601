/**
 * The embedded default Store: a folder of YAML manifests, and a state directory beside it for what Herald itself says
 * (statuses, leases, node configurations, events), shared by all processes of one machine that name the same
 * directories.
 *
 *   folder → manifest → sources ─┐
 *                                ├─ record: the whole object → parse → snapshot
 *   journal (state directory) ───┘
 */
import type { watch } from 'node:fs';
import { type KindName, kinds } from '../api/kinds.ts';
import { type Fault, ObjectRef, type RawObject } from '../api/object.ts';
import { parseObject } from '../api/parse.ts';
import { type Snapshot, SnapshotBuilder } from '../api/snapshot.ts';
import { sameValue } from '../net/equal.ts';
import { type Campaign, type Clock, ConflictError, type EventRecord, type Log, type Store } from '../runtime/ports.ts';
import { LockCampaign } from './campaign.ts';
import { EventLog, isStored, type Stored, type StoredEvent } from './events.ts';
import { ManifestFolder } from './folder.ts';
import { Journal } from './journal.ts';
import { holdsNothing, isBroken } from './manifest.ts';
import { loadManifest } from './manifest-file.ts';
import { type Finding, faultsOfFile } from './manifests.ts';
import { Orphans } from './orphans.ts';
import { problemsOf } from './problems.ts';
import { adopt, isRecord, type ObjectRecord, overwrite, refOf, wholeObject } from './record.ts';
import { Sources } from './sources.ts';
import { watchState } from './state-watch.ts';
import { applyStatement } from './status.ts';

export interface DirectoryStoreOptions {
  readonly manifestsDir: string;
  readonly stateDir: string;
  readonly clock: Clock;
  readonly log: Log;
  /** How directories are watched; for tests. */
  readonly watch?: typeof watch;
  /** A manifest must be gone for this long before what is known about its object is forgotten. */
  readonly orphanMs?: number;
}

/** What did not parse, or is empty all of a sudden, may be half written: looked at once more after this. */
const secondLookMs = 50;
const adoptRetryMs = 1000;

/** What the published value of an object was made from: as long as it stays, so does the value. */
interface Published {
  readonly raw: RawObject | undefined;
  readonly seq: number | undefined;
  readonly others: number;
}

export class DirectoryStore implements Store {
  readonly #options: DirectoryStoreOptions;
  readonly #journal: Journal<Stored>;
  readonly #folder: ManifestFolder;
  readonly #sources = new Sources();
  readonly #events: EventLog;
  readonly #orphans: Orphans;
  readonly #builder = new SnapshotBuilder();
  readonly #published = new Map<string, Published>();
  readonly #subscribers = new Set<() => void>();
  /** Objects whose manifest changed and whose record does not know it yet. */
  readonly #moved = new Set<string>();
  readonly #adopting = new Set<string>();
  readonly #secondLook = new Set<string>();
  #snapshot: Snapshot = this.#builder.snapshot();
  #adoption: Promise<void> | undefined;
  #problem: string | undefined;
  #endStateWatch = () => {};
  #cancelRetry = () => {};
  #started = false;
  #closed = false;

  constructor(options: DirectoryStoreOptions) {
    const { manifestsDir, stateDir, clock, log } = options;
    this.#options = options;
    this.#journal = new Journal<Stored>({ dir: stateDir, clock, log, isValue: isStored });
    this.#events = new EventLog(this.#journal, clock, log);
    this.#orphans = new Orphans({
      clock,
      graceMs: options.orphanMs ?? 2000,
      mayForget: () => this.#started && !this.#closed && this.#problem === undefined && !this.#sources.isBroken,
      forget: keys => this.#forget(keys),
    });
    const observer = {
      look: (path: string) => this.#look(path),
      gone: (path: string) => this.#take(this.#sources.update(path, undefined)),
      settled: (problem: string | undefined) => this.#settled(problem),
    };
    this.#folder = new ManifestFolder({ root: manifestsDir, clock, log, ...watchOf(options) }, observer);
  }

  async start(): Promise<void> {
    await this.#journal.open();
    this.#journal.onChange = keys => this.#recordsChanged(keys);
    this.#folder.start();
    if (this.#problem !== undefined) {
      await this.close();
      throw new Error(this.#problem);
    }
    await this.#adoption;
    this.#started = true;
    this.#recordsChanged([...this.#journal.entries()].map(([key]) => key));
    const { stateDir: dir, clock } = this.#options;
    this.#endStateWatch = watchState({ dir, clock, ...watchOf(this.#options) }, 'journal', () => this.#refresh());
  }

  snapshot(): Snapshot {
    return this.#snapshot;
  }

  subscribe(wake: () => void): () => void {
    // A function of its own, so that subscribing twice is two subscriptions.
    const subscriber = () => wake();
    this.#subscribers.add(subscriber);
    return () => this.#subscribers.delete(subscriber);
  }

  async applyStatus(ref: ObjectRef, manager: string, status: RawObject): Promise<boolean> {
    const key = ObjectRef.format(ref);
    const now = this.#now().replace(/\.[0-9]+Z$/, 'Z');
    const stated = (record: ObjectRecord | undefined) => {
      if (record === undefined || !this.#stands(key, record)) throw new ConflictError(`there is no ${key}`);
      const managers = applyStatement(record.managers ?? {}, manager, status, now);
      return sameValue(managers, record.managers ?? {}) ? undefined : { ...record, managers };
    };
    // Most of what a pass says has been said before: that takes no lock.
    const standing = objectOf(this.#journal.get(key)?.value);
    if (standing !== undefined && stated(standing) === undefined) return false;
    return await this.#journal.transact(transaction => {
      const before = objectOf(transaction.get(key)?.value) ?? this.#newRecord(key, undefined, this.#now());
      const after = stated(before);
      if (after !== undefined) transaction.set(key, after);
      return after !== undefined;
    });
  }

  async read(ref: ObjectRef): Promise<RawObject | undefined> {
    this.#journal.refresh();
    return this.#whole(ObjectRef.format(ref));
  }

  async put(object: RawObject, resourceVersion: string | undefined): Promise<string> {
    const ref = refOf(object);
    if (ref === undefined) throw new Error('put takes an object with a name, of a kind that Herald knows');
    const key = ObjectRef.format(ref);
    return await this.#journal.transact(transaction => {
      const entry = transaction.get(key);
      const there = objectOf(entry?.value);
      const before = there !== undefined && this.#stands(key, there) ? there : undefined;
      const version = before === undefined || entry === undefined ? undefined : String(entry.seq);
      if (version !== resourceVersion) throw conflict(key, resourceVersion, version);
      const after = overwrite(before, ref, object, this.#now());
      if (version !== undefined && sameValue(before?.object, after.object)) return version;
      return String(transaction.set(key, after));
    });
  }

  async remove(ref: ObjectRef, resourceVersion: string): Promise<void> {
    const key = ObjectRef.format(ref);
    await this.#journal.transact(transaction => {
      const entry = transaction.get(key);
      const before = objectOf(entry?.value);
      const said = this.#sources.get(key);
      if (entry === undefined || before === undefined || !this.#stands(key, before)) return;
      if (String(entry.seq) !== resourceVersion) throw conflict(key, resourceVersion, String(entry.seq));
      if (before.object === undefined) throw new Error(`${key} comes from ${said?.sources[0]?.path}: remove it there`);
      const { object: _, ...rest } = before;
      // What hid a manifest's object lets it stand again.
      if (said === undefined) transaction.delete(key);
      else transaction.set(key, { ...rest, generation: before.generation + 1 });
    });
  }

  campaign(name: string, changed: () => void): Campaign {
    return new LockCampaign(this.#options.stateDir, name, this.#options.clock, changed);
  }

  record(event: EventRecord): void {
    this.#events.record(event);
  }

  /** Oldest first. */
  events(): readonly StoredEvent[] {
    return this.#events.list();
  }

  /** Everything that is wrong with the manifests as they stand, with file and line. */
  problems(): readonly Finding[] {
    return problemsOf(this.#sources, this.#options.manifestsDir, this.#problem);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#folder.close();
    this.#endStateWatch();
    this.#cancelRetry();
    this.#orphans.close();
    await this.#adoption;
    await this.#journal.close();
  }

  #look(path: string): void {
    const before = this.#sources.manifestOf(path);
    const manifest = loadManifest(path, before);
    const isBad = isBroken(manifest);
    const isEmptied = !isBad && before !== undefined && holdsNothing(manifest) && !holdsNothing(before);
    if (!this.#secondLook.delete(path) && (isBad || isEmptied)) {
      this.#secondLook.add(path);
      this.#folder.retry(path, secondLookMs);
      if (isEmptied) return;
    } else if (isBad) {
      const [fault] = faultsOfFile(path, manifest);
      this.#options.log.warn('manifest not readable', { file: path, line: fault?.line, error: fault?.message });
    }
    this.#take(this.#sources.update(path, manifest));
  }

  #take(keys: readonly string[]): void {
    for (const key of keys) this.#moved.add(key);
  }

  #settled(problem: string | undefined): void {
    const folder = this.#options.manifestsDir;
    if (problem !== undefined && problem !== this.#problem)
      this.#options.log.error('manifests gone', { folder, error: problem });
    if (problem === undefined && this.#problem !== undefined) this.#options.log.info('manifests back', { folder });
    this.#problem = problem;
    if (this.#moved.size > 0) this.#adoption ??= this.#adopt();
    else if (this.#started) this.#publish([]);
    if (problem === undefined) this.#orphans.check();
  }

  /** Writes down who is new and what changed, then shows it. */
  async #adopt(): Promise<void> {
    while (this.#moved.size > 0 && !this.#closed) {
      for (const key of this.#moved) this.#adopting.add(key);
      this.#moved.clear();
      try {
        await this.#journal.transact(transaction => {
          // What comes at once is of one age, however long it takes: the older one may be the first that is served.
          const now = this.#now();
          for (const key of this.#adopting) {
            const before = objectOf(transaction.get(key)?.value);
            const after = this.#newRecord(key, before, now);
            if (after !== undefined && after !== before) transaction.set(key, after);
          }
        });
      } catch (error) {
        this.#options.log.error('state not written', { dir: this.#options.stateDir, error: String(error) });
        this.#retryAdoption([...this.#adopting]);
      }
      // Even when it could not be written down: announcing what the manifests say matters more.
      const keys = [...this.#adopting];
      this.#adopting.clear();
      this.#publish(keys);
    }
    this.#adoption = undefined;
  }

  #retryAdoption(keys: readonly string[]): void {
    this.#cancelRetry();
    this.#cancelRetry = this.#options.clock.after(adoptRetryMs, () => {
      this.#take(keys);
      if (!this.#closed) this.#adoption ??= this.#adopt();
    });
  }

  #newRecord(key: string, before: ObjectRecord | undefined, now: string): ObjectRecord | undefined {
    const said = this.#sources.get(key);
    return said && adopt(before, { ref: said.ref, raw: said.raw, folder: this.#options.manifestsDir }, now);
  }

  #recordsChanged(keys: readonly string[]): void {
    this.#events.changed(keys);
    this.#publish(
      keys.filter(key => this.#published.has(key) || objectOf(this.#journal.get(key)?.value) !== undefined),
    );
  }

  #publish(keys: readonly string[]): void {
    for (const key of keys) if (!this.#adopting.has(key)) this.#show(key);
    this.#builder.partial(this.#problem !== undefined || this.#sources.isBroken);
    const snapshot = this.#builder.snapshot();
    if (snapshot === this.#snapshot) return;
    this.#snapshot = snapshot;
    for (const wake of this.#subscribers) wake();
  }

  #show(key: string): void {
    const entry = this.#journal.get(key);
    const record = objectOf(entry?.value);
    const said = this.#sources.get(key);
    const ref = record?.ref ?? said?.ref;
    if (ref === undefined && !this.#published.has(key)) return;
    const whole = this.#whole(key);
    this.#orphans.note(key, whole === undefined && record !== undefined && this.#isOurs(record));
    if (whole === undefined) {
      const names = ref ?? parseKey(key);
      if (!this.#published.delete(key) || !isKind(names.kind)) return;
      this.#builder.delete(names.kind, names.namespace, names.name);
      this.#builder.fault({ ref: names, generation: 0, faults: [] });
      return;
    }
    const now: Published = {
      raw: said?.raw,
      seq: entry?.seq,
      others: said === undefined ? 0 : said.sources.length - 1,
    };
    const before = this.#published.get(key);
    if (before?.raw === now.raw && before?.seq === now.seq && before?.others === now.others) return;
    this.#published.set(key, now);
    if (ref !== undefined) this.#build(ref, whole, now.others > 0 ? [contested(said?.sources[0]?.path ?? '')] : []);
  }

  #build(ref: ObjectRef, whole: RawObject, more: readonly Fault[]): void {
    const parsed = parseObject(whole);
    if (parsed.outcome === 'known') {
      const { metadata, kind } = parsed.object;
      this.#builder.put(kind, parsed.object);
      this.#builder.fault({ ref, generation: metadata.generation, faults: [...parsed.warnings, ...more] });
    } else if (parsed.outcome === 'refused' && isKind(ref.kind)) {
      // As an API server, which refuses the edit: what was understood before goes on counting.
      this.#builder.fault({ ref, generation: parsed.generation, faults: [...parsed.faults, ...more] });
    }
  }

  /** The object as it stands: its manifest's or our own, with what the record knows. */
  #whole(key: string): RawObject | undefined {
    const entry = this.#journal.get(key);
    const record = objectOf(entry?.value);
    const raw = record?.object ?? this.#sources.get(key)?.raw;
    return raw === undefined ? undefined : wholeObject(raw, record, String(entry?.seq ?? ''));
  }

  #stands(key: string, record: ObjectRecord): boolean {
    return record.object !== undefined || this.#sources.get(key) !== undefined;
  }

  /** Another process may have other manifests; what it knows about them is not ours to forget. */
  #isOurs(record: ObjectRecord): boolean {
    return record.manifest === undefined || record.manifest.folder === this.#options.manifestsDir;
  }

  async #forget(keys: readonly string[]): Promise<void> {
    try {
      await this.#journal.transact(transaction => {
        for (const key of keys) {
          const record = objectOf(transaction.get(key)?.value);
          if (record !== undefined && !this.#stands(key, record)) transaction.delete(key);
        }
      });
    } catch (error) {
      this.#options.log.error('state not written', { dir: this.#options.stateDir, error: String(error) });
    }
  }

  #refresh(): void {
    try {
      this.#journal.refresh();
    } catch (error) {
      this.#options.log.error('state not readable', { dir: this.#options.stateDir, error: String(error) });
    }
  }

  #now(): string {
    return new Date(this.#options.clock.wallMs()).toISOString();
  }
}

function watchOf({ watch }: DirectoryStoreOptions): Pick<DirectoryStoreOptions, 'watch'> {
  return watch === undefined ? {} : { watch };
}

function objectOf(value: Stored | undefined): ObjectRecord | undefined {
  return isRecord(value) ? value : undefined;
}

function isKind(kind: string): kind is KindName {
  return Object.hasOwn(kinds, kind);
}

/** Back from `Service default/web`. */
function parseKey(key: string): ObjectRef {
  const [kind = '', names = ''] = key.split(' ');
  const [name = '', namespace = ''] = names.split('/').reverse();
  return { kind, namespace, name };
}

function conflict(key: string, given: string | undefined, standing: string | undefined): ConflictError {
  const there = standing === undefined ? 'there is none' : `it is at ${standing}`;
  return new ConflictError(`${key}: written for ${given ?? 'a new object'}, but ${there}`);
}

function contested(path: string): Fault {
  const message = `is described more than once; the one in ${path} counts`;
  return { severity: 'warning', code: 'duplicate', path: '', message, fix: 'keep one of them' };
}
