/** The thread that searches a user's protocol: it is ended when the protocol does not return. */

import { InputError } from '../../base/index.ts';
import type { AnyProtocol } from '../../lab/protocol/api.ts';
import { rowOf, rowsOf, type Row } from '../../lab/protocol/check.ts';
import { watchedSearch } from '../../lab/protocol/search.ts';
import { plain, revive, type PlainError } from '../kit/plain-error.ts';
import { relayHost } from './host-relays.ts';
import { loadModule, registerHooks } from './workload.ts';

/** Characters of an error of a user's that are told. */
const LINE_MAX = 200;

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
  | { readonly kind: 'begun' }
  | { readonly kind: 'loaded'; readonly protocol: string; readonly what: string }
  | { readonly kind: 'functions'; readonly names: readonly string[] }
  | { readonly kind: 'row'; readonly row: Row; readonly ms: number }
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly error: PlainError };

/** @param tell tells the thread of the program */
export function runProtocol(input: ProtocolInput, tell: (message: ProtocolMessage) => void): void {
  // What it takes to import TypeScript is no time of the protocol's.
  registerHooks(/\.m?ts$/.test(input.path));
  tell({ kind: 'begun' });
  const putBack = relayHost();
  search(input, tell)
    .finally(putBack)
    .then(
      () => tell({ kind: 'done' }),
      (error: unknown) => tell({ kind: 'failed', error: plain(error) }),
    );
}

async function search(
  { path, file, fault, states, depth, cells }: ProtocolInput,
  tell: (message: ProtocolMessage) => void,
): Promise<void> {
  try {
    const protocol = await imported(path, file, tell);
    const faults = rowsOf(protocol);
    if (fault !== undefined && !faults.includes(fault))
      throw new InputError(`--fault: ${file} has no ${fault}; there are ${faults.slice(1).join(', ') || 'none'}`);
    tell({ kind: 'loaded', protocol: protocol.name, what: protocol.what });
    const onFunctions = (names: readonly string[]): void => tell({ kind: 'functions', names });
    const options = { states, ...(depth !== undefined && { depth }) };
    for (const each of fault === undefined ? faults : [fault]) {
      cells[1] = 0;
      onFunctions([]);
      const begun = performance.now();
      const row = rowOf(protocol, each, (of) =>
        watchedSearch(protocol, { ...options, faults: of }, { cells, onFunctions }),
      );
      tell({ kind: 'row', row, ms: performance.now() - begun });
    }
  } catch (error) {
    throw refusalOf(error, file);
  }
}

/** What the file exports by default. @throws InputError for what cannot be a protocol */
async function imported(path: string, file: string, tell: (message: ProtocolMessage) => void): Promise<AnyProtocol> {
  // Nothing is left to be done in the thread, and the import still waits.
  const waits = (): void => tell({ kind: 'failed', error: plain(new InputError(`${file}: its import does not end`)) });
  process.once('beforeExit', waits);
  // What node says of a file of another kind is said in the refusal.
  const listeners = process.listeners('warning');
  process.removeAllListeners('warning');
  try {
    const module = await loadModule(path, 0).catch((error: unknown) => {
      // The user knows the file as it was given.
      throw error instanceof InputError ? new InputError(error.message.replace(`${path}:`, `${file}:`)) : error;
    });
    if (!('default' in module)) throw new InputError(`${file}: it exports nothing by default`);
    const exported = module.default;
    const kind =
      typeof exported === 'function'
        ? 'a function'
        : Array.isArray(exported)
          ? 'a list'
          : exported instanceof Promise
            ? 'a promise'
            : undefined;
    if (kind !== undefined) throw new InputError(`${file}: it exports ${kind} by default, and no protocol`);
    return exported as AnyProtocol;
  } finally {
    process.off('beforeExit', waits);
    // Warnings are told in a turn of their own.
    await new Promise((end) => setImmediate(end));
    for (const listener of listeners) process.on('warning', listener);
  }
}

/** What is thrown while a protocol is inspected is its mistake, in one line, whatever it is. */
function refusalOf(error: unknown, file: string): Error {
  const told = plain(error);
  if (told.name === 'InputError' || told.name === 'InvariantViolation') return revive(told);
  const line = told.message.split('\n')[0]!.slice(0, LINE_MAX);
  return new InputError(`${file}: ${told.name === 'ArgumentError' ? told.message : `it throws ${told.name}: ${line}`}`);
}
