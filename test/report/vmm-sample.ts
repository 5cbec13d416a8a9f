// A made-up result of reboots of the hypervisor: one machine that was asked for, and both series.
import type { VmmExperimentResult, VmmMeasurement } from '../../src/experiment/vmm/result.ts';
import { VMM_STRATEGIES } from '../../src/experiment/host/strategies.ts';
import type { VmmPhase } from '../../src/experiment/vmm/result.ts';

const PHASES: Record<(typeof VMM_STRATEGIES)[number], readonly VmmPhase['name'][]> = {
  'warm-vm': ['domain 0 shutdown', 'suspend guests', 'hand over', 'reset and boot', 'resume guests'],
  'save-restore': ['save guests', 'domain 0 shutdown', 'reset and boot', 'restore guests'],
  'live-migration': ['migrate guests', 'domain 0 shutdown', 'reset and boot', 'migrate guests back'],
  'shutdown-boot': ['shut guests down', 'domain 0 shutdown', 'reset and boot', 'boot guests'],
  'warm-cache': ['shut guests down', 'domain 0 shutdown', 'hand over', 'reset and boot', 'boot guests'],
  'warm-cache+metadata': ['shut guests down', 'domain 0 shutdown', 'hand over', 'reset and boot', 'boot guests'],
};

export function sampleMeasurement(vms: number, memory: number): VmmMeasurement {
  return {
    vms,
    memory,
    domain0Cache: null,
    strategies: VMM_STRATEGIES.map((strategy, n) => ({
      strategy,
      stopNs: (n + 1) * 1_234_000_000,
      startNs: (n + 2) * 2_345_000_000,
      totalNs: 60_000_000_000 + n,
      guests: Array.from({ length: vms }, (_, guest) => ({
        name: `guest${guest}`,
        outcome: n === 0 ? ('continued' as const) : ('booted' as const),
        reason: undefined,
        downtimeNs: 40_000_000_000 + guest * 1_000_000_000 + n,
        downFromNs: guest * 100_000_000 - 5_000_000,
        requests: { answered: 2000 + n, failed: 4000 + guest },
        keptConnection: n < 3,
        keptSession: n !== 3,
        pagesRead: 3,
        pagesReused: 4,
        boots: {
          before: { ns: 9_000_000_000 + guest, bytes: 40_000_000, pagesRead: 9_937, pagesReused: 0 },
          after: n === 0 ? null : { ns: 7_000_000_000 + n, bytes: 40_000_000, pagesRead: 99, pagesReused: 9_838 },
        },
      })),
      diskBytes: { written: n * 1_000_000, read: n * 2_000_000 },
      networkBytes: n * 3_000_000,
      timeline: PHASES[strategy].map((name, phase) => ({
        name,
        startNs: phase * 12_000_000_000,
        endNs: (phase + 1) * 12_000_000_000,
      })),
      reads: {
        first: { bytes: 1_000_000, ns: 50_000_000 },
        cached: { bytes: 1_000_000, ns: 500_000 },
        after: { bytes: 1_000_000, ns: 600_000 },
      },
      domain0: null,
      verified: { pages: 1000, bytes: 3_000_000, mismatches: 0 },
    })),
  };
}

export function sampleVmmResult(change: Partial<VmmExperimentResult> = {}): VmmExperimentResult {
  return {
    schema: 'stillwarm/vmm-reboot@1',
    set: [{ constant: 'guest.syscallNs', value: 300 }],
    seed: 7,
    digest: '0123456789abcdef',
    profile: 'pentium4-2006',
    arch: 'x86_32',
    disk: 'profile',
    files: 9285,
    bytes: 250_000_000,
    limit: 16_777_216,
    backend: 'partition',
    machines: [
      sampleMeasurement(2, 1 << 30),
      ...[30, 28, 29, 31].map((order) => sampleMeasurement(1, 2 ** order)),
      ...[2, 3, 4, 5, 6].map((vms) => sampleMeasurement(vms, 1 << 28)),
    ],
    fitted: ['guest.suspendNs'],
    ...change,
  };
}
