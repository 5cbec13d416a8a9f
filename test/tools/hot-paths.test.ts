// What docs/explanation/hot-paths.md says of the engine's limits, asked of the engine.
import { execFileSync } from 'node:child_process';
import { pathToFileURL } from 'node:url';
import { expect, it } from 'vitest';

/** The engine inlines no callee of more bytecodes. */
const MOST_INLINED = 460;

/** What the engine prints of a guest that overwrites cached pages so many times. */
function overwriting(times: number, ...flags: string[]): string {
  const door = pathToFileURL('.build/src-for-tests/index.js').href;
  const program = `
    import { files, Machine, O } from '${door}';
    const { sys } = Machine.boot({ disk: files({ a: 'x'.repeat(8192) }), memory: 16 << 20 });
    const [fd, page] = [sys.open('/a', O.rdwr), new Uint8Array(4096)];
    for (let i = 0; i < ${times}; i++) sys.pwrite(fd, page, 0, 4096, (i & 1) << 12);`;
  const words = [...flags, '--single-threaded', '--input-type=module', '-e', program];
  return execFileSync(process.execPath, words, { encoding: 'utf8', maxBuffer: 1 << 28 });
}

it('the path of a cached overwrite is too long to be inlined, so that it is the root of what it calls', () => {
  const printed = overwriting(1, '--print-bytecode', '--print-bytecode-filter=writeNow');
  const lengths = [...printed.matchAll(/^Bytecode length: (\d+)$/gm)].map(([, length]) => Number(length));
  expect(lengths).toHaveLength(1);
  expect(lengths[0]).toBeGreaterThan(MOST_INLINED);
});

it('the engine inlines all that a cached overwrite calls each time', () => {
  const printed = overwriting(30_000, '--trace-turbo-inlining', '--trace-opt');
  const compiled = printed.split('[compiling method ').filter((text) => /^\S+ <JSFunction writeNow /.test(text));
  const last = compiled.at(-1)!;
  const inlined = new Set(
    [...last.matchAll(/^Inlining \S+ \{\S+ <SharedFunctionInfo ([^>]+)>\} into/gm)].map(([, name]) => name),
  );
  const always = [
    'get isOpen',
    'get isDue',
    'lookUp',
    'copyIn',
    '#writable',
    'readable',
    'isProtected',
    'charge',
    'touch',
  ];
  expect(always.filter((name) => !inlined.has(name))).toEqual([]);
});
