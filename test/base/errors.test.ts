// The three kinds of failure can be told apart, and none passes for another.
import { expect, it } from 'vitest';
import {
  assert,
  GuestPanic,
  InvariantViolation,
  ModelError,
  PAGE_SHIFT,
  PAGE_SIZE,
  pagesOf,
  SECTOR_SIZE,
  SECTORS_PER_PAGE,
  unreachable,
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
  const kinds = [InvariantViolation, ModelError, GuestPanic, UserError];
  const errors = [
    new InvariantViolation('a'),
    new ModelError('EIO', 'b'),
    new GuestPanic('c'),
    new UserError('d'),
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
