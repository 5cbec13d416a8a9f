// git as a judge: its machine stops before every step of a commit, and e2fsck looks at the disk
// before the next guest does. `npm run test:laws` plays every step, `npm test` a sample.
import { expect } from 'vitest';
import { type CommitCrash, crashCommit } from '../../examples/zenfs/git-crash.ts';
import { STRATEGIES, type StrategyName } from '../../src/index.ts';
import { itWithE2fsprogs } from '../support/e2fsprogs.ts';
import { CrashedDisks } from '../support/fsck-after-crash.ts';
import { casesOf } from '../support/product.ts';
import { expectInPage } from './judged-programs.ts';

interface Case {
  readonly step: number;
  readonly strategy: StrategyName;
  readonly end: Pick<CommitCrash, 'keep' | 'hypervisor'>;
}

/** More than there are. */
const NEVER = Number.MAX_SAFE_INTEGER;
const ENDS: readonly Case['end'][] = [{}, { hypervisor: true }, { keep: 0 }, { keep: 0.5 }];

itWithE2fsprogs(
  'git has every acknowledged commit with its trees and its blobs, and e2fsck finds nothing wrong, whatever stops before any step of a commit',
  async (judge) => {
    const whole = await crashCommit({ step: NEVER });
    expect(whole).toEqual({ steps: whole.steps, acknowledged: 3, found: 3, problems: [] });
    // The ends take turns at each step, and the strategies from step to step.
    const all = Array.from({ length: whole.steps + 1 }, (_, step) => step).flatMap((step) =>
      ENDS.map((end): Case => ({ step, end, strategy: STRATEGIES[step % STRATEGIES.length]! })),
    );
    expectInPage('git, a commit of two files, ext3', `${whole.steps} steps`, all.length);
    const cases = casesOf('git, stopped at every step', '', all, { sample: 4 });
    const disks = new CrashedDisks(judge);
    for (const [n, { step, strategy, end }] of cases.entries()) {
      const isRio = Object.keys(end).length === 0 && strategy.startsWith('rio');
      const inspect: CommitCrash['inspect'] = (disk) => {
        if (isRio) return disks.repairedCopy(disk);
        const replayed = disks.replayed(disk);
        // Every other disk is the next guest's to replay.
        return n % 2 === 0 ? replayed : undefined;
      };
      const { problems, found, acknowledged } = await crashCommit({ step }, { strategy, ...end, inspect });
      expect({ step, strategy, end, problems }).toEqual({ step, strategy, end, problems: [] });
      expect(found - acknowledged).toBeLessThanOrEqual(1);
    }
    expect(disks.looked).toBe(cases.length);
  },
);
