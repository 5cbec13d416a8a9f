/** What a thread of `stillwarm worker` does: it plays parts, one after the other. */

import { InputError } from '../../base/index.ts';
import type { CheckEntry } from './entry.ts';
import { parsePartJob, written } from './file.ts';
import { plain } from '../kit/plain-error.ts';

/** The role of a thread that waits: bullmq's sandbox calls the default export of the entry. */
export const PLAYER = { role: 'player' } as const;

/** @param checks that `stillwarm check` knows */
export function partPlayer(checks: readonly CheckEntry[]): (job: { readonly data: unknown }) => unknown {
  return ({ data }) => {
    try {
      const { command, part } = parsePartJob('the queue', data);
      const entry = checks.find(({ spec }) => spec.name === command);
      if (entry === undefined) throw new InputError(`the queue: there is no ${command}`);
      return written(entry.checkOf(undefined).play(part, () => true));
    } catch (error) {
      throw failureOf(error);
    }
  };
}

/**
 * As the client revives it. What the host refuses, another worker may do. Whatever else a part
 * throws, it throws each time: bullmq tells by the name that it is not to be tried again.
 */
function failureOf(thrown: unknown): Error {
  const error = plain(thrown);
  const failure = new Error(JSON.stringify(error));
  return error.code === undefined ? Object.assign(failure, { name: 'UnrecoverableError' }) : failure;
}
