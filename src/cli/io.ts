/**
 * What a command may touch besides files: its two streams, its directory, and the experiment it runs. Tests pass their
 * own; main.ts passes those of the process.
 */

import { accessSync, constants, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { asUserError, UserError } from '../base/index.ts';
import type { runCampaign } from '../experiment/campaign.ts';
import type { ProgressListener } from '../experiment/progress.ts';
import type { runVmmReboot } from '../experiment/vmm-experiment.ts';
import type { Mismatch, RebootOptions, RebootResult } from '../experiment/result.ts';

export interface Output extends NodeJS.WritableStream {
  readonly isTTY?: boolean;
}

export type RunReboot = (
  options: RebootOptions,
  onProgress?: ProgressListener,
) => { readonly result: RebootResult; readonly mismatches: readonly Mismatch[] };

export interface Io {
  readonly stdout: Output;
  readonly stderr: Output;
  /** Whether stdout understands colours. */
  readonly colour: boolean;
  /** Relative paths are relative to this one. */
  readonly cwd: string;
  readonly runReboot: RunReboot;
  readonly runCampaign: typeof runCampaign;
  readonly runVmmReboot: typeof runVmmReboot;
}

/** What lies at a path. @throws UserError when the host does not tell */
export function kindOf(path: string): 'nothing' | 'directory' | 'file' {
  try {
    return statSync(path).isDirectory() ? 'directory' : 'file';
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (code === 'ENOENT' || code === 'ENOTDIR') return 'nothing';
    throw asUserError(error, path);
  }
}

/**
 * Asks, before any work is done for it, whether the file `path` could be made or replaced.
 * @param name the option or argument that named it
 * @throws UserError
 */
export function checkWritableFile(name: string, path: string): void {
  if (kindOf(path) === 'directory') throw new UserError(`${name}: ${path} is a directory`);
  checkWritableDirectory(name, dirname(path));
}

/** Asks whether files can be made in the directory `path`. @throws UserError */
export function checkWritableDirectory(name: string, path: string): void {
  const kind = kindOf(path);
  if (kind !== 'directory')
    throw new UserError(`${name}: ${path} ${kind === 'file' ? 'is not a directory' : 'does not exist'}`);
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
  } catch {
    throw new UserError(`${name}: ${path} cannot be written to`);
  }
}
