// Where a guest's dirty pages are written home, a crash leaves the call under way half done, and
// nothing else.
import { beforeAll, describe, expect, it } from 'vitest';
import { GuestCrash, type Machine, type StrategyName } from '../../../src/doors/machine/index.ts';
import type { Step } from '../../../src/doors/machine/steps.ts';
import type { Known } from '../../../src/lab/crash/course.ts';
import { judge, LAWS } from '../../../src/lab/crash/laws.ts';
import { crashOptions } from '../../../src/lab/crash/options.ts';
import { Subject } from '../../../src/lab/crash/subject.ts';
import { playsLaws } from '../../support/property.ts';

/** The workload `mixed` makes a symbolic link here, behind a change that nothing has saved. */
const LINK = '/l';

/** Steps of the guest's own in the call that makes the link. */
function stepsOfLink(subject: Subject): readonly number[] {
  const { play, course } = subject.start();
  const inLink: number[] = [];
  let isLooking = false;
  let own = 0;
  const before = ({ isGuests }: Step): number => {
    if (!isLooking || !isGuests) return 0;
    if (course!.known().open.includes(LINK)) inLink.push(own);
    own++;
    return 0;
  };
  const machine = subject.boot(0, { watch: () => ({ before, torn: () => undefined }) });
  isLooking = true;
  play(machine);
  return inLink;
}

/** A machine whose guest died before such a step, when it is up again, and what was known then. */
function crashed(subject: Subject, step: number): { readonly machine: Machine; readonly known: Known } {
  const { play, course } = subject.start();
  const machine = subject.boot(0, { guestStepsOnly: true });
  machine.crashAt({ step });
  expect(() => play(machine)).toThrow(GuestCrash);
  const known = course!.known();
  machine.reboot();
  return { machine, known };
}

const subjectOf = (strategy: StrategyName, fs: string): Subject =>
  new Subject(crashOptions({ workload: 'mixed', strategy, fs }), undefined);

describe.each(playsLaws() ? ['ext2', 'ext3'] : ['ext3'])(
  'a guest of %s that dies while it makes a symbolic link',
  (fs) => {
    let steps: readonly number[];
    beforeAll(() => {
      steps = stepsOfLink(subjectOf('rio', fs));
    });

    it('the link is half done at some step, and all that was there before it is whole at each', () => {
      const subject = subjectOf('rio', fs);
      const halfDone = new Set<string>();
      for (const step of steps) {
        const { machine, known } = crashed(subject, step);
        const { sure, done, open } = known;
        expect(open).toEqual([LINK]);
        expect(judge(machine, { sure, done, halfDone: open }).broken).toEqual([]);
        for (const { law, what } of judge(machine, { sure, done, halfDone: [] }).broken) {
          expect(law).toBe(LAWS.files);
          halfDone.add(what);
        }
      }
      expect([...halfDone]).toEqual(['/w/l answers EIO']);
    });

    it('without Rio, what was not saved before the link is lost', () => {
      const { machine, known } = crashed(subjectOf('warm-cache', fs), steps[0]!);
      expect(judge(machine, { ...known, halfDone: undefined }).broken).toEqual([
        { law: LAWS.done, what: expect.stringMatching(/^after a crash \/w/) as string },
      ]);
    });
  },
);
