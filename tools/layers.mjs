// Checks the walls between the rooms of src/ (rules: .dependency-cruiser.cjs).
// `node tools/layers.mjs`
//
// Why not call dependency-cruiser directly: with a TypeScript it does not understand it cruises
// nothing, finds nothing and reports success. So a cruise that saw fewer than AT_LEAST modules of
// src/, or no import between them, fails here.
import { fileURLToPath } from 'node:url';
import { join, resolve } from 'node:path';
import { cruise } from 'dependency-cruiser';
import extractTSConfig from 'dependency-cruiser/config-utl/extract-ts-config';
import rules from '../.dependency-cruiser.cjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const AT_LEAST = 20;

/**
 * Cruises `<baseDir>/src` and returns what is wrong with it, one line each; none means the walls
 * stand.
 * @param {string} baseDir
 * @param {number} atLeast fewest modules of src/ that make the answer believable
 * @returns {Promise<{ modules: number, imports: number, problems: string[] }>}
 */
export async function checkLayers(baseDir = ROOT, atLeast = AT_LEAST) {
  const { options, ...ruleSet } = rules;
  const { output } = await cruise(['src'], { ...options, baseDir, ruleSet, validate: true }, undefined, {
    tsConfig: extractTSConfig(join(ROOT, 'tsconfig.json')),
  });
  if (typeof output === 'string') throw new Error('dependency-cruiser answered with text instead of a result');

  const ours = output.modules.filter((module) => module.source.startsWith('src/'));
  const imports = ours.reduce((sum, module) => sum + module.dependencies.length, 0);
  const problems = output.summary.violations.map(({ rule, from, to, cycle }) => {
    const route = cycle ? [from, ...cycle.map((step) => step.name)] : to === from ? [from] : [from, to];
    return `${rule.name}: ${route.join(' -> ')}`;
  });
  if (ours.length < atLeast) {
    problems.push(`cruised only ${ours.length} modules of src/, expected at least ${atLeast}: nothing was proved`);
  }
  if (imports === 0) problems.push('saw no import at all: nothing was proved');
  return { modules: ours.length, imports, problems };
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const { modules, imports, problems } = await checkLayers();
  for (const problem of problems) console.error(problem);
  console.log(`layers: ${modules} modules, ${imports} imports, ${problems.length} problems`);
  if (problems.length > 0) process.exitCode = 1;
}
