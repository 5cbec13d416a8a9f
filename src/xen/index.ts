/** The hypervisor and its tool stack. What a guest may see of it is in public/. */
export type { XenCosts } from './costs.ts';
export type { Domain, DomainState, DomainStats, RecencyState } from './domain.ts';
export type { FrameHappening, FrameObserver } from './frame-table.ts';
export { Hypervisor, type HypervisorOptions, type Reload } from './hypervisor.ts';
export * from './inspect.ts';
export type { Done, NotDone, Outcome } from './lifecycle.ts';
export { handOver, type NotSuspended, shutdownDomain0, suspendDomain, suspendDomains } from './on-memory-suspend.ts';
export * from './protections.ts';
export { Provenance, PROVENANCE_NAMES, type ProvenanceName } from './provenance.ts';
export {
  Reason,
  REASON_NAMES,
  type ReasonCode,
  type ReasonCounts,
  type ReasonName,
  ShutdownReason,
} from './public/index.ts';
export type { LeftDomain, LostDomain } from './quick-reload.ts';
export { restoreDomain, type RestoreOptions, type RestoreOutcome } from './restore.ts';
export { saveDomain, type SaveOutcome, type SaveParts } from './save.ts';
export type { DomainConfig } from './domain-list.ts';
export { resumeDomain } from './resume.ts';
export { saveFileBytes } from './save-format.ts';
export { domainOf, type RestartOptions, type ShutdownRequest, Toolstack } from './toolstack.ts';
export { type ManagedConfig, type StopAction, Xend } from './xend.ts';

/** @internal */
export * from './layout-page.ts';
/** @internal */
export * from './public/index.ts';
/** @internal */
export * from './save-layout-page.ts';
/** @internal */
export { shutdownNodeOf } from './xenstore.ts';
/** @internal */
export * from './migrate.ts';
