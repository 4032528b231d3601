/** What a running process answers on its local socket about addresses: the same views that the commands print. */
import type { IpamControl } from '../control/ipam.ts';
import type { IpamSettings } from '../control/ipam-claims.ts';
import { explainService, ipamView } from '../control/ipam-view.ts';
import { jsonAnswer, RequestError, type Routes } from '../runtime/http.ts';

/** `control` gives the one whose word counts at the moment: another one after each change of leadership. */
export function ipamRoutes(control: () => IpamControl, settings: IpamSettings): Routes {
  return {
    '/ipam': () => jsonAnswer(ipamView(control())),
    '/ipam/explain': query => {
      const path = query.get('service') ?? '';
      const [namespace = '', name = ''] = path.split('/');
      const view = explainService(control(), settings, namespace, name);
      if (view === undefined) throw new RequestError(404, `there is no Service ${path}`);
      return jsonAnswer(view);
    },
  };
}
