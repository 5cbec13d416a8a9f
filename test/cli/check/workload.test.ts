// A user's program, imported as a thread does it: every mistake is one line with its place. The
// hooks of node's loader stay in the process. They only remove types from what node itself imports.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { InputError } from '../../../src/base/index.ts';
import { loadWorkload } from '../../../src/cli/check/workload.ts';
import { TIMEOUT_MS } from '../../support/property.ts';

let dir = '';
beforeAll(() => {
  const build = join(import.meta.dirname, '../../../.build');
  mkdirSync(build, { recursive: true });
  // Where a user's file finds packages as one of the project does.
  dir = mkdtempSync(join(build, 'workload-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const write = (name: string, text: string): void => writeFileSync(join(dir, name), text);

describe("a user's program", () => {
  it('each instance of a program has a module of its own', async () => {
    write('counter.mjs', 'let n = 0;\nexport default function* () { return ++n; }');
    const path = join(dir, 'counter.mjs');
    const [one, again, other] = [await loadWorkload(path, 1), await loadWorkload(path, 1), await loadWorkload(path, 2)];
    expect(one).toBe(again);
    const values = [one, one, other].map((program) => program(undefined as never).next().value);
    expect(values).toEqual([1, 2, 1]);
  });

  it.each([
    ['bad.mjs', 'const a = 1;\nconst b = ;\n', /bad\.mjs:2: Expression expected$/],
    [
      'no-name.mjs',
      '\nimport { nothing } from "./number.ts";\n',
      /no-name\.mjs:2: The requested module '\.\/number\.ts' does not provide an export named 'nothing'$/,
    ],
    ['bad.ts', 'const a: number = 1;\nconst b = ;\n', /bad\.ts:2: Expression expected$/],
    [
      'enum.ts',
      '\n\nenum A { B }\nexport default function* () {}\n',
      /enum\.ts:3: TypeScript enum is not supported in strip-only mode$/,
    ],
    [
      'no-default.mjs',
      'export const a = 1;',
      /no-default\.mjs:1: expected a program: export default function\* \(sys\) \{ … \}; the default export is undefined$/,
    ],
    ['seven.ts', 'export default 7 as number;', /seven\.ts:1: expected a program: .* is number$/],
    ['throws.mjs', '\nfunction f() {\n  throw new RangeError("no\\nway");\n}\nf();\n', /throws\.mjs:3: no$/],
    [
      'throws.ts',
      'type A = 1;\nlet a: A;\n\n  null!.b;\nexport default function* () {}\n',
      /throws\.ts:4: Cannot read properties of null \(reading 'b'\)$/,
    ],
    [
      'missing.mjs',
      '// A line\nimport "no-such-package";\n',
      /missing\.mjs:2: Cannot find package 'no-such-package' imported from /,
    ],
    ['not-there.ts', 'import { a } from "./nowhere.ts";\n', /not-there\.ts:1: Cannot find module /],
    ['imports-bad.ts', 'import "./bad.ts";\n', /bad\.ts:2: Expression expected$/],
  ])(
    'the mistake of %s is one line that names the file and the place',
    { timeout: TIMEOUT_MS },
    async (name, text, message) => {
      write('number.ts', 'export default 7 as number;');
      write('bad.ts', 'const a: number = 1;\nconst b = ;\n');
      write(name, text);
      const error: unknown = await loadWorkload(join(dir, name), 0).then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      expect(error).toBeInstanceOf(InputError);
      expect((error as InputError).message).toMatch(/^[^\n]*$/);
      expect((error as InputError).message).toMatch(message);
    },
  );
});
