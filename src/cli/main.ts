#!/usr/bin/env node
/** The entry of the command line. It is one file, which all threads begin with. */

import { CHECK_ENTRIES } from './checks.ts';
import { start } from './program.ts';
import { partPlayer } from './check/queue-processor.ts';

start(new URL(import.meta.url), CHECK_ENTRIES);

// eslint-disable-next-line no-restricted-syntax -- what bullmq's sandbox calls in a thread
export default partPlayer(CHECK_ENTRIES);
