import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { assert } from '../../src/base/index.ts';

it('the trace of an error that the model throws names the source, and the line that throws', () => {
  let trace = '';
  try {
    assert(false, 'on purpose');
  } catch (error) {
    trace = (error as Error).stack!;
  }
  const [, path, line] = /at assert \((?:file:\/\/)?(\/.*?\/src\/base\/assert\.ts):(\d+):\d+\)/.exec(trace)!;
  expect(readFileSync(path!, 'utf8').split('\n')[Number(line) - 1]).toContain('throw new InvariantViolation');
});
