/**
 * Whose fault an error is: every kind that stillwarm throws, by its class. Useful around a fuzzer
 * or a service that runs programs of others. 13 lines of code.
 */

// In a project of your own: from 'stillwarm/base'.
import { ArgumentError, GuestPanic, InputError, InvariantViolation, ModelError } from '../src/base/index.ts';

/** Who has to change something, and what the error says. Rethrows what is not stillwarm's. */
export function blame(run: () => void): string {
  try {
    run();
    return 'nobody';
  } catch (error) {
    if (error instanceof ArgumentError) return `the program that called stillwarm: ${error.message}`;
    if (error instanceof InputError) return `the file or image that was given: ${error.message}`;
    if (error instanceof ModelError) return `the program in the guest (errno ${error.errno}): ${error.message}`;
    if (error instanceof GuestPanic) return `the guest's kernel, which has stopped: ${error.message}`;
    if (error instanceof InvariantViolation) return `stillwarm; please report it: ${error.message}`;
    throw error;
  }
}
