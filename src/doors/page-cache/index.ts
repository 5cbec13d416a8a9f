/**
 * The door `stillwarm/page-cache`: the page cache of Linux 2.6.12 for another simulator, with
 * lists, reclaim and readahead, without time and I/O.
 *
 * @module stillwarm/page-cache
 */
export { ArgumentError } from '../../base/argument-error.ts';
export type { Ino, PageIndex, Pfn } from '../../base/units.ts';
export { NO_PAGE } from '../../kernel/mm/mem-map.ts';
export type { AddressSpace } from '../../kernel/mm/page-cache.ts';
export type { PolicyName } from '../../kernel/mm/policy/policies.ts';
export type { NameTable } from '../../kernel/mm/page-users.ts';
export { EmbeddedPageCache } from './embedded-page-cache.ts';
export { FileReadahead, type FileReadaheadOptions } from './file-readahead.ts';
export type * from './options.ts';
