import { describe, expect, it } from 'vitest';
import { ProgressLine, withProgress } from '../../../src/cli/kit/progress.ts';
import { checkRuns } from '../../../src/cli/check/runs.ts';
import { CHECK_ENTRIES } from '../../../src/cli/checks.ts';
import type { Progress } from '../../../src/experiment/guest/progress.ts';
import { runReboot } from '../../../src/experiment/guest/reboot.ts';
import { runInOrder } from '../../../src/experiment/guest/runs.ts';
import { partsOf } from '../../../src/lab/check.ts';
import { runVmmReboot } from '../../../src/experiment/vmm/experiment.ts';
import { inTemporaryDirectory, saveImage } from '../../support/e2fsprogs.ts';
import { smallImage } from '../../support/small-disk.ts';
import { Capture } from '../capture.ts';

const BAR = (full: number): string => `${'█'.repeat(full)}${'░'.repeat(30 - full)}`;

describe('on a terminal', () => {
  it('a terminal sees a line after a second, which says how long the rest takes, is drawn over again and cleared', () => {
    const stream = new Capture(true);
    let nowMs = 0;
    const line = new ProgressLine(stream, () => nowMs);
    const at = (ms: number, done: number, phase: string): string => {
      stream.text = '';
      nowMs = ms;
      line.update({ phase, done, total: 10 });
      return stream.text;
    };
    expect(at(0, 1, 'cold')).toBe('');
    expect(at(999, 2, 'cold')).toBe('');
    // Four of ten took 1.2 s, the other five take 1.5 s.
    expect(at(1200, 5, 'warm\n\u001b[2J')).toBe(`\r${BAR(15)}  50 %  warm\\n\\x1b[2J, about 2 s left\u001b[K`);
    expect(at(1299, 6, 'warm')).toBe('');
    expect(at(1300, 10, 'warm')).toBe(`\r${BAR(30)} 100 %  warm, about 0 s left\u001b[K`);
    stream.text = '';
    line.stop();
    line.stop();
    expect(stream.text).toBe('\r\u001b[K');
  });

  it('a terminal keeps nothing that an interrupted program would leave behind, and the line fits', () => {
    const stream = Object.assign(new Capture(true), { columns: 40 });
    let nowMs = 0;
    const line = new ProgressLine(stream, () => (nowMs += 700));
    for (let done = 0; done < 50; done++) line.update({ phase: 'p'.repeat(done), done, total: 50 });
    // Left margin, text without a control character, clear to the end of the line; and nothing
    // else.
    const frames = stream.text.split('\u001b[K');
    expect(frames.pop()).toBe('');
    expect(frames).toHaveLength(49);
    for (const frame of frames) expect(frame).toMatch(/^\r\P{Cc}{36,39}$/u);
  });

  it('a terminal is rid of the line when the work fails', () => {
    const stream = new Capture(true);
    let nowMs = 0;
    const failing = (): unknown =>
      withProgress(
        stream,
        (onProgress) => {
          onProgress({ phase: 'cold', done: 1, total: 2 });
          throw new RangeError('stop');
        },
        () => (nowMs += 2000),
      );
    expect(failing).toThrow(RangeError);
    expect(stream.text).toBe(`\r${BAR(15)}  50 %  cold\u001b[K\r\u001b[K`);
  });
});

describe('on a pipe', () => {
  it('a pipe gets a whole line every ten seconds', () => {
    const stream = new Capture(false);
    let nowMs = 0;
    const answer = withProgress(
      stream,
      (onProgress) => {
        for (let done = 0; done <= 100; done++) {
          nowMs = done * 400;
          onProgress({ phase: 'cold: run 1 before', done, total: 100 });
        }
        return 42;
      },
      () => nowMs,
    );
    expect(answer).toBe(42);
    expect(stream.text).toBe(
      [
        'stillwarm: 25 %  cold: run 1 before, about 30 s left',
        'stillwarm: 50 %  cold: run 1 before, about 20 s left',
        'stillwarm: 75 %  cold: run 1 before, about 10 s left',
        'stillwarm: 100 %  cold: run 1 before, about 0 s left',
        '',
      ].join('\n'),
    );
  });

  it.each([
    [119_000, '119 s'],
    [121_000, '3 min'],
    [7_200_000, '120 min'],
  ])('a pipe is told the rest of %i ms as %s', (restMs, told) => {
    const stream = new Capture(false);
    let nowMs = 0;
    const line = new ProgressLine(stream, () => nowMs);
    line.update({ phase: 'x', done: 0, total: 2 });
    nowMs = restMs;
    line.update({ phase: 'x', done: 1, total: 2 });
    expect(stream.text).toBe(`stillwarm: 50 %  x, about ${told} left\n`);
  });

  it('a job that follows another has an estimate of its own', () => {
    const stream = new Capture(false);
    let nowMs = 0;
    const line = new ProgressLine(stream, () => nowMs);
    line.update({ phase: 'a', done: 0, total: 3 });
    nowMs = 100_000;
    line.update({ phase: 'b', done: 0, total: 4 });
    nowMs = 110_000;
    line.update({ phase: 'b', done: 2, total: 4 });
    expect(stream.text).toBe('stillwarm: 0 %  b\nstillwarm: 50 %  b, about 10 s left\n');
  });
});

describe('a long job', () => {
  const profile = 'server-2026' as const;
  const common = { profile, disk: 'instant' as const, seed: 1, memory: 16 << 20, withoutBootFiles: true };
  const jobs: Record<string, (path: string, onProgress: (progress: Progress) => void) => unknown> = {
    reboot: (path, onProgress) =>
      runReboot(
        {
          ...common,
          path,
          strategies: ['cold', 'warm-cache'],
          workload: 'files',
          limit: undefined,
          crash: false,
          checksum: false,
          dumpMemory: undefined,
        },
        onProgress,
      ),
    'vmm-reboot': (path, onProgress) =>
      runVmmReboot(
        { ...common, path, vms: 1, limit: 1 << 20, series: false, strategies: ['warm-vm', 'shutdown-boot'] },
        onProgress,
      ),
    'check faults': (_path, onProgress) => {
      const options = { faults: ['crash', 'wild-store'], runs: 2, seed: 1, without: [], arch: 'x86_64' };
      const job = { command: 'check faults', options, parts: partsOf('faults', options, 8, 2), partBytes: 1 };
      return runInOrder(checkRuns(CHECK_ENTRIES), { ...job, endMs: undefined, programFile: undefined }, onProgress);
    },
  };

  it.each(Object.entries(jobs))(
    'a long job, %s, has one total over all of its runs, and comes nearer to it',
    (_name, job) => {
      inTemporaryDirectory((dir) => {
        saveImage(smallImage(), `${dir}/disk.img`);
        const told: Progress[] = [];
        job(`${dir}/disk.img`, (progress) => told.push(progress));
        expect(new Set(told.map(({ total }) => total)).size).toBe(1);
        expect(told[0]!.done).toBeLessThan(told[0]!.total / 4);
        const shares = told.map(({ done, total }) => done / total);
        expect(shares).toEqual([...shares].sort((a, b) => a - b));
        expect(shares.at(-1)).toBeGreaterThanOrEqual(0.5);
        expect(shares.at(-1)).toBeLessThanOrEqual(1);
        expect(new Set(told.map(({ phase }) => phase)).size).toBeGreaterThan(1);
      });
    },
  );
});
