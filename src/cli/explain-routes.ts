/** What a running process answers about the way of a Service's address. */
import { type Answering, explainServiceRoutes } from '../control/explain.ts';
import type { IpamSettings } from '../control/ipam-claims.ts';
import { explainService } from '../control/ipam-view.ts';
import { toldReader } from '../runtime/bgp-explain.ts';
import type { BgpTarget } from '../runtime/bgp-target.ts';
import type { ControlPlane } from '../runtime/control-plane.ts';
import { jsonAnswer, RequestError, type Routes } from '../runtime/http.ts';
import type { Clock } from '../runtime/ports.ts';

/** `bgp` is there where this process is an agent; `settings` where it allocates. */
export function explainRoutes(
  plane: ControlPlane,
  clock: Clock,
  bgp: BgpTarget | undefined,
  settings: IpamSettings | undefined,
  answering: () => ((address: string) => Answering | undefined) | undefined = () => undefined,
): Routes {
  return {
    '/explain/service': query => {
      const path = query.get('service') ?? '';
      const [namespace = '', name = ''] = path.split('/');
      const node = plane.desired?.node;
      const answers = answering();
      const view = explainServiceRoutes({
        snapshot: plane.snapshot,
        namespace,
        name,
        ipam: settings && explainService(plane.ipam, settings, namespace, name),
        nodes: node === undefined ? [] : [node],
        ...(bgp === undefined ? {} : { told: toldReader(bgp.shown(), clock) }),
        ...(answers === undefined ? {} : { answering: answers }),
      });
      if (view === undefined) throw new RequestError(404, `there is no Service ${path}`);
      return jsonAnswer(view);
    },
  };
}
