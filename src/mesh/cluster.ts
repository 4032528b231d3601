/** What names a cluster in a mesh: its name and its ID, and the rules for both. Reference §2.5, §1.10. */

/** A mesh is set up for one of two sizes, everywhere the same. */
export type ClustersMax = 255 | 511;

export interface ClusterIdentity {
  readonly name: string;
  /** 1 to the mesh's maximum. */
  readonly id: number;
}

const nameLengthMax = 32;

export const ClusterIdentity = {
  /** What is wrong with the name, in words; undefined when nothing is. */
  nameFault(name: string): string | undefined {
    if (name.length > nameLengthMax) return `is longer than ${nameLengthMax} characters`;
    if (!/^([a-z0-9][-a-z0-9]*)?[a-z0-9]$/.test(name))
      return 'is not made of lower-case letters, digits and dashes, beginning and ending with a letter or digit';
    return name === 'default' ? 'is the name of a cluster without a mesh' : undefined;
  },

  idFault(id: number, clustersMax: ClustersMax): string | undefined {
    return Number.isInteger(id) && id >= 1 && id <= clustersMax ? undefined : `is not from 1 to ${clustersMax}`;
  },
};
