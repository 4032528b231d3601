/** Asks a running Herald over its unix socket. */
import { CommandError, type Option } from './command.ts';

/** Not imported: an import asks for every export, and for `http.WebSocket` a whole client is loaded, in 40 ms. */
const { request } = process.getBuiltinModule('node:http');

/** Where the state directory is when nobody says. */
export const defaultStateDir = '/var/lib/herald';
/** The socket's name inside the state directory. */
export const socketName = 'herald.sock';

/** For every command that asks a running process. */
export const socketOption = {
  type: 'string',
  default: `${defaultStateDir}/${socketName}`,
  value: 'PATH',
  about: 'unix socket of the running process',
} as const satisfies Option;

const answerMaxBytes = 512 * 1024 * 1024;
const answerTimeoutMs = 30_000;

/**
 * GETs `path` (with its query) and parses the answer. CommandError, in one line, when there is none or it is a refusal.
 */
export async function ask(socketPath: string, path: string): Promise<unknown> {
  const { status, body } = await get(socketPath, path);
  const value: unknown = JSON.parse(body);
  if (status === 200) return value;
  const said =
    typeof value === 'object' && value !== null && 'error' in value ? String(value.error) : `status ${status}`;
  throw new CommandError(said);
}

function get(socketPath: string, path: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, path, timeout: answerTimeoutMs, agent: false }, response => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        size += chunk.length;
        if (size > answerMaxBytes) call.destroy(new Error('the answer is too large'));
      });
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') }),
      );
      response.on('error', fail);
    });
    const fail = (error: Error) => reject(new CommandError(explain(error, socketPath)));
    call.on('error', fail);
    call.on('timeout', () => call.destroy(new Error('no answer in time')));
    call.end();
  });
}

function explain(error: Error, socketPath: string): string {
  const code = 'code' in error ? error.code : undefined;
  if (code === 'ENOENT' || code === 'ECONNREFUSED')
    return `no Herald answers at ${socketPath}; start \`herald run\` or name its socket with --socket`;
  if (code === 'EACCES') return `no permission to use ${socketPath}; it belongs to the user Herald runs as`;
  return `asking ${socketPath} failed: ${error.message}`;
}
