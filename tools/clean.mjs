// Removes what the scripts of package.json produce; sources and node_modules stay.
// `node tools/clean.mjs [dist]`
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const MADE = ['dist', '.build', 'coverage'];

for (const made of process.argv.length > 2 ? process.argv.slice(2) : MADE) {
  if (!MADE.includes(made)) throw new Error(`clean: ${made} is not one of ${MADE.join(', ')}`);
  rmSync(fileURLToPath(new URL(`../${made}`, import.meta.url)), { recursive: true, force: true });
}
