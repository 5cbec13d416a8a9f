// What init says of a list that makes no sense is among the remarks of `stillwarm reboot` and
// `stillwarm web`.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { runReboot } from '../../../src/experiment/guest/reboot.ts';
import { runWeb } from '../../../src/experiment/web/experiment.ts';
import { inTemporaryDirectory } from '../../support/e2fsprogs.ts';

/** What an experiment over this directory remarks. */
type Remarks = (path: string) => readonly string[];

const MACHINE = { memory: 16 << 20, disk: 'instant', profile: 'pentium4-2006', seed: 1, crash: false } as const;

const ofReboot: Remarks = (path) =>
  runReboot({
    ...MACHINE,
    ...{ path, strategies: ['cold', 'warm-cache'], workload: 'files', limit: undefined },
    ...{ checksum: false, dumpMemory: undefined },
  }).notices;

const ofWeb: Remarks = (path) =>
  runWeb({
    ...MACHINE,
    ...{ path, strategies: ['cold'], sizes: undefined, limit: undefined, prefetchRate: undefined },
    ...{ workers: 1, sending: 'read', loop: 'open', rate: 1, arrivals: 'constant', connections: 1, think: 0 },
    ...{ timeout: 1, order: 'once', alpha: 1, before: 1, after: 1 },
  }).notices;

/** Remarks over a directory with these lists of files that a boot reads. */
function noticesWith(remarks: Remarks, lists: Readonly<Record<string, string>>): readonly string[] {
  let said: readonly string[] = [];
  inTemporaryDirectory((dir) => {
    mkdirSync(join(dir, 'files/.stillwarm-boot'), { recursive: true });
    writeFileSync(join(dir, 'files/f'), 'content');
    for (const [name, text] of Object.entries(lists)) writeFileSync(join(dir, 'files/.stillwarm-boot', name), text);
    said = remarks(join(dir, 'files'));
  });
  return said;
}

it.each([
  ['a reboot', ofReboot],
  ['a web server', ofWeb],
])('a list of files to read that is damaged is said once among the remarks of %s, and a sound one is not', (_, of) => {
  expect(noticesWith(of, { start: '0 1 /f\n', stop: '0 1 /f\n' })).toEqual([]);
  expect(noticesWith(of, { start: 'nonsense\n', stop: '0 1 /f\n' })).toEqual([
    'init: /.stillwarm-boot/start: line 1 is damaged: nothing is read',
  ]);
  expect(noticesWith(of, { start: '0 1 /f\n', stop: '0 1 /gone/f/\n-1\n' })).toEqual([
    'init: /.stillwarm-boot/stop: line 2 is damaged: nothing is read',
  ]);
});
