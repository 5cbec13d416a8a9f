/**
 * The hypervisor and its tool stack. What a guest may see of it, all wire constants among it, is in
 * `stillwarm/xen/public`.
 *
 * @module stillwarm/xen
 */
export type { CacheMapStats } from './frames/cache-map.ts';
export type { DomainList } from './toolstack/domain-list.ts';
export type { DomainRecord } from './records/records.ts';
export type { MemoryMap } from './records/layouts.ts';
export type { StoreRecord } from './records/devices.ts';
export type { XenCosts } from './costs.ts';
export type { DirtyPages, Domain, DomainState, DomainStats, HypercallStats, RecencyState } from './domain/domain.ts';
export type { FrameHappening, FrameObserver } from './frames/record-table.ts';
export { Hypervisor, type HypervisorOptions, type Reload } from './core/hypervisor.ts';
export * from './inspect.ts';
export { endOf, type NotDone, type Outcome } from './domain/lifecycle.ts';
export {
  handOver,
  type NotSuspended,
  shutdownDomain0,
  suspendDomain,
  suspendDomains,
} from './toolstack/on-memory-suspend.ts';
export * from './protections.ts';
export { Provenance, PROVENANCE_NAMES, type ProvenanceName } from './frames/provenance.ts';
export {
  Reason,
  REASON_NAMES,
  type ReasonCode,
  type ReasonCounts,
  type ReasonName,
  ShutdownReason,
} from './public/index.ts';
export type { LostDomain } from './core/quick-reload.ts';
export { restoreDomain, type Restored, type RestoreOptions, type RestoreOutcome } from './save/restore.ts';
export {
  saveDomain,
  type Saved,
  type SavedConfig,
  type SaveOutcome,
  type SaveParts,
  type Stayed,
} from './save/save.ts';
export type { DomainConfig, DomainDevices } from './toolstack/domain-entry.ts';
export type { RestartOptions } from './toolstack/restart.ts';
export { resumeDomain } from './toolstack/resume.ts';
export { saveFileBytes } from './save/format.ts';
export { domainOf, type ShutdownRequest, Toolstack } from './toolstack/toolstack.ts';
export { type ManagedConfig, type StopAction, Xend } from './toolstack/xend.ts';

/** @internal */
export { shutdownNodeOf } from './channels/xenstore.ts';
/** @internal */
export * from './save/migrate.ts';
