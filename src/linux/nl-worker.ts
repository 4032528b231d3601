/**
 * The thread `nl`: everything by rtnetlink that may take its time. It waits for events of links, addresses and routes,
 * and for what the main thread wants done.
 */
import { WAIT_MAX_MS, WorkerReins } from './blocking-worker.ts';
import { loadLibc } from './libc.ts';
import { enterNamespace } from './netlink-namespace.ts';
import type { FromNetlink, NetlinkWork, ToNetlink } from './netlink-thread.ts';
import { RtnetlinkEvents } from './rtnetlink-events.ts';

const libc = await loadLibc();
const reins = new WorkerReins<ToNetlink, FromNetlink>(libc);

function main({ namespace, protocol }: NetlinkWork): void {
  if (namespace !== undefined) enterNamespace(namespace);
  const events = new RtnetlinkEvents(libc, protocol, {
    facts: facts => reins.post({ about: 'host', facts }),
    stirred: () => {},
  });
  const epoll = libc.epoll();
  const ready = new Int32Array(2);
  libc.epollAdd(epoll, reins.wakeFd);
  libc.epollAdd(epoll, events.socket.fd);
  while (!reins.stopped) {
    const waitMs = events.waitMs(performance.now()) ?? WAIT_MAX_MS;
    const count = libc.epollWait(epoll, ready, Math.min(WAIT_MAX_MS, Math.ceil(waitMs)));
    for (let i = 0; i < count; i++) {
      if (ready[i] === events.socket.fd) events.hear(performance.now());
      else for (const _ of reins.messages());
    }
    events.tell(performance.now());
  }
  libc.close(epoll);
  events.close();
}

main(reins.data as NetlinkWork);
