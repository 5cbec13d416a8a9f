// The kinds of failure can be told apart, and none passes for another.
import { describe, expect, it } from 'vitest';
import {
  asInputError,
  assert,
  GuestPanic,
  InvariantViolation,
  ModelError,
  PAGE_SHIFT,
  PAGE_SIZE,
  pagesOf,
  printable,
  printableBytes,
  printableJson,
  SECTOR_SIZE,
  SECTORS_PER_PAGE,
  unreachable,
  InputError,
  UserError,
} from '../../src/base/index.ts';

it('assert throws InvariantViolation with its message, only when the condition is false', () => {
  expect(() => {
    assert(true, 'never');
  }).not.toThrow();
  expect(() => {
    assert(false, 'the table is consistent');
  }).toThrow(new InvariantViolation('the table is consistent'));
  expect(() => unreachable('surprise' as never)).toThrow(new InvariantViolation('unreachable: surprise'));
});

it('a ModelError carries its errno in the code and in the message', () => {
  const error = new ModelError('ENOENT', '/etc/motd');
  expect(error.code).toBe('ENOENT');
  expect(error.message).toBe('ENOENT: /etc/motd');
});

it('the kinds of failure are not each other', () => {
  const kinds = [InvariantViolation, ModelError, GuestPanic, InputError, UserError];
  const errors = [
    new InvariantViolation('a'),
    new ModelError('EIO', 'b'),
    new GuestPanic('c'),
    new InputError('d'),
    new UserError('e'),
  ] as const;
  expect(errors.map((error) => kinds.map((kind) => error instanceof kind))).toEqual(
    kinds.map((kind) => kinds.map((other) => kind === other)),
  );
  expect(errors.map(({ name }) => name)).toEqual(kinds.map(({ name }) => name));
});

it('the units agree with each other', () => {
  expect(1 << PAGE_SHIFT).toBe(PAGE_SIZE);
  expect(SECTORS_PER_PAGE * SECTOR_SIZE).toBe(PAGE_SIZE);
  expect([0, 1, 4096, 4097].map(pagesOf)).toEqual([0, 1, 1, 2]);
});

describe('printable', () => {
  it('printable leaves nothing that a terminal would obey, and all else as it is', () => {
    let escaped = 0;
    for (let code = 0; code <= 0xffff; code++) {
      const char = String.fromCharCode(code);
      const shown = printable(char);
      if (shown === char) continue;
      escaped++;
      expect(shown).toMatch(/^\\(n|x[0-9a-f]{2}|u\{[0-9a-f]{3,4}\})$/);
    }
    // Controls, two separators, surrogates, and what changes the direction.
    expect(escaped).toBe(65 + 2 + 2048 + 12);
    const value = { name: 'a\n\u009b2J\u007f\u2028\u{1f600}', 'k\u202e': [1] };
    expect(JSON.parse(printableJson(value))).toEqual(value);
    expect(printableJson(value)).toBe('{"name":"a\\n\\u009b2J\\u007f\\u2028\u{1f600}","k\\u202e":[1]}');
    expect(printable('\u{1f600} 日本 \\ ü')).toBe('\u{1f600} 日本 \\ ü');
    expect(printable('a\n\u001b[2J\u009b2J\u2028\u202e\ud800')).toBe('a\\n\\x1b[2J\\x9b2J\\u{2028}\\u{202e}\\u{d800}');
  });

  it('printable shows bytes that are not UTF-8 as bytes', () => {
    expect(printableBytes(Buffer.from('\ufeffüñ\t'))).toBe('\ufeffüñ\\x09');
    expect(printableBytes(Uint8Array.of(0x61, 0xff, 0x0a, 0xc3))).toBe('a\\xff\\n\\xc3');
    expect(printableBytes(Uint8Array.of(0xef, 0xbf, 0xbd))).toBe('\ufffd');
  });
});

it('what the host refuses is told from a defect', () => {
  const refusal = (code: string): Error => Object.assign(new Error('x'), { code, syscall: 'open' });
  expect(asInputError(refusal('ENOSPC'), 'cannot write f')).toEqual(
    new InputError('cannot write f: no space left on the device'),
  );
  expect(asInputError(refusal('EMFILE'), 'x')).toMatchObject({
    code: 'EMFILE',
    message: 'x: too many open files: raise ulimit -n',
  });
  expect(asInputError(refusal('EWHATEVER'), 'x')).toEqual(new InputError('x: EWHATEVER'));
  const memory = asInputError(new RangeError('Array buffer allocation failed'), 'x');
  expect(memory).toMatchObject({ code: 'ENOMEM', message: 'x: this host has too little memory' });
  for (const defect of [new RangeError('Invalid array length'), new TypeError('x'), new InvariantViolation('x'), 7])
    expect(asInputError(defect, 'never')).toBe(defect);
});
