/**
 * The checks that `stillwarm check` knows. Each is an object of the lab, and what the command line
 * says of it. A new one is a line here, and its options in check-options.ts.
 */

import type { CheckEntry } from './check-entry.ts';
import { FAULTS_ENTRY } from './check-faults.ts';

export const CHECK_ENTRIES: readonly CheckEntry[] = [FAULTS_ENTRY];
