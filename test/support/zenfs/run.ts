// Runs files of the suite of @zenfs/core one after the other in this process, each on a new file
// system. node:test prints TAP.
import { writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { basename } from 'node:path';
import { reset, summary } from './setup.ts';

// What Node 20 lacks. The suite also lets the loop run dry where it waits for timers that hold
// nothing up, and node ends it then.
Object.assign(Error, { isError: (value: unknown) => value instanceof Error });
const alive = setInterval(() => undefined, 1000);

// watch.test.ts waits by setImmediate between two writes whose times must differ by a millisecond.
const soon = globalThis.setImmediate;
globalThis.setImmediate = ((callback: (...rest: unknown[]) => void, ...rest: unknown[]) => {
  const start = Date.now();
  const wait = (): void => {
    if (Date.now() === start) soon(wait);
    else callback(...rest);
  };
  return soon(wait);
}) as typeof setImmediate;

/** Ends when all tests so far have ended; its name is in the output before those that follow. */
const mark = (name: string): Promise<void> =>
  new Promise((resolve) => {
    void test(name, () => {
      reset();
      resolve();
    });
  });

try {
  for (const file of process.argv.slice(2)) {
    await mark(`file: ${basename(file, '.mjs')}`);
    await import(file);
  }
  await mark('file: ');
  writeFileSync(process.env['SUMMARY']!, JSON.stringify(summary()));
} finally {
  clearInterval(alive);
}
