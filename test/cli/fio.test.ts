// `stillwarm reboot --workload fio:FILE`: what is printed, what is refused, and threads.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { main } from '../../src/cli/commands.ts';
import { runReboot } from '../../src/experiment/guest/reboot.ts';
import { REBOOT_RUNS } from '../../src/experiment/guest/reboot.ts';
import { renderHtml } from '../../src/report/index.ts';
import { inTemporaryDirectory } from '../support/e2fsprogs.ts';
import { captureIo } from './capture.ts';

const JOBS = '[reader]\nrw=randread\nfilename=data\n[writer]\nrw=write\nsize=64k\nnumjobs=2\nfsync=4\n';
const ASKED = '. --bare-boot --memory 32MiB --strategy cold,warm-cache';

function inDirectory(
  run: (reboot: (args: string) => { status: number; out: string; err: string }, cwd: string) => void,
) {
  inTemporaryDirectory((cwd) => {
    writeFileSync(join(cwd, 'data'), Buffer.alloc(100_000, 7));
    writeFileSync(join(cwd, 'jobs.fio'), JOBS);
    run((args) => {
      const io = captureIo(cwd, { runReboot });
      const status = main(['reboot', ...args.split(' ')], io);
      return { status, out: io.stdout.text, err: io.stderr.text };
    }, cwd);
  });
}

it('the jobs of a file have a table each, and one of all, in the text and on the page', () => {
  inDirectory((reboot) => {
    const { status, out } = reboot(`${ASKED} --workload fio:jobs.fio`);
    expect(status).toBe(0);
    for (const words of ['workload fio, jobs.fio', 'What do the jobs do?', 'Job reader', 'Job writer.1', 'all equal'])
      expect(out).toContain(words);
    const result = JSON.parse(reboot(`${ASKED} --workload fio:jobs.fio --json`).out) as Parameters<
      typeof renderHtml
    >[0];
    expect(result).toMatchObject({ workload: 'fio', fio: 'jobs.fio' });
    const page = renderHtml(result, []);
    expect(page).toContain('Job writer.0');
    const { hits, reads } = result.strategies[1]!.runs[3]!.fio!.all;
    expect(hits).toBe(reads);
  });
});

it('a job file that is missing or wrong is refused before anything is run, with status 2', () => {
  inDirectory((reboot, cwd) => {
    const refused = (args: string, message: string): void => {
      const { status, out, err } = reboot(args);
      expect([status, out]).toEqual([2, '']);
      expect(err).toContain(message);
    };
    refused('. --workload fio:', '--workload: expected the name of a job file behind fio:');
    refused('. --workload fio:none.fio', '--workload fio:none.fio: no such file');
    refused('. --workload fio:.', '--workload fio:.: is a directory');
    refused('. --workload fia', '--workload');
    writeFileSync(join(cwd, 'bad.fio'), '[a]\nverify=md5\n');
    refused('. --workload fio:bad.fio', 'bad.fio:2: "verify": this key is not modelled');
  });
});

it('strategies that are run apart, in any order, give the result of one after the other', () => {
  inTemporaryDirectory((cwd) => {
    writeFileSync(join(cwd, 'data'), Buffer.alloc(100_000, 7));
    const options = {
      path: cwd,
      withoutBootFiles: true,
      memory: 32 << 20,
      disk: 'profile',
      profile: 'pentium4-2006',
      strategies: ['cold', 'warm-cache'],
      workload: 'fio',
      fio: { file: 'jobs.fio', bytes: new TextEncoder().encode(JOBS) },
      seed: 1,
      limit: undefined,
      crash: false,
      checksum: false,
      dumpMemory: undefined,
    } as const;
    const quiet = (): void => undefined;
    // As threads do: the options are copied, and each has its own disk.
    const [first, second] = [1, 0].map((index) => {
      const runs = REBOOT_RUNS.open(structuredClone(options), quiet);
      const part = structuredClone(runs.run(index, quiet));
      const { disk } = runs;
      runs.close();
      return { part, disk };
    });
    const apart = REBOOT_RUNS.merge(options, second!.disk, [second!.part, first!.part]);
    expect(apart.result).toEqual(runReboot(options).result);
  });
});
