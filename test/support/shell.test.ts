import { expect, it } from 'vitest';
import { runProgram } from './shell.ts';

it('a program that the shell starts gets its words as they are, and its status and both streams come back', () => {
  const words = ['', "it's", '$(false)', '-n', 'new\nline\n', '"*"', 'ü', 'x'.repeat(100_000)];
  const script = 'printf "%s|" "$@"; echo "none" >&2; read -r line && exit 1; exit 7';
  expect(runProgram('bash', '-c', script, 'name', ...words)).toEqual({
    status: 7,
    stdout: words.map((word) => `${word}|`).join(''),
    stderr: 'none\n',
  });
  expect(runProgram('sh', '-c', 'kill -9 $$')).toMatchObject({ status: 137, stdout: '' });
  expect(runProgram('true')).toEqual({ status: 0, stdout: '', stderr: '' });
});
