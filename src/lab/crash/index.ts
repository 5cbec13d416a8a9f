/** The check `crash`: a workload stops at every step. */
export { crashCheck } from './crash-check.ts';
export type { UserWorkloads } from './subject.ts';
export { CRASH_KINDS, type CrashKind, FILE_SYSTEMS, type FileSystemName } from './options.ts';
export { WorkloadError } from './trace.ts';
export { REACHED } from './reached.ts';
export { WORKLOADS } from './workloads.ts';
