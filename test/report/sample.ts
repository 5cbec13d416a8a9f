// A made-up result with figures like those of a run, for the tests of report/ and cli/.
import type { RebootResult, RunResult, Sample, StrategyResult } from '../../src/experiment/guest/result.ts';
import type { StrategyName } from '../../src/experiment/host/strategies.ts';
import { noReasons } from '../../src/xen/public/reason.ts';

const BYTES = 289_300_000;

export function sampleStrategy(name: StrategyName, first: number, rebootNs: number, reused: number): StrategyResult {
  const second = 1150;
  const run = (phase: RunResult['phase'], number: RunResult['number'], speed: number): RunResult => ({
    phase,
    number,
    bytes: BYTES,
    ns: Math.round((BYTES * 1000) / speed),
  });
  const runs = [run('before', 1, 41), run('before', 2, second), run('after', 1, first), run('after', 2, second)];
  const timeline: Sample[] = [];
  const lay = (from: number, { ns, bytes }: RunResult): number => {
    const samples = Math.max(1, Math.round(ns / 50_000_000));
    for (let i = 0; i < samples; i++) {
      const wobble = 1 + 0.25 * Math.sin(i * 1.7);
      timeline.push({
        startNs: from + Math.round((i * ns) / samples),
        ns: Math.round(ns / samples),
        bytes: Math.round((bytes * wobble) / samples),
      });
    }
    return from + ns;
  };
  lay(lay(-runs[0]!.ns - runs[1]!.ns, runs[0]!), runs[1]!);
  lay(lay(rebootNs, runs[2]!), runs[3]!);
  return {
    name,
    runs,
    rebootNs,
    boots: {
      before: { ns: 11_400_000_000, bytes: 40_000_000, pagesRead: 10_200, pagesReused: 0 },
      after:
        name === 'cold' || name === 'prefetch'
          ? { ns: 11_300_000_000, bytes: 40_000_000, pagesRead: 10_200, pagesReused: 0 }
          : { ns: 7_100_000_000, bytes: 40_000_000, pagesRead: 150, pagesReused: 10_050 },
    },
    pages: {
      preserved: name === 'cold' ? 0 : 81_734,
      reused,
      readAgain: 81_734 - reused,
      refused: { ...noReasons(), dirty: name === 'cold' ? 0 : 12, notAsked: name === 'cold' ? 81_734 : 0 },
      recency: name === 'cold' ? 'untold' : 'told',
    },
    metadataReads: name === 'warm-cache+metadata' ? 31 : 4_812,
    hypercalls: { count: 30_412, ns: 41_000_000, share: 0.0123 },
    writes: { bytes: 0, bytesLost: 0, dirtyPages: 0, pagesWrittenBack: 0, pagesLost: 0 },
    domain0: null,
    verified: { pages: 326_936, bytes: 4 * BYTES, mismatches: 0 },
    timeline,
  };
}

export function sampleResult(): RebootResult {
  return {
    schema: 'stillwarm/reboot@1',
    set: [{ constant: 'guest.syscallNs', value: 300 }],
    seed: 1,
    digest: '0123456789abcdef',
    profile: 'pentium4-2006',
    arch: 'x86_32',
    disk: 'profile',
    workload: 'files',
    crash: false,
    checksum: false,
    expire: null,
    memory: 1 << 30,
    backend: 'partition',
    domain0Cache: null,
    files: 27_731,
    bytes: BYTES,
    strategies: [
      sampleStrategy('cold', 42, 23_100_000_000, 0),
      sampleStrategy('prefetch', 48, 23_900_000_000, 0),
      sampleStrategy('warm-cache', 640, 23_300_000_000, 81_700),
      sampleStrategy('warm-cache+metadata', 1090, 23_350_000_000, 81_722),
    ],
    domain0Curve: [],
    fitted: ['guest.pageLookupNs', 'guest.copyNsPerByte', 'guest.bootServicesNs', 'disk.averageSeekNs'],
  };
}
