#!/usr/bin/env node
/** The entry of the command line. It is one file, which all threads begin with. */

import { CHECK_ENTRIES } from './checks.ts';
import { start } from './program.ts';

start(new URL(import.meta.url), CHECK_ENTRIES);
