/** Experiments: the testbed, the reboot strategies, the oracle that checks every page against the disk. */
export {
  type CampaignOptions,
  type CampaignResult,
  type FaultResult,
  type ProtectionCost,
  type ProtectionName,
  PROTECTIONS,
  runCampaign,
} from './campaign.ts';
export { FAULTS, type FaultName } from './faults.ts';
export * from './memory-dump.ts';
export * from './oracle-ext2.ts';
export type { PageVerdicts } from './page-judge.ts';
export * from './progress.ts';
export * from './reboot.ts';
export * from './result.ts';
export * from './testbed.ts';
export * from './vmm-experiment.ts';
export { VmmClients, type ClientView, type ServedFile } from './vmm-clients.ts';
export * from './vmm-machine.ts';
export { rebootHypervisor } from './vmm-reboot.ts';
export * from './vmm-result.ts';
