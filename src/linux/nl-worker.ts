/**
 * The thread `nl`: everything by rtnetlink that may take its time. It waits for events of links, addresses and routes,
 * and for what the main thread wants done.
 */
import { WAIT_MAX_MS, WorkerReins } from './blocking-worker.ts';
import { KernelRoutesWork } from './kernel-routes-work.ts';
import { loadLibc } from './libc.ts';
import { enterNamespace } from './netlink-namespace.ts';
import type { FromNetlink, NetlinkWork, ToNetlink } from './netlink-thread.ts';
import { RtnetlinkEvents } from './rtnetlink-events.ts';

const libc = await loadLibc();
const reins = new WorkerReins<ToNetlink, FromNetlink>(libc);

function main({ namespace, protocol, queueBytes }: NetlinkWork): void {
  if (namespace !== undefined) enterNamespace(namespace);
  const routes = new KernelRoutesWork(libc, protocol, answer => reins.post(answer));
  const events = new RtnetlinkEvents(
    libc,
    { protocol, port: routes.port },
    {
      facts: facts => reins.post({ about: 'host', facts }),
      concerns: message => routes.concerns(message),
      stirred: (stir, facts) => routes.stirred(stir, facts),
    },
    queueBytes,
  );
  const epoll = libc.epoll();
  const ready = new Int32Array(2);
  libc.epollAdd(epoll, reins.wakeFd);
  libc.epollAdd(epoll, events.socket.fd);
  while (!reins.stopped) {
    const nowMs = performance.now();
    const routesMs = events.isReady ? routes.waitMs(nowMs) : undefined;
    const waitMs = Math.min(events.waitMs(nowMs) ?? WAIT_MAX_MS, routesMs ?? WAIT_MAX_MS);
    const count = libc.epollWait(epoll, ready, Math.min(WAIT_MAX_MS, Math.ceil(waitMs)));
    for (let i = 0; i < count; i++) {
      if (ready[i] === events.socket.fd) events.hear(performance.now());
      else for (const message of reins.messages()) routes.take(message);
    }
    events.tell(performance.now());
    // What is written goes by the links that are there, which have to have been listed first.
    if (events.isReady) routes.step(performance.now());
  }
  libc.close(epoll);
  events.close();
  routes.close();
}

main(reins.data as NetlinkWork);
