/** The list of files beside a trace of the format `calls`: inode, bytes, path. */

import { grouped } from '../base/counted.ts';
import { InputError } from '../base/input-error.ts';
import { decodeText } from '../base/text.ts';
import { COMMA, Cursor } from './cursor.ts';
import type { ListedFile } from './format.ts';
import { Lines } from './lines.ts';

export const LIST_HEADER = 'ino,bytes,path';

/** Bytes of a list in, files by inode out. */
export class FileList {
  readonly files = new Map<number, ListedFile>();
  readonly cursor = new Cursor();
  readonly #lines = new Lines(this);
  #line = 0;

  /** @throws InputError for a line of another form */
  push(chunk: Uint8Array): void {
    this.#lines.push(chunk);
  }

  /** @throws InputError as `push` does */
  end(): void {
    this.#lines.end();
  }

  line(): void {
    this.#line++;
    const { cursor } = this;
    if (cursor.isAtEnd || (this.#line === 1 && cursor.has(LIST_HEADER))) return;
    const ino = cursor.integer();
    if (ino < 0 || !cursor.skip(COMMA)) this.#refuse();
    // A size that is not known is left out.
    const bytes = cursor.byte === COMMA ? Number.NaN : cursor.integer();
    if (bytes < 0 || !cursor.skip(COMMA)) this.#refuse();
    this.files.set(ino, {
      path: decodeText(cursor.bytes.subarray(cursor.at, cursor.end)),
      bytes: Number.isNaN(bytes) ? undefined : bytes,
    });
  }

  longLine(): void {
    this.#refuse();
  }

  #refuse(): never {
    throw new InputError(`line ${grouped(this.#line)} is not ${LIST_HEADER}`);
  }
}
