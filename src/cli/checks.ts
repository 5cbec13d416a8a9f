/**
 * The checks that `stillwarm check` knows. Each is an object of the lab, and what the command line
 * says of it. A new one is a line here, and its options in check/options.ts.
 */

import type { CheckEntry } from './check/entry.ts';
import { CRASH_ENTRY } from './check/crash.ts';
import { FAULTS_ENTRY } from './check/faults.ts';
import { fuzzEntry } from './check/fuzz.ts';
import { SCOPE_ENTRY } from './check/scope.ts';
import { COMMAND_LINES } from './command-lines.ts';

export const CHECK_ENTRIES: readonly CheckEntry[] = [FAULTS_ENTRY, CRASH_ENTRY, SCOPE_ENTRY, fuzzEntry(COMMAND_LINES)];
