/**
 * The guest kernel, and its memory management for other simulators to embed.
 *
 * @module stillwarm/kernel
 */
export type { ReuseObserver } from './cache/preserved-pages.ts';
export type { KernelCosts } from './costs.ts';
export type { DirectoryEntry } from './fs/file-system.ts';
export { O } from './file/filemap.ts';
export { type BootStats, Kernel, type KernelStats } from './kernel.ts';
export type { InitContext, InitProcess } from './boot/services.ts';
export { type KernelMessage, LOG_LEVELS, type LogLevel } from './log.ts';
export { type MemMap, NO_PAGE, PG } from './mm/mem-map.ts';
export { MemoryManagement, NO_NAMES } from './mm/mm.ts';
export { MAP, MS, PROT } from './file/mmap.ts';
export { type PageAllocator, watermarks, type Watermarks } from './mm/page-alloc.ts';
export type { AddressSpace, PageCache } from './mm/page-cache.ts';
export type { MappedRange, NameTable, PageWatcher, PageWriter } from './mm/page-users.ts';
export {
  type MarkedPages,
  type Readahead,
  RA_CACHE_HIT_LIMIT,
  RA_MAX,
  RA_MIN,
  ReadaheadState,
  type ReadaheadIo,
} from './mm/readahead.ts';
export { SEEK } from './syscall/read-write.ts';
export type { ListeningSocket, NetworkRequest } from './net/socket.ts';
export { POLICIES, type PolicyName, type PolicyRules } from './mm/policy/policies.ts';
export type { MappedPages, ReplacementPolicy } from './mm/policy/policy.ts';
export {
  FADV,
  type FileSystemStatistics,
  type Stat,
  type Syscalls,
  type Time,
  type Timespec,
  XATTR,
} from './syscall/syscalls.ts';
export type { Reclaim, UnclaimedPages } from './mm/vmscan.ts';

/** @internal */
export { NameBatch } from './cache/name-batch.ts';
/** @internal */
export { PreservedPages, Unclaimed } from './cache/preserved-pages.ts';
/** @internal */
export { tellRecency } from './cache/recency.ts';
/** @internal */
export { DEF_PRIORITY, PAGEVEC_SIZE } from './mm/policy/policy.ts';
/** @internal */
export type { Timers } from './net/alarm.ts';
/** @internal */
export { connectionOf, refusal } from './net/segment.ts';
/** @internal */
export { type Broken, Connection } from './net/transport.ts';
