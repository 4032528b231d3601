/** What `npm start -- --kube` shows besides: what is applied with kubectl, and a Service getting its address. */
import { findProgram } from '../src/lab/kube-programs.ts';
import { given, labName } from './start-ask.ts';
import type { Show } from './start-show.ts';

/** Watches while the manifests are applied; what the watch has seen is shown once the addresses are there. */
export async function applyAndWatch(show: Show): Promise<void> {
  const words = ['get', 'services', '--namespace', 'lab', '--watch'];
  show.say(`   $ kubectl ${words.join(' ')} &`);
  const watch = show.beginKubectl(words);
  const { status } = await show.kubectl('apply', '-f', 'examples/lab/manifests');
  show.check('everything is applied', status === 0);
  const seen = await show.until('the watch to see an address', async () => {
    const [address] = await given('lab/web');
    return address !== undefined && watch.out().includes(address) ? address : undefined;
  });
  watch.child.kill('SIGTERM');
  show.quote(watch.out());
  show.check('the watch saw a Service get its address', seen !== undefined);
  for (const name of ['web', 'login'])
    await show.kubectl('rollout', 'status', '--namespace', 'lab', '--timeout', '60s', `deployment/${name}`);
  const pods = await show.kubectl('get', 'pods,endpointslices', '--namespace', 'lab');
  show.check('the pods run', pods.out.split('\n').filter(line => line.includes(' Running ')).length === 4);
  if (findProgram('kube-proxy') === undefined) return;
  const tables = await show.herald('lab', 'exec', '--lab', labName, 'node0', 'nft', 'list', 'tables');
  const [ours, theirs] = [/herald-lab-proxy/, /kube-proxy/].map(each => each.test(tables.out));
  show.check('kube-proxy carries the traffic, not the lab’s stand-in', theirs === true && ours === false);
}
