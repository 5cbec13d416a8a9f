// The program with one more check, which costs nothing: the entry of a bundle
// (check-threads.test.ts).
import { RUNNING, workloadOptions } from '../../../src/cli/check/options.ts';
import { start } from '../../../src/cli/program.ts';
import { partPlayer } from '../../../src/cli/check/queue-processor.ts';
import { doubleEntry } from './double.mjs';

const checks = [doubleEntry(RUNNING, workloadOptions(['none']))];
start(new URL(import.meta.url), checks);

// eslint-disable-next-line no-restricted-syntax -- what bullmq's sandbox calls in a thread
export default partPlayer(checks);
