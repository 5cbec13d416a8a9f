// A tool that guards the walls must itself be seen to fail.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { checkLayers } from '../../tools/layers.mjs';

const made: string[] = [];

function tree(files: Record<string, string>): string {
  const root = mkdtempSync(join(tmpdir(), 'stillwarm-layers-'));
  made.push(root);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

afterEach(() => {
  for (const root of made.splice(0)) rmSync(root, { recursive: true, force: true });
});

const imports = (path: string) => `import { x } from '${path}';\nexport const y = x;\n`;
const importsType = (path: string) => `import type { X } from '${path}';\nexport type Y = X;\n`;
const both = 'export const x = 1;\nexport type X = typeof x;\n';

const SOUND = {
  'src/base/assert.ts': both,
  'src/disk/ext2-format.ts': imports('../base/assert.ts'),
  'src/kernel/ext2.ts': `import { y } from '../disk/ext2-format.ts';\nexport const z = y;\n`,
  'src/kernel/index.ts': `export { z } from './ext2.ts';\n`,
  'src/index.ts': `export { z } from './kernel/index.ts';\n`,
};

async function broken(files: Record<string, string>): Promise<string[]> {
  return (await checkLayers(tree({ ...SOUND, ...files }), 1)).problems;
}

describe('layers', () => {
  it('is content with a sound tree', async () => {
    expect(await checkLayers(tree(SOUND), 5)).toEqual({ modules: 5, imports: 4, problems: [] });
  });

  it('is not content with a tree too small to prove anything', async () => {
    expect((await checkLayers(tree(SOUND))).problems).toEqual([expect.stringContaining('cruised only 5 modules')]);
  });

  it.each([
    ['kernel to machine', 'wall-of-kernel', 'src/kernel/a.ts', imports('../machine/b.ts'), 'src/machine/b.ts'],
    [
      'kernel to machine, a type only',
      'wall-of-kernel',
      'src/kernel/a.ts',
      importsType('../machine/b.ts'),
      'src/machine/b.ts',
    ],
    ['kernel to the drive', 'wall-of-kernel', 'src/kernel/a.ts', imports('../disk/b.ts'), 'src/disk/b.ts'],
    ['kernel to the hypervisor', 'wall-of-kernel', 'src/kernel/a.ts', imports('../xen/b.ts'), 'src/xen/b.ts'],
    ['the ABI to the hypervisor', 'wall-of-xen-public', 'src/xen/public/a.ts', imports('../b.ts'), 'src/xen/b.ts'],
    [
      'the ABI to the machine',
      'wall-of-xen-public',
      'src/xen/public/a.ts',
      imports('../../machine/b.ts'),
      'src/machine/b.ts',
    ],
    ['hypervisor to guest', 'wall-of-xen', 'src/xen/a.ts', imports('../kernel/b.ts'), 'src/kernel/b.ts'],
    [
      'workload past the system calls',
      'wall-of-workload',
      'src/workload/a.ts',
      imports('../kernel/b.ts'),
      'src/kernel/b.ts',
    ],
    ['base to anything', 'wall-of-base', 'src/base/a.ts', imports('../sim/b.ts'), 'src/sim/b.ts'],
    [
      'report to a running experiment',
      'report-sees',
      'src/report/a.ts',
      imports('../experiment/b.ts'),
      'src/experiment/b.ts',
    ],
    [
      'a barrel out of its room',
      'barrel-stays',
      'src/experiment/index.ts',
      imports('../machine/b.ts'),
      'src/machine/b.ts',
    ],
    ['a room nobody decided on', 'known-rooms-only', 'src/cli/main.ts', imports('../utils/b.ts'), 'src/utils/b.ts'],
    ['src to a test', 'src-stands-alone', 'src/cli/main.ts', imports('../../test/b.ts'), 'test/b.ts'],
  ])('catches %s', async (_what, rule, from, text, to) => {
    const problems = await broken({ [from]: text, [to]: both });
    expect(problems).toContainEqual(expect.stringContaining(rule));
    expect(problems).toContainEqual(expect.stringContaining(`${from} -> ${to}`));
  });

  it('allows what the walls allow', async () => {
    expect(
      await broken({
        'src/xen/public/abi.ts': both,
        'src/xen/hypercall.ts': imports('./public/abi.ts'),
        'src/kernel/syscalls.ts': imports('../xen/public/abi.ts'),
        'src/workload/reader.ts': `import { y } from '../kernel/syscalls.ts';\nexport const w = y;\n`,
        'src/experiment/testbed.ts': `import { w } from '../workload/reader.ts';\nimport { y } from '../xen/hypercall.ts';\nexport type X = [typeof w, typeof y];\n`,
        'src/report/table.ts': importsType('../experiment/testbed.ts'),
        'src/cli/main.ts': `import type { Y } from '../report/table.ts';\nexport type M = Y;\n`,
      }),
    ).toEqual([]);
  });

  it('catches a cycle of types, an orphan and an import of nothing', async () => {
    const problems = await broken({
      'src/sim/a.ts': `import type { B } from './b.ts';\nexport type A = B[];\n`,
      'src/sim/b.ts': `import type { A } from './a.ts';\nexport type B = A[];\n`,
      'src/sim/lonely.ts': 'export const alone = 1;\n',
      'src/sim/lost.ts': imports('./nowhere.ts'),
    });
    expect(problems).toContainEqual(expect.stringMatching(/^no-circular: /));
    expect(problems).toContainEqual('no-orphans: src/sim/lonely.ts');
    expect(problems).toContainEqual(expect.stringMatching(/^not-to-unresolvable: /));
  });
});
