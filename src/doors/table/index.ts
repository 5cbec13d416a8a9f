/**
 * The door `stillwarm/table`: the cache-mapping table alone, over bytes of the caller's. It has no
 * clock, no disk and no memory of its own.
 *
 * @module stillwarm/table
 */
export { ArgumentError } from '../../base/argument-error.ts';
export { type Err, type Ok, type Result } from '../../base/result.ts';
export { CacheTable, type Recovered } from './cache-table.ts';
export {
  type FrameFacts,
  type PageName,
  type Preserved,
  type Refusal,
  REFUSAL_REASONS,
  type RefusalReason,
  TABLE_PROTECTIONS,
  type TableOptions,
  type TableProtections,
} from './options.ts';
export type { ProvenanceName } from '../../xen/frames/provenance.ts';
export { Transfer } from './transfer.ts';
