/**
 * Experiments: the testbed, the reboot strategies, the oracle that checks every page against the
 * disk.
 */
export { runCampaign } from './campaign/campaign.ts';
export { FAULTS, type FaultName } from './campaign/faults.ts';
export * from './campaign/options.ts';
export type { CampaignResult, FaultResult, ProtectionCost } from './campaign/result.ts';
export * from './guest/memory-dump.ts';
export * from './judge/oracle-ext2.ts';
export type { PageVerdicts } from './judge/page-judge.ts';
export * from './guest/options.ts';
export * from './guest/progress.ts';
export * from './guest/reboot.ts';
export type { Mismatch, RebootResult, RunResult, Sample, StrategyResult } from './guest/result.ts';
export * from './host/host.ts';
export * from './host/testbed.ts';
export * from './vmm/experiment.ts';
export { VmmClients, type ClientView, type ServedFile } from './vmm/clients.ts';
export { WebServers } from './vmm/web-servers.ts';
export * from './host/machine-room.ts';
export { rebootHypervisor } from './vmm/reboot.ts';
export { type VmmExperimentOptions } from './vmm/options.ts';
export { VMM_STRATEGIES, type VmmStrategyName } from './host/strategies.ts';
export type {
  VmmExperimentResult,
  VmmGuestResult,
  VmmMeasurement,
  VmmPhase,
  VmmReading,
  VmmRebootResult,
  VmmStrategyResult,
} from './vmm/result.ts';
