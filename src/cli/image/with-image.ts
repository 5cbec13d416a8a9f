/** Runs a command on the image of its user, made ready before where it must be. */

import { UserError } from '../../base/index.ts';
import type { ReadyImage } from '../../experiment/guest/options.ts';
import type { Io } from '../kit/io.ts';
import { ProgressLine } from '../kit/progress.ts';
import { mustBeMadeReady, readyImage } from './ready-image.ts';

/**
 * Calls `run` with the image that is read in place of the file at `path`; undefined: `path` itself.
 * @param partition the number that the user asked for
 * @returns the exit status, or one for the time being
 * @throws UserError
 */
export function withImage(
  io: Io,
  path: string,
  partition: number | undefined,
  run: (image: ReadyImage | undefined) => number,
): number {
  if (!mustBeMadeReady(path, partition)) return run(undefined);
  if (io.onEventLoop === undefined) throw new UserError(`${path}: this host has no event loop to make it ready`);
  return io.onEventLoop(async () => {
    const line = new ProgressLine(io.stderr, () => performance.now());
    const { image, close } = await readyImage(path, partition, (progress) => line.update(progress)).finally(() =>
      line.stop(),
    );
    try {
      return run(image);
    } finally {
      close();
    }
  });
}
