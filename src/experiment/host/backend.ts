/** What a guest's disk is on the machine: a partition of the drive, or a file in domain 0. */

import { ArgumentError, checkInteger, checkOneOf } from '../../base/argument-error.ts';
import { DOMAIN0_CACHE_MIN } from '../../domain0/cached-file.ts';
import type { Profile } from '../../machine/profile.ts';
import { MEMORY_MAX } from './host.ts';

export const BACKENDS = ['partition', 'file'] as const;
/**
 * - partition: requests reach the drive without a cache of domain 0 (`phy:`);
 * - file: they pass domain 0's page cache (`file:`, the loop driver).
 */
export type BackendName = (typeof BACKENDS)[number];

/** The least that domain 0's page cache has where nothing else is said, bytes. */
const DEFAULT_MIN = 64 << 20;

export interface BackendOptions {
  /** partition by default. */
  readonly backend?: BackendName | undefined;
  /**
   * With `file`: most that domain 0's page cache holds, bytes, 1 MiB to 64 GiB. By default what the
   * profile's machine has besides its guests and domain 0's own programs.
   */
  readonly domain0Cache?: number | undefined;
}

/** @internal @throws ArgumentError for what is no size of domain 0's page cache, in bytes */
export function checkCacheSize(argument: string, bytes: number): void {
  checkInteger(argument, bytes, DOMAIN0_CACHE_MIN, MEMORY_MAX);
}

/** @internal @throws ArgumentError for what is unknown, out of range or of no use */
export function checkBackend({ backend, domain0Cache }: BackendOptions): void {
  if (backend !== undefined) checkOneOf('backend', backend, BACKENDS);
  if (domain0Cache === undefined) return;
  checkCacheSize('domain0Cache', domain0Cache);
  if (backend !== 'file') throw new ArgumentError('domain0Cache: a partition is reached without it');
}

/**
 * Bytes of domain 0's page cache; undefined where guests have partitions.
 * @param guests memory of all guests, bytes
 */
export function domain0CacheOf(
  { backend, domain0Cache }: BackendOptions,
  profile: Profile,
  guests: number,
): number | undefined {
  return backend === 'file' ? (domain0Cache ?? domain0Rest(profile, guests)) : undefined;
}

/**
 * Bytes of the machine besides its guests and domain 0's own programs, 64 MiB at least: what domain
 * 0's page cache may hold.
 * @param guests memory of all guests, bytes
 */
export function domain0Rest(profile: Profile, guests: number): number {
  const { installedBytes, domain0OwnBytes } = profile.hypervisor;
  return Math.max(DEFAULT_MIN, installedBytes.value - domain0OwnBytes.value - guests);
}
