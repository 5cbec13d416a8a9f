// Runs before every test file. A bare fc.assert is deterministic too; property() chooses its own seed.
import fc from 'fast-check';
import { Simulation } from '../../src/sim/index.ts';
import { compareTypedArraysAsBytes } from './bytes.ts';
import { limitEvents } from './event-limit.ts';

fc.configureGlobal({ seed: 1 });
compareTypedArraysAsBytes();
limitEvents(Simulation.prototype);
