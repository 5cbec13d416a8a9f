import { describe, expect, it } from 'vitest';
import type { Progress } from '../../../src/experiment/guest/progress.ts';
import { runInOrder, type Runs } from '../../../src/experiment/guest/runs.ts';

describe('runInOrder', () => {
  const disk = { all: { files: 1, bytes: 2 }, notices: ['note'], version: 'one' };

  /** Three runs that tell what is done to them; `fails` is the run that throws, or the check. */
  function told(fails?: number | 'check'): { readonly runs: Runs<string, string, string>; readonly log: string[] } {
    const log: string[] = [];
    const stop = (what: string): void => {
      log.push(what);
      if (what === fails || what === String(fails)) throw new RangeError(what);
    };
    const runs: Runs<string, string, string> = {
      bytesOf: () => [1, 1, 1],
      open: (options) => ({
        disk,
        run: (index, onProgress) => {
          onProgress(`half of ${index}`, 0.5);
          stop(String(index));
          return `${options}${index}`;
        },
        check: () => stop('check'),
        close: () => log.push('close'),
      }),
      merge: (options, { version }, parts) => [options, version, ...parts].join(),
    };
    return { runs, log };
  }

  it('runInOrder does all runs on one disk, looks whether that has changed, and merges the parts', () => {
    const { runs, log } = told();
    const progress: Progress[] = [];
    expect(runInOrder(runs, 'p', (each) => progress.push(each))).toBe('p,one,p0,p1,p2');
    expect(log).toEqual(['0', '1', '2', 'check', 'close']);
    expect(progress).toEqual([0, 1, 2].map((n) => ({ phase: `half of ${n}`, done: n + 0.5, total: 3 })));
  });

  it.each([
    [1, ['0', '1', 'close']],
    ['check', ['0', '1', '2', 'check', 'close']],
  ] as const)('runInOrder closes the disk when %s fails, and does nothing more', (fails, wanted) => {
    const { runs, log } = told(fails);
    expect(() => runInOrder(runs, 'p', () => undefined)).toThrow(new RangeError(String(fails)));
    expect(log).toEqual(wanted);
  });
});
