// Runs before every test file. A bare fc.assert is deterministic too; property() chooses its own seed.
import fc from 'fast-check';

fc.configureGlobal({ seed: 1 });
