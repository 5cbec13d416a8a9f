// A tool that guards the walls must itself be seen to fail.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { checkLayers } from '../../tools/layers.mjs';
import { MAY_IMPORT, NODE, ROOMS } from '../../tools/rooms.cjs';

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
const both = 'export const x = 1;\nexport type X = typeof x;\n';
const up = (room: string): string => '../'.repeat(room.split('/').length);

const SOUND = {
  'src/base/assert.ts': both,
  'src/format/ext2.ts': imports('../base/assert.ts'),
  'src/kernel/fs/ext2/super.ts': `import { y } from '../../../format/ext2.ts';\nexport const z = y;\n`,
  'src/kernel/index.ts': `export { z } from './fs/ext2/super.ts';\n`,
  'src/index.ts': `export { z } from './kernel/index.ts';\n`,
};

async function broken(files: Record<string, string>): Promise<string[]> {
  return (await checkLayers(tree({ ...SOUND, ...files }), 1)).problems;
}

/**
 * Whether the table lets `from` import the own files of `to`: the table read without the tool's
 * patterns.
 */
function isAllowed(from: string, to: string): boolean {
  return MAY_IMPORT[from]!.some(
    (entry) => entry === '*' || entry === to || (entry.endsWith('/*') && to.startsWith(entry.slice(0, -1))),
  );
}

