import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { main } from '../../src/cli/commands.ts';
import type { WrittenRanges } from '../../src/experiment/paper/paper.ts';
import type { PaperBatch } from '../../src/experiment/paper/runs.ts';
import type { PaperResult } from '../../src/experiment/paper/result.ts';
import { madeUpPaper, madeUpPart } from '../report/paper-sample.ts';
import { inTemporaryDirectory } from '../support/e2fsprogs.ts';
import { captureIo } from './capture.ts';

function run(cwd: string, argv: readonly string[], isWrong = false) {
  const batches: PaperBatch[] = [];
  const io = captureIo(cwd, {
    runPaperBatch: (batch) => {
      batches.push(batch);
      return batch.jobs.map((job) => ({ ...madeUpPart(job), mismatches: isWrong ? ['byte 3'] : [] }));
    },
  });
  const status = main(['paper', ...argv], io);
  return { status, batches, out: io.stdout.text, err: io.stderr.text };
}

describe('stillwarm paper', () => {
  it('stillwarm paper prints all figures in one batch of runs, by the seed that it is given', () => {
    const { status, batches, out } = run('/', ['--seed', '9']);
    expect(status).toBe(0);
    expect(batches.map(({ seed }) => seed)).toEqual([9]);
    expect(out).toMatch(/^The slides print 23 figures of reboots: 3 fitted, 16 predicted/);
    expect(out).toContain('seed 9;');
  });

  it('stillwarm paper prints one JSON object, and writes a page', () => {
    inTemporaryDirectory((dir) => {
      const { out } = run(dir, ['--json', '--report', 'page', '--seed', '7']);
      expect(JSON.parse(out)).toEqual(JSON.parse(JSON.stringify(madeUpPaper().result)));
      expect(readFileSync(join(dir, 'page/index.html'), 'utf8')).toMatch(/^<!doctype html>/);
    });
  });

  it('stillwarm paper --ranges finds the ranges, prints them, and writes them to a file', () => {
    inTemporaryDirectory((dir) => {
      const { status, batches, out } = run(dir, ['--ranges', 'ranges.json', '--samples', '2', '--json']);
      expect(status).toBe(0);
      expect(batches.length).toBeGreaterThan(3);
      const written = JSON.parse(readFileSync(join(dir, 'ranges.json'), 'utf8')) as WrittenRanges;
      const result = JSON.parse(out) as PaperResult;
      expect(written.schema).toBe('stillwarm/paper-ranges@1');
      expect(written.study).toEqual(result.study);
      expect(written.study).toMatchObject({ samples: 2, seed: 1 });
      for (const { name, range } of result.figures) {
        const spread = written.figures.find((each) => each.name === name);
        expect(range?.together).toEqual(spread?.together);
      }
    });
  });

  it('stillwarm paper refuses --samples without --ranges, which alone uses it, in one line', () => {
    expect(run('/', ['--samples', '24'])).toEqual({
      status: 2,
      batches: [],
      out: '',
      err: 'stillwarm: --samples: ranges are found with --ranges FILE alone: add it, or leave --samples out\n',
    });
  });

  it('stillwarm paper ends with status 1 when something differs from the disk', () => {
    const { status, out } = run('/', [], true);
    expect(status).toBe(1);
    expect(out).toContain('mismatch: ');
    expect(run('/', ['--json'], true).err).toMatch(/^mismatch: .*byte 3\n/);
  });

  it.each([
    [['--samples', '0'], '--samples: 0 is not an integer of 1 to 10000'],
    [['files'], 'unexpected argument files; usage: stillwarm paper [OPTION]...'],
    [['--ranges', 'there/ranges.json'], '--ranges: DIR/there does not exist'],
    [['--ranges', '.'], '--ranges: DIR is a directory'],
    [['--report', 'a-file'], '--report: DIR/a-file is not a directory'],
  ])('the mistake %j of stillwarm paper is one line and status 2, before anything is run', (argv, message) => {
    inTemporaryDirectory((dir) => {
      writeFileSync(join(dir, 'a-file'), '');
      const { status, batches, err } = run(dir, argv);
      expect({ status, batches, err }).toEqual({
        status: 2,
        batches: [],
        err: `stillwarm: ${message.replace('DIR', dir)}\n`,
      });
    });
  });
});
