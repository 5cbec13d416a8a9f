// The program with one more check, which costs nothing: the entry of a bundle
// (check-threads.test.ts).
import { RUNNING, workloadOptions } from '../../src/cli/check-options.ts';
import { start } from '../../src/cli/program.ts';
import { doubleEntry } from './check-double.mjs';

start(new URL(import.meta.url), [doubleEntry(RUNNING, workloadOptions(['none']))]);
