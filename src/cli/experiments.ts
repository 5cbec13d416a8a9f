/** The experiments whose runs may be done in threads, by the name of their command. */

import type { RebootOptions } from '../experiment/guest/options.ts';
import { REBOOT_RUNS, type RebootOutcome } from '../experiment/guest/reboot.ts';
import type { Runs } from '../experiment/guest/runs.ts';
import { PAPER_RUNS, type PaperBatch, type PaperPart } from '../experiment/paper/runs.ts';
import { VMM_RUNS, type VmmExperimentOutcome } from '../experiment/vmm/experiment.ts';
import type { VmmExperimentOptions } from '../experiment/vmm/options.ts';
import { WEB_RUNS, type WebOutcome } from '../experiment/web/experiment.ts';
import type { WebOptions } from '../experiment/web/options.ts';

export interface OptionsOf {
  readonly reboot: RebootOptions;
  readonly 'vmm-reboot': VmmExperimentOptions;
  readonly web: WebOptions;
  readonly paper: PaperBatch;
}

export interface OutcomeOf {
  readonly reboot: RebootOutcome;
  readonly 'vmm-reboot': VmmExperimentOutcome;
  readonly web: WebOutcome;
  readonly paper: readonly PaperPart[];
}

export type ExperimentName = keyof OptionsOf;

export const EXPERIMENTS: { readonly [Name in ExperimentName]: Runs<OptionsOf[Name], unknown, OutcomeOf[Name]> } = {
  reboot: REBOOT_RUNS,
  'vmm-reboot': VMM_RUNS,
  web: WEB_RUNS,
  paper: PAPER_RUNS,
};
