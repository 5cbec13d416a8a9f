/**
 * Functions of node that a protocol must not call, each replaced before a user's file is imported.
 * What the file imports by name, or keeps, is then a trap while the protocol is searched.
 */

import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import os from 'node:os';
import timers from 'node:timers';
import { relayOf, TRAPPED } from '../../lab/protocol/traps.ts';

/** What modules of node have besides: chance, time and turns of the event loop. */
const OF_MODULES: readonly (readonly [object, string, readonly string[]])[] = [
  [crypto, 'crypto', ['randomBytes', 'randomFill', 'randomFillSync', 'randomInt', 'randomUUID', 'getRandomValues']],
  [os, 'os', ['uptime', 'loadavg', 'freemem']],
  [timers, 'timers', ['setTimeout', 'setInterval', 'setImmediate']],
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
