#!/usr/bin/env node
/**
 * The entry of the command line: hands the process to the program, and nothing else.
 */

import { runCampaign } from '../experiment/campaign.ts';
import { runReboot } from '../experiment/reboot.ts';
import { runVmmReboot } from '../experiment/vmm-experiment.ts';
import { main } from './commands.ts';

// A reader that went away (`stillwarm … | head`) is no failure of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

// Not process.exit: what was written to a pipe may not have left yet.
process.exitCode = main(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  colour: process.stdout.isTTY && !process.env['NO_COLOR'],
  cwd: process.cwd(),
  runReboot,
  runCampaign,
  runVmmReboot,
});
