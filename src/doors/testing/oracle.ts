/** The oracle of a machine as a check. */

import { checkArgument } from '../../base/argument-error.ts';
import { counted } from '../../base/counted.ts';
import { Machine, type Verification } from '../machine/index.ts';

/** Pages of a guest's cache are not what is on the disk. `message` is one line. */
export class OracleError extends Error {
  /** `OracleError`. */
  override readonly name = 'OracleError';
  /** What was compared. */
  readonly verification: Verification;

  /** @internal */
  constructor(verification: Verification) {
    const { mismatches, reused, differences } = verification;
    const first = differences.map(({ what, block }) => `${what} (block ${block})`).join('; ');
    super(`oracle: ${counted(mismatches, 'wrong page')}, ${reused} taken over: ${first}`);
    this.verification = verification;
  }
}

/**
 * Compares with the disk what the machine's guests took over, and what the running one has cached.
 * @returns what was compared
 * @throws OracleError when a page differs
 */
export function checkOracle(machine: Machine): Verification {
  checkArgument(machine instanceof Machine, 'machine', 'expected a Machine');
  const verification = machine.verify();
  if (verification.mismatches > 0) throw new OracleError(verification);
  return verification;
}
