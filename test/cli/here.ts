// The command line in this process. Its threads begin with the program, as those of users do.
import { pathToFileURL } from 'node:url';
import { CHECK_ENTRIES } from '../../src/cli/checks.ts';
import { main, statusOf } from '../../src/cli/commands.ts';
import { experimentsOf } from '../../src/cli/experiments.ts';
import { threadsOf } from '../../src/cli/kit/threads.ts';
import { runReboot } from '../../src/experiment/guest/reboot.ts';
import { runVmmReboot } from '../../src/experiment/vmm/experiment.ts';
import { runPredict } from '../../src/experiment/predict/experiment.ts';
import { runWeb } from '../../src/experiment/web/experiment.ts';
import { captureIo } from './capture.ts';
import type { Printed } from './check/lab.ts';

/**
 * Runs a command in `cwd`.
 * @param program the module of which each thread is one
 */
export async function runHere(
  program: string,
  cwd: string,
  argv: readonly string[],
  checks = CHECK_ENTRIES,
): Promise<Printed> {
  const entry = pathToFileURL(program);
  let ended: Promise<number> | undefined;
  const io = captureIo(cwd, {
    ...{ runReboot, runVmmReboot, runWeb, runPredict, checks, entry },
    onThreads: threadsOf(entry, experimentsOf(checks)),
    onEventLoop: (work) => {
      ended = work().catch((error: unknown) => statusOf(error, io.stderr));
      return 0;
    },
  });
  const atOnce = main([...argv], io);
  const status = await (ended ?? atOnce);
  return { status, out: io.stdout.text, err: io.stderr.text };
}
