/**
 * How fast the speaker is, beside the daemons that are installed: `npm run bench:bgp`.
 *
 * Builds its own load, runs Herald, FRR, BIRD, GoBGP and OpenBGPD (those found) one after the other in every round,
 * each in network namespaces made for it, and prints the medians: time, peak resident memory, processor time.
 */

throw new Error('the benchmark is being written');
