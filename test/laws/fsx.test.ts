import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { itWithE2fsprogs, mustBeSound, saveImage } from '../support/e2fsprogs.ts';
import { checkProperty, playsLaws, runsFactor } from '../support/property.ts';
import { fsx } from './fsx.ts';

describe('the file-system exerciser', () => {
  itWithE2fsprogs(
    'the file-system exerciser reads what it wrote, over reboots, and leaves a sound file system',
    (judge) => {
      checkProperty(
        judge.where,
        [fc.integer({ min: 1, max: 1 << 30 })],
        (seed) => {
          const path = `${judge.dir}/fsx.img`;
          // So many that each run has reboots.
          const operations = playsLaws() || runsFactor() > 1 ? 10_000 : 5_000;
          const result = fsx(seed as number, operations, (image) => saveImage(image, path));
          mustBeSound(judge, path);
          expect(result.reboots).toBeGreaterThan(0);
          expect(result.reused).toBeGreaterThan(0);
        },
        { numRuns: 1, lawRuns: 5 },
      );
    },
  );

  it('two runs of one seed have one digest', () => {
    expect(fsx(7, 1_000)).toEqual(fsx(7, 1_000));
  });
});
