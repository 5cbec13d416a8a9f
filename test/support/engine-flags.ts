// Flags of the engine for processes that run for seconds. To optimize a function costs more than
// most of them get back, so one has to be used several times as long before that. It takes a
// sixteenth off short files, and a third off a small reboot. Later engines have other counters.
export const SHORT_RUNS: readonly string[] = process.versions.v8.startsWith('11.') ? ['--interrupt-budget=400000'] : [];
