/**
 * A small disk made in memory, and a run of one strategy on it: what the properties of this folder
 * share.
 */

import { OverlayImage } from '../../src/disk/image/overlay-image.ts';
import { OracleExt2 } from '../../src/experiment/judge/oracle-ext2.ts';
import type { MemoryImage } from '../../src/disk/image/memory-image.ts';
import { listFiles, type DiskSource } from '../../src/experiment/guest/disk-source.ts';
import type { RebootOptions } from '../../src/experiment/guest/options.ts';
import type { StrategyName } from '../../src/experiment/host/strategies.ts';
import { runStrategy, type StrategyOutcome } from '../../src/experiment/guest/strategy.ts';
import type { Testbed } from '../../src/experiment/host/testbed.ts';
import { domain0CacheOf } from '../../src/experiment/host/backend.ts';
import { machineMemoryFor } from '../../src/experiment/host/host.ts';
import { SERVER_2026 } from '../../src/machine/profiles/server-2026.ts';
import { memoryOf } from './memories.ts';

export { bytesOf, imageOf, pattern, smallImage } from '../../src/lab/fuzz/specimens.ts';

/**
 * The disk as an experiment wants it. Throws UserError when the oracle cannot make sense of the
 * image.
 */
export function diskOf(image: MemoryImage): DiskSource {
  const nothing = (): undefined => undefined;
  const oracleOf: DiskSource['oracleOf'] = (medium) => new OracleExt2(medium);
  const rest = {
    notices: [],
    version: 'none',
    copy: () => new OverlayImage(image),
    oracleOf,
    shared: undefined,
    check: nothing,
    close: nothing,
  };
  return { ...listFiles(image), image, ...rest };
}

const GUEST_MEMORY = 12 << 20;

/** Runs one strategy on a guest of 12 MiB with a drive that takes no time. */
export function runSmall(
  disk: DiskSource,
  strategy: StrategyName,
  over: Partial<RebootOptions> = {},
  betweenGuests?: (testbed: Testbed) => void,
): StrategyOutcome {
  const options: RebootOptions = {
    path: '(small)',
    memory: GUEST_MEMORY,
    disk: 'instant',
    profile: 'server-2026',
    strategies: [strategy],
    workload: 'files',
    seed: 1,
    limit: undefined,
    crash: false,
    checksum: false,
    dumpMemory: undefined,
    ...over,
  };
  const memory = memoryOf(machineMemoryFor(options.memory));
  return runStrategy(
    {
      options,
      profile: SERVER_2026,
      disk,
      domain0Cache: domain0CacheOf(options, SERVER_2026, options.memory),
      memory,
      betweenGuests,
    },
    strategy,
    () => undefined,
  );
}
