// Runs before every test file. A bare fc.assert is deterministic too; property() chooses its own
// seed.
import fc from 'fast-check';
import { afterAll } from 'vitest';
import { Simulation } from '../../src/sim/index.ts';
import { compareTypedArraysAsBytes } from './bytes.ts';
import { limitEvents } from './event-limit.ts';
import { linesOfPlayed } from './product.ts';
import { playsLaws } from './property.ts';
import { traceSources } from './source-traces.ts';

// A mutant is dead when one case fails: which case is smallest does not matter.
fc.configureGlobal({ seed: 1, endOnFailure: process.env['STILLWARM_MUTANTS'] !== undefined });
compareTypedArraysAsBytes();
limitEvents(Simulation.prototype);
traceSources();
afterAll(() => {
  const lines = linesOfPlayed();
  if (playsLaws() && lines.length > 0) console.log(lines.join('\n'));
});
