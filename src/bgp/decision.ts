/**
 * The decision process (RFC 4271 §9.1.2.2 with RFC 4456 §9) as a table in the order it is gone through. What decided is
 * kept with each best path, so "why this one" is data.
 */

/** Steps in order; a route's step is its name. */
export const decisionSteps = [
  'only path',
  'local preference',
  'originated here',
  'AS path length',
  'origin',
  'MED',
  'external over internal',
  'router ID',
  'cluster list length',
  'peer address',
] as const;
export type DecisionStep = (typeof decisionSteps)[number];
