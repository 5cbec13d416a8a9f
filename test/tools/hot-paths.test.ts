// What docs/explanation/hot-paths.md says of the engine's limits, asked of the engine.
import { execFileSync } from 'node:child_process';
import { pathToFileURL } from 'node:url';
import { expect, it } from 'vitest';

/** The engine inlines no callee of more bytecodes. */
const MOST_INLINED = 460;

it('the path of a cached overwrite is too long to be inlined, so that it is the root of what it calls', () => {
  const door = pathToFileURL('.build/src-for-tests/index.js').href;
  const program = `
    import { files, Machine, O } from '${door}';
    const { sys } = Machine.boot({ disk: files({ a: 'x'.repeat(8192) }), memory: 16 << 20 });
    sys.pwrite(sys.open('/a', O.rdwr), new Uint8Array(4096), 0, 4096, 0);`;
  const flags = ['--print-bytecode', '--print-bytecode-filter=writeNow', '--input-type=module'];
  const printed = execFileSync(process.execPath, [...flags, '-e', program], { encoding: 'utf8', maxBuffer: 1 << 26 });
  const lengths = [...printed.matchAll(/^Bytecode length: (\d+)$/gm)].map(([, length]) => Number(length));
  expect(lengths).toHaveLength(1);
  expect(lengths[0]).toBeGreaterThan(MOST_INLINED);
});
