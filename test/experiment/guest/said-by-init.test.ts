// What init says of a list that makes no sense is among the remarks of `stillwarm reboot`.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { runReboot } from '../../../src/experiment/guest/reboot.ts';
import { inTemporaryDirectory } from '../../support/e2fsprogs.ts';

/** Remarks of a reboot over a directory with these lists of files that a boot reads. */
function noticesWith(lists: Readonly<Record<string, string>>): readonly string[] {
  let said: readonly string[] = [];
  inTemporaryDirectory((dir) => {
    mkdirSync(join(dir, 'files/.stillwarm-boot'), { recursive: true });
    writeFileSync(join(dir, 'files/f'), 'content');
    for (const [name, text] of Object.entries(lists)) writeFileSync(join(dir, 'files/.stillwarm-boot', name), text);
    said = runReboot({
      ...{ path: join(dir, 'files'), memory: 16 << 20, disk: 'instant', profile: 'pentium4-2006', seed: 1 },
      ...{ strategies: ['cold', 'warm-cache'], workload: 'files', limit: undefined },
      ...{ crash: false, checksum: false, dumpMemory: undefined },
    }).notices;
  });
  return said;
}

it('a list of files to read that is damaged is said once among the remarks of a reboot, and a sound one is not', () => {
  expect(noticesWith({ start: '0 1 /f\n', stop: '0 1 /f\n' })).toEqual([]);
  expect(noticesWith({ start: 'nonsense\n', stop: '0 1 /f\n' })).toEqual([
    'init: /.stillwarm-boot/start: line 1 is damaged: nothing is read',
  ]);
  expect(noticesWith({ start: '0 1 /f\n', stop: '0 1 /gone/f/\n-1\n' })).toEqual([
    'init: /.stillwarm-boot/stop: line 2 is damaged: nothing is read',
  ]);
});
