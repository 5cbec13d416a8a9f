/**
 * The door `stillwarm/table`: the cache-mapping table alone, over bytes of the caller's. It has no
 * clock, no disk and no memory of its own.
 */
export { ArgumentError } from '../../base/argument-error.ts';
export { type Err, type Ok, type Result } from '../../base/result.ts';
export { CacheTable, type Recovered } from './cache-table.ts';
export type {
  FrameFacts,
  PageName,
  Preserved,
  Refusal,
  RefusalReason,
  TableOptions,
  TableProtections,
} from './options.ts';
export type { ProvenanceName } from '../../xen/frames/provenance.ts';
export { Transfer } from './transfer.ts';
