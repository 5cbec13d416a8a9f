/**
 * Functions of node that a protocol must not call, each replaced before a user's file is imported.
 * What the file imports by name, or keeps, is then a trap while the protocol is searched.
 */

import childProcess from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import os from 'node:os';
import perfHooks from 'node:perf_hooks';
import timers from 'node:timers';
import timersPromises from 'node:timers/promises';
import v8 from 'node:v8';
import { relayOf, TRAPPED } from '../../lab/protocol/traps.ts';

const callsOf = (module: object, pattern: RegExp): readonly string[] =>
  Object.keys(module).filter((key) => pattern.test(key));

/** What modules of node have besides: chance, time, turns of the event loop, and the host. */
export const OF_MODULES: readonly (readonly [object, string, readonly string[]])[] = [
  [crypto, 'crypto', callsOf(crypto, /^(random|pseudoRandom|getRandom|generate|prng$|rng$)/)],
  [os, 'os', callsOf(os, /./)],
  [timers, 'timers', ['setTimeout', 'setInterval', 'setImmediate']],
  [timersPromises, 'timers/promises', ['setTimeout', 'setInterval', 'setImmediate']],
  [perfHooks, 'perf_hooks', ['monitorEventLoopDelay']],
  [v8, 'v8', callsOf(v8, /Statistics$/)],
  [fs, 'fs', callsOf(fs, /Sync$/)],
  [childProcess, 'child_process', callsOf(childProcess, /./)],
];

/** @returns puts everything back */
export function relayHost(): () => void {
  const undo: (() => void)[] = [];
  const relay = (holder: object, key: string, name: string): void => {
    const was = Reflect.getOwnPropertyDescriptor(holder, key);
    const original: unknown = Reflect.get(holder, key);
    if (typeof original !== 'function' || was?.configurable === false) return;
    const value = relayOf(name, original);
    const made = { value, configurable: true, writable: true, enumerable: was?.enumerable ?? false };
    if (!Reflect.defineProperty(holder, key, made)) return;
    undo.unshift(() => {
      if (was === undefined) Reflect.deleteProperty(holder, key);
      else Reflect.defineProperty(holder, key, was);
    });
  };
  for (const path of TRAPPED) {
    const holder: unknown = path.length === 1 ? globalThis : Reflect.get(globalThis, path[0]!);
    if ((typeof holder === 'object' || typeof holder === 'function') && holder !== null)
      relay(holder, path.at(-1)!, path.join('.'));
  }
  for (const [holder, module, keys] of OF_MODULES) for (const key of keys) relay(holder, key, `${module}.${key}`);
  syncBuiltinESMExports();
  return () => {
    for (const back of undo) back();
    syncBuiltinESMExports();
  };
}