describe('the layering tool', () => {
  it('the layering tool is content with a sound tree', async () => {
    expect(await checkLayers(tree(SOUND), 5)).toEqual({ modules: 5, imports: 4, problems: [] });
  });

  it('the layering tool is not content with a tree too small to prove anything', async () => {
    expect((await checkLayers(tree(SOUND))).problems).toEqual([expect.stringContaining('cruised only 5 modules')]);
  });

  it('the layering tool reports every import of one room from another that the table does not allow, value or type, and no other', async () => {
    const files: Record<string, string> = {};
    const expected: string[] = [];
    for (const from of ROOMS) {
      const others = ROOMS.filter((to) => to !== from).map((to) => ({ to, path: `${up(from)}${to}/x.ts` }));
      files[`src/${from}/x.ts`] = both;
      files[`src/${from}/values.ts`] = others.map(({ path }, n) => `export { x as x${n} } from '${path}';\n`).join('');
      files[`src/${from}/types.ts`] = others
        .map(({ path }, n) => `export type { X as X${n} } from '${path}';\n`)
        .join('');
      const wall = `wall-of-${from.replaceAll('/', '-')}: src/${from}/`;
      for (const { to } of others)
        if (!isAllowed(from, to))
          expected.push(`${wall}values.ts -> src/${to}/x.ts`, `${wall}types.ts -> src/${to}/x.ts`);
    }
    const { problems } = await checkLayers(tree(files), 1);
    // The way to the host, and that report/ sees types alone, are walls of their own, tried below.
    const walls = problems.filter((problem) => !/^(browsers-reach-no-node|report-sees)/.test(problem));
    expect(walls.sort()).toEqual(expected.sort());
    expect(ROOMS).toHaveLength(63);
  });

  // What the house stands on, said a second time and by hand: a row that grows by mistake is
  // noticed here.
  it.each([
    ['kernel/mm', ['base', 'kernel/mm/policy']],
    ['kernel/mm/policy', ['base', 'kernel/mm/mem-map.ts']],
    ['experiment/judge', ['base', 'disk/image', 'machine', 'xen', 'xen/*']],
    ['xen/public', ['base', 'sim']],
    ['workload', ['base', 'sim', 'kernel/syscall/syscalls.ts']],
  ])('the layering tool gives %s what it needs and nothing more', (room, allowed) => {
    expect([...MAY_IMPORT[room]!].sort()).toEqual([...allowed].sort());
  });

  it('the layering tool is described row by row in CONTRIBUTING.md', () => {
    const page = readFileSync(new URL('../../CONTRIBUTING.md', import.meta.url), 'utf8');
    const rows = Object.entries(MAY_IMPORT).map(([room, allowed]) => {
      const names = allowed.map((entry) => (entry === '*' ? 'anything' : `\`${entry}\``));
      return `| \`${room}\` | ${names.join(', ') || 'nothing of ours'} |`;
    });
    expect(page).toContain(rows.join('\n'));
  });

  it('the layering tool keeps every room of the guest away from all of the hypervisor and the hardware but the public interface', () => {
    const guest = ROOMS.filter((room) => room === 'kernel' || room.startsWith('kernel/'));
    const beyond = ROOMS.filter((room) => /^(machine|disk|xen)(\/|$)/.test(room) && room !== 'xen/public');
    expect(guest.length * beyond.length).toBeGreaterThan(100);
    expect(guest.flatMap((from) => beyond.filter((to) => isAllowed(from, to)).map((to) => [from, to]))).toEqual([]);
  });

  it.each([
    ['report to a running experiment', 'report-sees', 'src/report/a.ts', '../experiment/guest/b.ts'],
    ['a run to the definition of its result', 'results-only', 'src/experiment/guest/a.ts', './result.ts'],
    ['a barrel out of its room', 'barrel-stays', 'src/xen/index.ts', '../machine/b.ts'],
    ['a room that has no row', 'known-rooms-only', 'src/cli/main.ts', '../utils/b.ts'],
    ['a room inside a room that has no row', 'known-rooms-only', 'src/kernel/file/a.ts', './deeper/b.ts'],
    ['src to a test', 'src-stands-alone', 'src/cli/main.ts', '../../test/b.ts'],
  ])('the layering tool catches %s', async (_what, rule, from, target) => {
    const to = join(dirname(from), target);
    const problems = await broken({ [from]: imports(target), [to]: both });
    expect(problems).toContainEqual(expect.stringContaining(rule));
    expect(problems).toContainEqual(expect.stringContaining(`${from} -> ${to}`));
  });

  it('the layering tool lets the places of NODE import modules of node', async () => {
    const text = `import { sep } from 'node:path';\nexport const y = sep;\n`;
    const files = NODE.map((place) => [place.endsWith('.ts') ? `src/${place}` : `src/${place}/x.ts`, text] as const);
    const problems = await broken(Object.fromEntries(files));
    expect(problems.filter((problem) => !problem.startsWith('no-orphans'))).toEqual([]);
  });

  it('the layering tool catches an import of any module of node anywhere else', async () => {
    const names = ['node:fs', 'node:buffer', 'buffer', 'node:path', 'crypto'];
    const files: Record<string, string> = {};
    for (const [n, name] of names.entries()) {
      files[`src/kernel/x${n}.ts`] = `import * as all from '${name}';\nexport const y = all;\n`;
      files[`src/experiment/guest/x${n}.ts`] = `import type * as All from '${name}';\nexport type Y = typeof All;\n`;
    }
    const problems = await broken(files);
    for (const [n, name] of names.entries())
      for (const from of [`kernel/x${n}.ts`, `experiment/guest/x${n}.ts`])
        expect(problems).toContainEqual(
          expect.stringMatching(new RegExp(`^node-at-the-edge: src/${from} -> (node:)?${name.replace('node:', '')}$`)),
        );
  });

  it('the layering tool lets one door alone import fast-check', async () => {
    const fc = `import fc from 'fast-check';\nexport const y = fc;\n`;
    const problems = await broken({ 'src/doors/machine/x.ts': fc, 'src/doors/testing/x.ts': fc });
    const found = problems.filter((problem) => problem.startsWith('fast-check-in-its-door'));
    expect(found).toEqual([
      expect.stringMatching(/^fast-check-in-its-door: src\/doors\/machine\/x\.ts -> .*fast-check/),
    ]);
  });

  it('the layering tool catches a way from a door for browsers to a file of the host, however long', async () => {
    const host = 'src/disk/image/file-image.ts';
    const files = {
      [host]: imports('node:fs').replace('{ x }', '{ readSync as x }'),
      'src/disk/image/between.ts': `export { y as x } from './file-image.ts';\n`,
      'src/doors/machine/disk.ts': imports('../../disk/image/between.ts'),
      'src/disk/mkfs/host-tree.ts': imports('../image/between.ts'),
    };
    const problems = (await broken(files)).filter((problem) => problem.startsWith('browsers-reach-no-node'));
    expect(problems).toEqual([`browsers-reach-no-node: src/doors/machine/disk.ts -> ${host}`]);
  });

  it('the layering tool catches a cycle of types, an orphan and an import of nothing', async () => {
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
