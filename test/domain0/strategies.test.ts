// Each strategy of a guest's reboot over a disk that is a file in domain 0.
import { expect, it } from 'vitest';
import { STRATEGIES } from '../../src/experiment/host/strategies.ts';
import { diskOf, runSmall, smallImage } from '../support/small-disk.ts';

const FILE = { backend: 'file', domain0Cache: 64 << 20 } as const;
const image = smallImage();
const disk = diskOf(image);

it.each(STRATEGIES)(
  'guests of %s read the same over a file as over a partition, in order and after a crash',
  (name) => {
    for (const crash of name.startsWith('rio') ? [true] : [false, true]) {
      const asked = { crash, workload: 'log' } as const;
      const partition = runSmall(disk, name, asked);
      const file = runSmall(disk, name, { ...asked, ...FILE });
      expect([partition.mismatches, file.mismatches]).toEqual([[], []]);
      expect(file.result.verified.mismatches).toBe(0);
      expect(partition.result.domain0).toBeNull();
      expect(file.result.domain0).toMatchObject({ pagesLost: 0 });
      expect(file.result.runs.map(({ bytes }) => bytes)).toEqual(partition.result.runs.map(({ bytes }) => bytes));
    }
  },
);

it('a guest that starts cold reads nothing from the drive that the guest before it has read', () => {
  const { result } = runSmall(disk, 'cold', FILE);
  expect(result.pages.readAgain).toBeGreaterThan(20);
  // Both guests read all of it through domain 0, and each page came from the drive once at most.
  expect(result.domain0!.pagesHit).toBeGreaterThan(result.pages.readAgain);
  expect(result.domain0!.pagesRead).toBeLessThanOrEqual(image.size / 4096);
});
