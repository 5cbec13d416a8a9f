/** How far a workload has come: what its calls have made sure, and what they have done. */

import type { FileCall } from '../../doors/testing/file-calls.ts';
import type { ModelFs, SureEntry } from '../../doors/testing/model-fs.ts';
import { answerOf, inModel, type JournalKind, same } from '../../doors/testing/play-calls.ts';

/** Calls that change a file or a name. A crash in one of them leaves it half done. */
const CHANGING: readonly FileCall['do'][] = [
  ...(['create', 'write', 'truncate', 'direct', 'store'] as const),
  ...(['mkdir', 'rmdir', 'unlink', 'link', 'rename', 'symlink'] as const),
];

/** What is known of a workload at some moment. */
export interface Known {
  /** What the workload has saved. */
  readonly sure: readonly SureEntry[];
  /** What the calls did that have ended, less what the call under way may change. */
  readonly done: readonly SureEntry[];
  /** Paths that the call under way may leave half done. */
  readonly open: readonly string[];
  /** What each file has held, by path. */
  readonly held: ReadonlyMap<string, readonly Uint8Array[]>;
}

/** A run of a workload. The model's files are all there before its first call. */
export class Course {
  /** What a call changes is unsure as soon as it begins. What it saves is sure at its end. */
  readonly model: ModelFs;
  /** The calls that have ended, and all that they did. */
  readonly #done: ModelFs;
  /** Paths that the call under way may change. */
  #open: readonly string[] = [];
  readonly #held = new Map<string, Uint8Array[]>();

  /** @param make a model of the files that are there at first, all of them sure */
  constructor(make: () => ModelFs) {
    this.model = make();
    this.#done = make();
  }

  begins(call: FileCall): void {
    this.#note();
    this.#open = CHANGING.includes(call.do) ? pathsOf(call) : [];
  }

  ended(call: FileCall, kind: JournalKind): void {
    answerOf(() => inModel(this.#done, call, kind));
    this.#done.sync();
    this.#open = [];
  }

  /** Paths of calls are those of the files: no call goes through a symbolic link. */
  known(): Known {
    const open = this.#open;
    const done = this.#done.sure().flatMap((entry): SureEntry[] => {
      if (isBelow(entry.path, open)) return [];
      if (entry.kind !== 'directory') return [entry];
      const here = open
        .filter((path) => parentOf(path) === entry.path)
        .map((path) => path.slice(entry.path.length + 1));
      return [{ ...entry, mayHold: new Set([...entry.mayHold, ...here]) }];
    });
    this.#note();
    return { sure: this.model.sure(), done, open, held: this.#held };
  }

  /** What files hold now, the call under way included. */
  #note(): void {
    for (const { path, bytes } of this.model.files()) {
      const held = this.#held.get(path) ?? [];
      this.#held.set(path, held);
      if (!held.some((each) => same(each, bytes))) held.push(bytes.slice());
    }
  }
}

/** Whether a path is one of these, or lies in one. */
export const isBelow = (path: string, these: readonly string[]): boolean =>
  these.some((each) => path === each || path.startsWith(`${each}/`));

const pathsOf = (call: FileCall): readonly string[] => [
  ...('path' in call ? [call.path] : []),
  ...(call.do === 'link' || call.do === 'rename' ? [call.to] : []),
];

const parentOf = (path: string): string => path.slice(0, path.lastIndexOf('/'));
