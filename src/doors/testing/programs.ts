/** Calls on files, and models of them, as programs for `machine.run`. */

import { checkArgument, checkList, checkText } from '../../base/argument-error.ts';
import type { Program } from '../machine/index.ts';
import type { FileCall } from './file-calls.ts';
import { ModelFs } from './model-fs.ts';
import { compareAll, playCalls, readEverything, tolerant } from './play-calls.ts';

/**
 * A program that makes these calls one after the other. A call that fails with an errno is passed
 * over.
 * @param home directory that stands before every path; the root by default
 * @throws ArgumentError for what is no list of calls, or no text
 */
export function programOf(calls: readonly FileCall[], home = ''): Program<void> {
  checkList('calls', calls, 'do');
  checkText('home', home);
  return (sys) => tolerant(sys, calls, home);
}

/**
 * A program that makes these calls in the guest and in the model at once. It throws an Error of one
 * line for the first that the guest answers in another way.
 * @param home directory of the guest that is the model's root; it must be there
 * @throws ArgumentError for what is no ModelFs, no list of calls, or no text
 */
export function playing(model: ModelFs, calls: readonly FileCall[], home = ''): Program<void> {
  checkModel(model);
  checkList('calls', calls, 'do');
  checkText('home', home);
  return (sys) => playCalls(sys, model, home, calls);
}

/**
 * A program that throws an Error of one line unless each file of the model is the guest's.
 * @throws ArgumentError for what is no ModelFs, or no text
 */
export function comparing(model: ModelFs, home = ''): Program<void> {
  checkModel(model);
  checkText('home', home);
  return (sys) => compareAll(sys, model, home);
}

/**
 * A program that reads all there is below a directory. It returns a line for each file, directory
 * and link, with mode, size, links, inode, and a checksum or the text. What cannot be read is a
 * line with the errno. Two guests that see one file system return the same.
 * @throws ArgumentError for a home that is no text
 */
export function readingAll(home = ''): Program<string[]> {
  checkText('home', home);
  return (sys) => readEverything(sys, home);
}

function checkModel(model: ModelFs): void {
  checkArgument(model instanceof ModelFs, 'model', 'expected a ModelFs');
}
