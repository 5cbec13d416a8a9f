/** The experiments whose runs may be done in threads, by the name of their command. */

import { CURVE_RUNS, type CurveOptions } from '../experiment/accesses/curve.ts';
import { RESTORE_RUNS, type RestoreJob, type RestoreOutcome } from '../experiment/accesses/restore.ts';
import type { RebootOptions } from '../experiment/guest/options.ts';
import { REBOOT_RUNS, type RebootOutcome } from '../experiment/guest/reboot.ts';
import type { Runs } from '../experiment/guest/runs.ts';
import { PREDICT_RUNS, type PredictOutcome } from '../experiment/predict/experiment.ts';
import type { PredictOptions } from '../experiment/predict/options.ts';
import { PAPER_RUNS, type PaperBatch, type PaperPart } from '../experiment/paper/runs.ts';
import { VMM_RUNS, type VmmExperimentOutcome } from '../experiment/vmm/experiment.ts';
import type { VmmExperimentOptions } from '../experiment/vmm/options.ts';
import { WEB_RUNS, type WebOutcome } from '../experiment/web/experiment.ts';
import type { WebOptions } from '../experiment/web/options.ts';
import type { Program } from '../doors/machine/index.ts';
import type { PartResult } from '../lab/part.ts';
import { checkRuns, countRuns, type CheckJob } from './check/runs.ts';
import type { CheckEntry } from './check/entry.ts';

export interface OptionsOf {
  readonly reboot: RebootOptions;
  readonly 'vmm-reboot': VmmExperimentOptions;
  readonly web: WebOptions;
  readonly predict: PredictOptions;
  readonly curve: CurveOptions;
  readonly restore: RestoreJob;
  readonly paper: PaperBatch;
  readonly check: CheckJob;
  readonly 'check-count': CheckJob;
}

export interface OutcomeOf {
  readonly reboot: RebootOutcome;
  readonly 'vmm-reboot': VmmExperimentOutcome;
  readonly web: WebOutcome;
  readonly predict: PredictOutcome;
  readonly curve: readonly (readonly number[])[];
  readonly restore: RestoreOutcome;
  readonly paper: readonly PaperPart[];
  readonly check: readonly PartResult[];
  readonly 'check-count': number;
}

export type ExperimentName = keyof OptionsOf;

export type Experiments = { readonly [Name in ExperimentName]: Runs<OptionsOf[Name], unknown, OutcomeOf[Name]> };

/** @param programs instances of a user's program, where the check takes one */
export const experimentsOf = (checks: readonly CheckEntry[], programs: readonly Program[] = []): Experiments => ({
  reboot: REBOOT_RUNS,
  'vmm-reboot': VMM_RUNS,
  web: WEB_RUNS,
  predict: PREDICT_RUNS,
  curve: CURVE_RUNS,
  restore: RESTORE_RUNS,
  paper: PAPER_RUNS,
  check: checkRuns(checks, programs[0]),
  'check-count': countRuns(checks, programs),
});
