/**
 * The part of etcd's v3 API that is used here, as a table: fields that nobody looks at are left out, and skipped when
 * they come. Field numbers are those of etcd's rpc.proto and kv.proto.
 */
import { fromJSON, type MethodDefinition } from '@grpc/proto-loader';

export interface Header {
  /** Decimal, unsigned 64-bit. */
  readonly cluster_id: string;
  readonly revision: string;
}

export interface KeyValue {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  /** 0: none. */
  readonly lease: string;
}

export interface RangeResponse {
  readonly header: Header | null;
  readonly kvs: readonly KeyValue[];
  readonly more: boolean;
  /** Decimal: how many there are in the range, however many are given. */
  readonly count: string;
}

export interface WatchResponse {
  readonly header: Header | null;
  readonly watch_id: string;
  readonly created: boolean;
  readonly canceled: boolean;
  readonly compact_revision: string;
  readonly cancel_reason: string;
  readonly events: readonly { readonly type: 'PUT' | 'DELETE'; readonly kv: KeyValue | null }[];
}

export interface LeaseResponse {
  readonly header: Header | null;
  readonly ID: string;
  /** Seconds; 0 or less: there is no such lease. */
  readonly TTL: string;
}

export interface StatusResponse {
  readonly header: Header | null;
  readonly version: string;
}

/** Name and number of a field, with its type; `repeated` where there may be several. */
type Field = { readonly type: string; readonly id: number; readonly rule?: 'repeated' };

function message(fields: Readonly<Record<string, readonly [type: string, id: number, rule?: 'repeated']>>) {
  const entries = Object.entries(fields).map(([name, [type, id, rule]]): [string, Field] => [
    name,
    rule === undefined ? { type, id } : { type, id, rule },
  ]);
  return { fields: Object.fromEntries(entries) };
}

function method(requestType: string, responseType: string, stream = false) {
  return { requestType, responseType, requestStream: stream, responseStream: stream };
}

const keyValue = message({
  key: ['bytes', 1],
  value: ['bytes', 5],
  lease: ['int64', 6],
});

const event = {
  ...message({ type: ['EventType', 1], kv: ['KeyValue', 2] }),
  nested: { EventType: { values: { PUT: 0, DELETE: 1 } } },
};

const rpc = {
  ResponseHeader: message({ cluster_id: ['uint64', 1], revision: ['int64', 3] }),
  RangeRequest: message({
    key: ['bytes', 1],
    range_end: ['bytes', 2],
    limit: ['int64', 3],
    revision: ['int64', 4],
  }),
  RangeResponse: message({
    header: ['ResponseHeader', 1],
    kvs: ['mvccpb.KeyValue', 2, 'repeated'],
    more: ['bool', 3],
    count: ['int64', 4],
  }),
  PutRequest: message({ key: ['bytes', 1], value: ['bytes', 2], lease: ['int64', 3] }),
  PutResponse: message({ header: ['ResponseHeader', 1] }),
  DeleteRangeRequest: message({ key: ['bytes', 1] }),
  DeleteRangeResponse: message({ header: ['ResponseHeader', 1] }),
  WatchRequest: {
    ...message({ create_request: ['WatchCreateRequest', 1], progress_request: ['WatchProgressRequest', 3] }),
    oneofs: { request_union: { oneof: ['create_request', 'progress_request'] } },
  },
  WatchCreateRequest: message({
    key: ['bytes', 1],
    range_end: ['bytes', 2],
    start_revision: ['int64', 3],
    progress_notify: ['bool', 4],
    fragment: ['bool', 8],
  }),
  WatchProgressRequest: message({}),
  WatchResponse: message({
    header: ['ResponseHeader', 1],
    watch_id: ['int64', 2],
    created: ['bool', 3],
    canceled: ['bool', 4],
    compact_revision: ['int64', 5],
    cancel_reason: ['string', 6],
    events: ['mvccpb.Event', 11, 'repeated'],
  }),
  LeaseGrantRequest: message({ TTL: ['int64', 1] }),
  LeaseGrantResponse: message({ header: ['ResponseHeader', 1], ID: ['int64', 2], TTL: ['int64', 3] }),
  LeaseKeepAliveRequest: message({ ID: ['int64', 1] }),
  LeaseKeepAliveResponse: message({ header: ['ResponseHeader', 1], ID: ['int64', 2], TTL: ['int64', 3] }),
  AuthenticateRequest: message({ name: ['string', 1], password: ['string', 2] }),
  AuthenticateResponse: message({ header: ['ResponseHeader', 1], token: ['string', 2] }),
  StatusRequest: message({}),
  StatusResponse: message({ header: ['ResponseHeader', 1], version: ['string', 2] }),
  KV: {
    methods: {
      Range: method('RangeRequest', 'RangeResponse'),
      Put: method('PutRequest', 'PutResponse'),
      DeleteRange: method('DeleteRangeRequest', 'DeleteRangeResponse'),
    },
  },
  Watch: { methods: { Watch: method('WatchRequest', 'WatchResponse', true) } },
  Lease: {
    methods: {
      LeaseGrant: method('LeaseGrantRequest', 'LeaseGrantResponse'),
      LeaseKeepAlive: method('LeaseKeepAliveRequest', 'LeaseKeepAliveResponse', true),
    },
  },
  Auth: { methods: { Authenticate: method('AuthenticateRequest', 'AuthenticateResponse') } },
  Maintenance: { methods: { Status: method('StatusRequest', 'StatusResponse') } },
};

/** 64-bit numbers are decimal text: cluster IDs have all their bits. */
const definition = fromJSON(
  // A type of nested folders of folders, which the compiler cannot follow through the helpers above.
  {
    nested: { mvccpb: { nested: { KeyValue: keyValue, Event: event } }, etcdserverpb: { nested: rpc } },
  } as Parameters<typeof fromJSON>[0],
  { keepCase: true, longs: String, enums: String, defaults: true },
);

/** What each method takes and gives. */
export interface Methods {
  'KV/Range': {
    readonly in: { key: Uint8Array; range_end?: Uint8Array; limit?: number; revision?: string };
    readonly out: RangeResponse;
  };
  'KV/Put': {
    readonly in: { key: Uint8Array; value: Uint8Array; lease: string };
    readonly out: { readonly header: Header | null };
  };
  'KV/DeleteRange': { readonly in: { key: Uint8Array }; readonly out: { readonly header: Header | null } };
  'Lease/LeaseGrant': { readonly in: { TTL: number }; readonly out: LeaseResponse };
  'Auth/Authenticate': {
    readonly in: { name: string; password: string };
    readonly out: { readonly header: Header | null; readonly token: string };
  };
  'Maintenance/Status': { readonly in: Record<string, never>; readonly out: StatusResponse };
}

/** Streams: what is written and what comes. */
export interface Streams {
  'Watch/Watch': {
    readonly in:
      | {
          create_request: {
            key: Uint8Array;
            range_end?: Uint8Array;
            start_revision: string;
            progress_notify: boolean;
            fragment: boolean;
          };
        }
      | { progress_request: Record<string, never> };
    readonly out: WatchResponse;
  };
  'Lease/LeaseKeepAlive': { readonly in: { ID: string }; readonly out: LeaseResponse };
}

/** How a method is called: its path, and its messages as octets. */
export function methodOf(name: keyof Methods | keyof Streams): MethodDefinition<object, object> {
  const [service = '', called = ''] = name.split('/');
  const found = (definition[`etcdserverpb.${service}`] as Record<string, MethodDefinition<object, object>>)[called];
  if (found === undefined) throw new Error(`${name} is not in the table`);
  return found;
}
