/**
 * `stillwarm check faults`: the runs of each fault, one after the other, and then the times of the
 * protections. No page may be reused wrongly with the protections on. Without those that guard
 * against the fault some page must be: a run has reached that, or the fault and the judge prove
 * nothing.
 */

import { ARCHS } from '../../base/arch.ts';
import { checkArgument, checkInteger, checkListOf, checkObject, checkOneOf } from '../../base/argument-error.ts';
import { counted } from '../../base/counted.ts';
import type { Check, CheckOptions } from '../check.ts';
import type { Violation } from '../part.ts';
import { FAULT, FAULTS } from './faults.ts';
import { PROTECTIONS, type FaultsOptions } from './options.ts';
import { addCost, addRun, COSTLY, type Counts } from './table.ts';
import { strikeOnce, testRoom, timeWithout } from './trial.ts';

/** What must hold of each run. */
export const LAW = 'no page is reused wrongly';

export const FAULTS_CHECK: Check = {
  name: 'faults',

  count(options) {
    const { faults, runs } = checked(options);
    return faults.length * runs + COSTLY.length;
  },

  play(part, progress) {
    const options = checked(part.options);
    const { faults, runs } = options;
    checkArgument(part.check === 'faults', 'part', `expected one of faults, got one of ${part.check}`);
    checkInteger('part.to', part.to, 0, faults.length * runs + COSTLY.length);
    checkInteger('part.from', part.from, 0, part.to);
    const room = testRoom();
    const counts: Counts = { states: 0 };
    const reached: Counts = {};
    for (const fault of faults) if (FAULT[fault].guards.length > 0) reached[wrongWithout(fault)] = 0;
    const violations: Violation[] = [];
    let done = 0;
    for (let at = part.from; at < part.to && progress(done); at++, done++) {
      const fault = faults[Math.floor(at / runs)];
      if (fault === undefined) {
        counts['states']! += 1;
        addCost(counts, timeWithout(room, COSTLY[at - faults.length * runs]!, options));
        continue;
      }
      const run = strikeOnce(room, fault, at % runs, options);
      counts['states']! += run.unguarded === null ? 1 : 2;
      addRun(counts, fault, run);
      if (run.unguarded !== null && run.unguarded.reusedWrongly > 0) reached[wrongWithout(fault)]! += 1;
      const wrong = run.protected.reusedWrongly;
      if (wrong === 0) continue;
      violations.push({
        at,
        law: LAW,
        what: `${fault}, run ${at % runs}: ${counted(wrong, 'page was reused wrongly', 'pages were reused wrongly')}`,
        replay: replayLine(options, at),
        history: [],
      });
    }
    return { part, done, counts, reached, violations };
  },
};

const wrongWithout = (fault: string): string => `${fault}: a wrong page without its guards`;

/** Plays the one run as the only case of its fault. */
function replayLine({ faults, runs, seed, without, arch }: FaultsOptions, at: number): string {
  const off = without.length === 0 ? '' : ` --without ${without.join(',')}`;
  const machine = arch === undefined || arch === ARCHS[0] ? '' : ` --arch ${arch}`;
  const fault = faults[Math.floor(at / runs)]!;
  return `stillwarm check faults --fault ${fault} --runs ${runs} --seed ${seed}${off}${machine} --case ${at % runs}`;
}

function checked(options: CheckOptions): FaultsOptions {
  checkObject('options', options);
  const { faults, runs, seed, without, arch } = options;
  checkListOf('faults', faults, FAULTS);
  checkListOf('without', without, PROTECTIONS);
  checkInteger('runs', runs, 1);
  checkInteger('seed', seed, Number.MIN_SAFE_INTEGER);
  if (arch !== undefined) checkOneOf('arch', arch, ARCHS);
  return { faults, runs: runs as number, seed: seed as number, without, arch };
}
