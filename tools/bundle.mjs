// Bundles the command line, with all that it imports, into one file: opening some two hundred
// modules takes longer than `stillwarm --version` should. Not minified, so that a stack trace is
// legible. A package that is bundled stays a dependency all the same: its licence is installed with
// it. `node tools/bundle.mjs FILE`
import { fileURLToPath } from 'node:url';
import { build } from 'rolldown';

const [file] = process.argv.slice(2);
if (file === undefined) throw new Error('bundle: which file is to be written?');
await build({
  cwd: fileURLToPath(new URL('..', import.meta.url)),
  input: 'src/cli/main.ts',
  platform: 'node',
  output: { file, comments: { jsdoc: false } },
});
