/** Asks what runs in a lab over its unix socket. */

/** Not imported: an import asks for every export, and for `http.WebSocket` a whole client is loaded, in 40 ms. */
const { request } = process.getBuiltinModule('node:http');

const answerTimeoutMs = 10_000;

/** GETs `path` and parses the answer. Rejects when there is none, or it is a refusal. */
export function askSocket(socketPath: string, path: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, path, timeout: answerTimeoutMs, agent: false }, response => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const body = Buffer.concat(chunks).toString('utf8');
        if (response.statusCode === 200) resolve(JSON.parse(body));
        else reject(new Error(`${path}: status ${response.statusCode}: ${body}`));
      });
    });
    call.on('error', reject);
    call.on('timeout', () => call.destroy(new Error('no answer in time')));
    call.end();
  });
}
