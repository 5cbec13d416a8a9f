/**
 * Calls of a program on files, as data: over so few names that calls meet what earlier ones made.
 */

import fc from 'fast-check';
import { checkInteger, checkKeys } from '../../base/argument-error.ts';

/** One call. Paths are absolute; a program's directory stands before them. Sizes are in bytes. */
export type FileCall =
  | {
      /** What is called. */
      readonly do: 'create';
      /** Of what. */
      readonly path: string;
      /** Whether it fails when there is one. */
      readonly exclusive: boolean;
    }
  | {
      /** What is called. */
      readonly do: 'write';
      /** Of what. */
      readonly path: string;
      /** Where it begins, bytes. */
      readonly at: number;
      /** Bytes. */
      readonly length: number;
      /** What is written: `contents(length, salt)`. */
      readonly salt: number;
    }
  | {
      /** What is called. */
      readonly do: 'truncate';
      /** Of what. */
      readonly path: string;
      /** Its new size, bytes. */
      readonly size: number;
    }
  /** A write past the cache (O_DIRECT), of whole pages. */
  | {
      /** What is called. */
      readonly do: 'direct';
      /** Of what. */
      readonly path: string;
      /** First page. */
      readonly page: number;
      /** How many pages. */
      readonly pages: number;
      /** What is written: `contents(length, salt)`. */
      readonly salt: number;
    }
  /**
   * A store through a shared mapping, up to the end of the file's last page; then msync or munmap
   * alone.
   */
  | {
      /** What is called. */
      readonly do: 'store';
      /** Of what. */
      readonly path: string;
      /** Where it begins, bytes. */
      readonly at: number;
      /** Bytes. */
      readonly length: number;
      /** What is written: `contents(length, salt)`. */
      readonly salt: number;
      /** Whether msync follows, or munmap alone. */
      readonly msync: boolean;
    }
  /** writeOut: data is written, metadata is not. fsyncDirectory: fsync of a directory. */
  | {
      /** What is called. */
      readonly do:
        | 'read'
        | 'writeOut'
        | 'mkdir'
        | 'rmdir'
        | 'unlink'
        | 'list'
        | 'stat'
        | 'readlink'
        | 'fsync'
        | 'fsyncDirectory';
      /** Of what. */
      readonly path: string;
    }
  | {
      /** What is called. */
      readonly do: 'link' | 'rename' | 'symlink';
      /** Of what. */
      readonly path: string;
      /** The other path. */
      readonly to: string;
    }
  | {
      /** What is called. */
      readonly do: 'sync' | 'dropCaches';
    };

/** Of `programs`. */
export interface ProgramOptions {
  /** Calls at least; 1 by default. */
  readonly minCalls?: number;
  /** Calls at most; 30 by default. */
  readonly maxCalls?: number;
}

const name = fc.constantFrom('a', 'b', 'c', 'long-'.repeat(30));
const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => `/${parts.join('/')}`);
const offset = fc.oneof(fc.nat(10_000), fc.nat(90_000), fc.nat(5_000_000));
const length = fc.oneof(fc.nat(5_000), fc.nat(40_000));

/** One call, as `programs` has them. */
export const fileCall: fc.Arbitrary<FileCall> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('create' as const), path, exclusive: fc.boolean() }) },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('write' as const), path, at: offset, length, salt: fc.nat(255) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('truncate' as const), path, size: offset }) },
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constantFrom(
        ...(['read', 'read', 'mkdir', 'mkdir', 'rmdir', 'unlink', 'list', 'stat', 'readlink', 'fsync'] as const),
      ),
      path,
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('link' as const, 'rename' as const), path, to: path }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('symlink' as const),
      path,
      to: fc.constantFrom('a', 'b/a', 'b/../a', './c', 'x'.repeat(80)),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('sync' as const, 'dropCaches' as const) }) },
);

/**
 * Programs: sequences of calls on files, for `programOf` and `playing`. They make, write, cut,
 * move, link and remove files below four names, three directories deep.
 * @throws ArgumentError for a number of calls that is out of range
 */
export function programs(options: ProgramOptions = {}): fc.Arbitrary<FileCall[]> {
  checkKeys('options', options, ['minCalls', 'maxCalls']);
  const { minCalls = 1, maxCalls = 30 } = options;
  checkInteger('options.minCalls', minCalls);
  checkInteger('options.maxCalls', maxCalls, minCalls);
  return fc.array(fileCall, { minLength: minCalls, maxLength: maxCalls });
}
