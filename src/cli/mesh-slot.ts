/** Where `herald run` has its mesh: BGP, which comes first, tells it things before it is there. */

import type { MeshSettings } from './mesh-options.ts';
import type { MeshEnv, MeshPart } from './mesh-run.ts';
import type { BgpPart } from './run-bgp.ts';

type Env = Pick<MeshEnv, 'node' | 'store' | 'clock' | 'log' | 'wake'>;
type Settings = Pick<MeshEnv, 'roles' | 'ipam' | 'stateDir'> & { readonly mesh: MeshSettings | undefined };

export class MeshSlot {
  #part: MeshPart | undefined;

  get part(): MeshPart | undefined {
    return this.#part;
  }

  /** What BGP is given for the mesh. */
  bgp(wake: () => void) {
    return {
      wake: () => {
        wake();
        this.#part?.heard();
      },
      heard: () => this.#part?.heard(),
      besides: (instances: Parameters<MeshPart['besides']>[0]) => this.#part?.besides(instances) ?? instances,
    };
  }

  /** Nothing of the mesh is loaded where there is none. */
  async fill(env: Env, { mesh, roles, ipam, stateDir }: Settings, agent: BgpPart | undefined): Promise<void> {
    if (mesh === undefined) return;
    const { startMesh } = await import('./mesh-run.ts');
    this.#part = await startMesh({
      ...env,
      roles,
      ipam,
      stateDir,
      settings: mesh,
      host: () => agent?.host(),
      speakers: () => agent?.target.shown() ?? [],
      netlink: agent?.netlink,
    });
  }
}
