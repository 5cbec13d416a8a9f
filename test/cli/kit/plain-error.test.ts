import { expect, it } from 'vitest';
import { ArgumentError, InputError, InvariantViolation, UserError } from '../../../src/base/index.ts';
import { ModelError } from '../../../src/base/errno.ts';
import { plain, revive } from '../../../src/cli/kit/plain-error.ts';

const sent = (error: unknown): Error => revive(structuredClone(plain(error)));

it.each([
  new UserError('a mistake'),
  new InputError('a file', 'ENOENT'),
  new InputError('a file'),
  new ArgumentError('an argument'),
  new InvariantViolation('a defect'),
])('an error that another thread is sent keeps its class, message and stack: %s', (error) => {
  const got = sent(error);
  expect(got.constructor).toBe(error.constructor);
  expect(got).toMatchObject({ name: error.name, message: error.message, stack: error.stack });
  if (error instanceof InputError && got instanceof InputError) expect(got.code).toBe(error.code);
});

it('a refusal of the host that another thread is sent is one line', () => {
  const refusal = Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO', syscall: 'read' });
  expect(sent(refusal)).toEqual(new InputError('the host refuses: input/output error', 'EIO'));
  expect(sent(new RangeError('Array buffer allocation failed'))).toBeInstanceOf(InputError);
});

it('an error of another class keeps its name, message and stack, and anything else that is thrown its text', () => {
  for (const error of [new RangeError('out of it'), new ModelError('EIO', 'a block')]) {
    const { name, message, stack } = error;
    expect(sent(error)).toMatchObject({ name, message, stack });
  }
  expect(sent('only a text').message).toBe('only a text');
});

it('an error that throws when it is looked at is told as one that cannot be read', () => {
  const blind = new Proxy(new Error('unseen'), {
    getPrototypeOf: () => {
      throw new Error('again');
    },
  });
  const mute = Object.assign(new Error('unseen'), { message: Object.create(null) as object });
  for (const error of [blind, mute, Object.create(null)])
    expect(sent(error).message).toBe('an error that cannot be read');
});

it('an error whose message is no text, or whose name is that of a method, is sent as text', () => {
  expect(sent(Object.assign(new Error(''), { message: 7, name: 'toString' }))).toMatchObject({
    ...{ name: 'toString', message: '7' },
  });
});
