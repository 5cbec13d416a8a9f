/** The guest kernel, and its memory management for other simulators to embed. */
export type { ReuseObserver } from './cache-map.ts';
export type { KernelCosts } from './costs.ts';
export type { DirectoryEntry } from './ext2-dir.ts';
export { O } from './filemap.ts';
export { Kernel, type KernelStats } from './kernel.ts';
export { type MemMap, NO_PAGE, PG } from './mem-map.ts';
export { MemoryManagement, NO_NAMES } from './mm.ts';
export { MAP, MS, PROT } from './mmap.ts';
export { type PageAllocator, watermarks, type Watermarks } from './page-alloc.ts';
export type { AddressSpace, MappedRange, NameTable, PageCache } from './page-cache.ts';
export { RA_CACHE_HIT_LIMIT, RA_MAX, RA_MIN, ReadaheadState, type ReadaheadIo } from './readahead.ts';
export { SEEK } from './read-write.ts';
export type { ListeningSocket, NetworkRequest } from './socket.ts';
export type { Lru } from './swap.ts';
export { FADV, type Stat, type Syscalls } from './syscalls.ts';
export type { Reclaim, UnclaimedPages } from './vmscan.ts';

/** @internal */
export { CacheMap } from './cache-map.ts';
/** @internal */
export { PAGEVEC_SIZE } from './swap.ts';
/** @internal */
export { type Broken, Connection, connectionOf, type Timers } from './transport.ts';
/** @internal */
export { DEF_PRIORITY } from './vmscan.ts';
