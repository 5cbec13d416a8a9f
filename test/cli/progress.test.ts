import { describe, expect, it } from 'vitest';
import { ProgressBar, withProgress } from '../../src/cli/progress.ts';
import { Capture } from './capture.ts';

describe('the progress bar', () => {
  it('appears after a second, names the phase, and clears itself', () => {
    const stream = new Capture(true);
    let nowMs = 0;
    const bar = new ProgressBar(stream, () => nowMs);
    bar.update({ phase: 'cold', done: 1, total: 10 });
    nowMs = 900;
    bar.update({ phase: 'cold', done: 2, total: 10 });
    expect(stream.text).toBe('');
    nowMs = 1100;
    bar.update({ phase: 'warm-cache', done: 5, total: 10 });
    expect(stream.text).toContain('50 %  warm-cache');
    const before = process.listenerCount('SIGINT');
    bar.stop();
    expect(process.listenerCount('SIGINT')).toBe(before);
    expect(stream.text).toMatch(/\u001b\[\?25h[^]*$/);
  });

  it('leaves no trace where there is no terminal', () => {
    const stream = new Capture(false);
    const answer = withProgress(stream, (onProgress) => {
      onProgress({ phase: 'cold', done: 1, total: 2 });
      return 42;
    });
    expect([answer, stream.text]).toEqual([42, '']);
  });

  it('is cleared when the work fails', () => {
    const failing = (): unknown =>
      withProgress(new Capture(true), () => {
        throw new RangeError('stop');
      });
    expect(failing).toThrow(RangeError);
  });
});
