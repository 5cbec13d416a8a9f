/** A check of the lab on the command line: what checks.ts lists. */

import type { Program } from '../../doors/machine/index.ts';
import type { Check, CheckOptions, Findings } from '../../lab/check.ts';
import type { Violation } from '../../lab/part.ts';
import type { RUNNING } from './options.ts';
import type { CommandSpec, Options } from '../kit/option-kinds.ts';

export interface CheckEntry {
  /** Its sub-command: options of its own, and those of every check. */
  readonly spec: CommandSpec<typeof RUNNING & Options>;
  /** What a case is called. */
  readonly unit: { readonly one: string; readonly many?: string };
  /** Fewest cases of a part: as many as make up for what is done once for each part. */
  readonly least: number;
  /** Bytes of memory that one part touches. */
  readonly partBytes: number;
  /** What decides the cases, as JSON, from the values of its own options. */
  readonly optionsOf: (given: Readonly<Record<string, unknown>>) => CheckOptions;
  /** @param program that of `--workload`; undefined where the check takes none */
  readonly checkOf: (program: Program | undefined) => Check;
  /** What was covered of how much, for the last line. Undefined: cases. */
  readonly coverage?: (findings: Findings) => string | undefined;
  /** The file of `--keep` for a violation, where the check has this option. */
  readonly kept?: (violation: Violation) => { readonly name: string; readonly text: string };
  /** What is printed besides what every check prints. */
  readonly tables?: (options: CheckOptions, findings: Findings) => readonly string[];
}
