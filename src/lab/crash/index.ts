/** The check `crash`: a workload stops at every step. */
export { crashCheck } from './crash-check.ts';
export { WorkloadError } from './trace.ts';
export { REACHED } from './reached.ts';
export { crashAblationsPage } from './page.ts';
export { WORKLOADS } from './workloads.ts';
