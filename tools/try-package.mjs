// Installs the package into an empty project and runs its examples there.
// `node tools/try-package.mjs PACKAGE.tgz`
//
// The examples are compiled as TypeScript with every check, those of declarations included, and
// then run as plain JavaScript. What they answer must be what test/examples/runs.ts says. The
// declarations of ZenFS do not pass in an empty project, for want of Node's and of a later library.
// So what imports it is compiled in a second project, which does not check declarations.
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { examples, forUsers, rewritten } from './examples.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const [archive] = process.argv.slice(2);
if (archive === undefined) throw new Error('try-package: which package?');

// Not in the checkout, where node would find the checkout's packages.
const project = mkdtempSync(join(tmpdir(), 'stillwarm-package-'));
process.on('exit', () => rmSync(project, { recursive: true, force: true }));

/**
 * @param {string} command
 * @param {string[]} args
 */
const run = (command, ...args) => execFileSync(command, args, { cwd: project, stdio: 'inherit' });

writeFileSync(join(project, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
const install = ['install', '--silent', '--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts'];
run('npm', ...install, resolve(archive));

const installed = join(project, 'node_modules/stillwarm');
for (const name of examples())
  if (readFileSync(join(installed, 'dist/examples', name), 'utf8') !== forUsers(name))
    throw new Error(`try-package: dist/examples/${name} is not that of examples/`);
cpSync(join(installed, 'dist/examples'), join(project, 'examples'), { recursive: true });
const runs = join(ROOT, 'test/examples/runs.ts');
writeFileSync(
  join(project, 'runs.ts'),
  rewritten(readFileSync(runs, 'utf8'), runs).replaceAll("'../../examples/", "'./examples/"),
);

// A link of a document leads to a file of the package. The benchmarks are in the repository alone.
for (const page of readdirSync(installed, { recursive: true, encoding: 'utf8' })) {
  if (!page.endsWith('.md')) continue;
  const prose = readFileSync(join(installed, page), 'utf8').replaceAll(/^```[^]*?^```|`[^`\n]*`/gm, '');
  for (const [, target = ''] of prose.matchAll(/\]\((?!https?:|#)([^)#\s]+)/g))
    if (!target.endsWith('bench/README.md') && !existsSync(join(installed, dirname(page), target)))
      throw new Error(`try-package: ${page}: ${target} is not in the package`);
}

// What an example needs besides stillwarm, as its user would install it: the checkout's own.
const bare = /\bfrom '((?:@[\w.-]+\/)?[a-z][\w.-]*)[^']*'/g;
for (const name of examples())
  for (const [, other = ''] of forUsers(name).matchAll(bare)) {
    const link = join(project, 'node_modules', other);
    if (existsSync(link)) continue;
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules', other), link);
  }

const compilerOptions = {
  ...{ target: 'ES2023', module: 'nodenext', strict: true, skipLibCheck: false, types: [] },
  ...{ noUncheckedIndexedAccess: true, exactOptionalPropertyTypes: true, verbatimModuleSyntax: true },
  ...{ rootDir: '.', outDir: 'out' },
};
/**
 * @param {string} name
 * @param {unknown} config
 */
const compile = (name, config) => {
  writeFileSync(join(project, name), JSON.stringify(config));
  run('node', join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', name);
};
compile('tsconfig.json', { compilerOptions, include: ['examples'], exclude: ['examples/zenfs'] });
const unchecked = { ...compilerOptions, skipLibCheck: true };
compile('tsconfig.zenfs.json', { compilerOptions: unchecked, include: ['examples/zenfs', 'runs.ts'] });

writeFileSync(
  join(project, 'out/main.js'),
  `import { deepStrictEqual } from 'node:assert';
import { mkdtempSync, rmSync } from 'node:fs';
import { ANSWERS, RUNS } from './runs.js';
let ran = 0;
for (const [name, run] of Object.entries(RUNS)) {
  const folder = mkdtempSync('${join(project, 'folder-')}');
  const example = await import('./examples/' + name.replace(/ts$/, 'js'));
  const answer = await run(example, { folder, door: (door) => import(door) });
  deepStrictEqual(JSON.parse(JSON.stringify(answer)), ANSWERS[name], name);
  ran++;
}
console.log('try-package: ' + ran + ' examples compiled, run, and right');
`,
);
run('node', 'out/main.js');
run('node', 'node_modules/.bin/stillwarm', '--version');
