// Packs the package as it would be published into .build/package.tgz, for publint and attw
// (`npm run package-lint`).
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, renameSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const ROOT = new URL('..', import.meta.url);
const { name, version } = /** @type {{ name: string, version: string }} */ (
  JSON.parse(readFileSync(new URL('package.json', ROOT), 'utf8'))
);

/**
 * @param {string} command
 * @param {string[]} args
 */
const run = (command, ...args) => execFileSync(command, args, { cwd: fileURLToPath(ROOT), stdio: 'inherit' });

run('node', 'tools/clean.mjs', 'dist'); // an output whose source is gone must not be published
run('npm', 'run', '-s', 'build');
mkdirSync(new URL('.build', ROOT), { recursive: true });
run('npm', 'pack', '--silent', '--ignore-scripts', '--pack-destination', '.build');
renameSync(new URL(`.build/${name}-${version}.tgz`, ROOT), new URL('.build/package.tgz', ROOT));
