/** The thread that searches a user's protocol: it is ended when the protocol does not return. */

import { parentPort } from 'node:worker_threads';
import { ArgumentError, InputError } from '../../base/index.ts';
import type { AnyProtocol } from '../../lab/protocol/api.ts';
import { rowOf, rowsOf, type Row } from '../../lab/protocol/check.ts';
import { watchedSearch } from '../../lab/protocol/search.ts';
import { plain, type PlainError } from '../kit/plain-error.ts';
import { loadDefault } from './workload.ts';

/** What the thread is given. */
export interface ProtocolInput {
  readonly role: 'protocol';
  /** Absolute. */
  readonly path: string;
  /** As the user knows the file. */
  readonly file: string;
  /** The only fault; undefined: none, and then each. */
  readonly fault: string | undefined;
  readonly states: number;
  readonly depth: number | undefined;
  /** Written while the search runs: see `Watch`. */
  readonly cells: Int32Array;
}

/** What the thread tells. */
export type ProtocolMessage =
  | { readonly kind: 'loaded'; readonly protocol: string; readonly what: string }
  | { readonly kind: 'functions'; readonly names: readonly string[] }
  | { readonly kind: 'row'; readonly row: Row; readonly ms: number }
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly error: PlainError };

export function runProtocol(input: ProtocolInput): void {
  search(input).then(
    () => tell({ kind: 'done' }),
    (error: unknown) => tell({ kind: 'failed', error: plain(error) }),
  );
}

const tell = (message: ProtocolMessage): void => parentPort!.postMessage(message);

async function search({ path, file, fault, states, depth, cells }: ProtocolInput): Promise<void> {
  const protocol = (await loadDefault(path, 0)) as AnyProtocol;
  try {
    const faults = rowsOf(protocol);
    if (fault !== undefined && !faults.includes(fault))
      throw new InputError(`--fault: ${file} has no ${fault}; there are ${faults.slice(1).join(', ') || 'none'}`);
    tell({ kind: 'loaded', protocol: protocol.name, what: protocol.what });
    const onFunctions = (names: readonly string[]): void => tell({ kind: 'functions', names });
    const options = { states, ...(depth !== undefined && { depth }) };
    for (const each of fault === undefined ? faults : [fault]) {
      const begun = performance.now();
      const row = rowOf(protocol, each, (of) =>
        watchedSearch(protocol, { ...options, faults: of }, { cells, onFunctions }),
      );
      tell({ kind: 'row', row, ms: performance.now() - begun });
    }
  } catch (error) {
    throw error instanceof ArgumentError ? new InputError(`${file}: ${error.message}`) : error;
  }
}
