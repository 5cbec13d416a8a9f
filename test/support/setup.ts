// Runs before every test file. A bare fc.assert is deterministic too; property() chooses its own
// seed.
import fc from 'fast-check';
import { afterAll, afterEach, beforeEach } from 'vitest';
import { Simulation } from '../../src/sim/index.ts';
import { compareTypedArraysAsBytes } from './bytes.ts';
import { limitEvents } from './event-limit.ts';
import { beginTest, endTest } from './memories.ts';
import { linesOfPlayed } from './product.ts';
import { playsLaws } from './property.ts';
import { traceSources } from './source-traces.ts';

const isMutant = process.env['STILLWARM_MUTANTS'] !== undefined;
// A mutant is dead when one case fails: which case is smallest does not matter.
fc.configureGlobal({ seed: 1, endOnFailure: isMutant });
// A mutant that loops without an end throws once it was passed this often in one file. No file
// passes a place that often without a mutant.
if (isMutant)
  Object.assign(((globalThis as { __stryker__?: object }).__stryker__ ??= {}), { hitCount: 0, hitLimit: 2e7 });
compareTypedArraysAsBytes();
limitEvents(Simulation.prototype);
traceSources();
beforeEach(beginTest);
afterEach(endTest);
afterAll(() => {
  const lines = linesOfPlayed();
  if (playsLaws() && lines.length > 0) console.log(lines.join('\n'));
});
