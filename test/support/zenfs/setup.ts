// What the suite of @zenfs/core imports by SETUP: the file system under test, and, between any two
// tests, what its machine goes through (MODE).
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach } from 'node:test';
import { configureSingleSync, fs, InMemory, sync } from '@zenfs/core';
import { Guest } from '../../../examples/zenfs/backend.ts';
import { files, Machine } from '../../../src/index.ts';
import type { Mode } from './suite.ts';

const { MODE, DATA } = process.env as Record<string, string>;
const mode = MODE as Mode;

/** 16 MiB of it are the suite's largest file. */
const DISK = files({}, { size: 48 << 20, journalBlocks: 1024, inodeBytes: 256 });

let machine: Machine | undefined;
/** Of all machines so far. */
const total = { reboots: 0, reused: 0, mismatches: 0 };

/** A new file system, with the files that the suite expects. */
export function reset(): void {
  end();
  if (mode === 'memory') configureSingleSync({ backend: InMemory });
  else configureSingleSync({ backend: Guest, machine: (machine = Machine.boot({ disk: DISK, memory: 24 << 20 })) });
  if (mode !== 'memory') fs.rmdirSync('/lost+found');
  for (const name of readdirSync(DATA!)) fs.writeFileSync(`/${name}`, readFileSync(join(DATA!, name)));
}

function end(): void {
  if (machine === undefined) return;
  const { reused, mismatches } = machine.verify();
  total.reused += reused;
  total.mismatches += mismatches;
  machine = undefined;
}

/** What the machines have done. */
export function summary(): typeof total {
  end();
  return total;
}

afterEach(async () => {
  if (machine === undefined || mode === 'guest') return;
  if (mode === 'crash') await sync();
  machine.reboot({ crash: mode === 'crash' });
  total.reboots++;
});
