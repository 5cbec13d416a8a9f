// A made-up result of `stillwarm web`, in which no figure equals another.
import type { WebResult, WebRun, WebService, WebStrategyResult, WebWindow } from '../../src/experiment/web/result.ts';

const NO_ERRORS = { clientTimo: 0, socketTimo: 0, connRefused: 0, connReset: 0, other: 0 };

const run = (phase: WebRun['phase'], number: WebRun['number'], ns: number): WebRun => ({
  phase,
  number,
  requests: 1000,
  bytes: 65_536_000,
  ns,
  p50Ns: ns / 1000,
  p99Ns: ns / 250,
  errors: NO_ERRORS,
});

const window = (second: number, answered: number): WebWindow => ({
  startNs: second * 1e9,
  sent: 100,
  answered,
  late: 0,
  bytes: answered * 65_536,
  p50Ns: answered === 0 ? null : 700_000,
  p99Ns: answered === 0 ? null : 900_000,
  errors: { ...NO_ERRORS, connRefused: 100 - answered },
});

const service = (change: Partial<WebService>): WebService => ({
  rateBefore: 100,
  rebootNs: 22.9e9,
  downNs: 23.5e9,
  returnNs: 23.25e9,
  until90Ns: 24.25e9,
  sent: 6400,
  late: 12,
  lost: 2345,
  areaLost: 2350.5,
  loss: { first20s: 0.01, first33s: 0.02 },
  latency: { before: { p50Ns: 700_000, p99Ns: 900_000 }, after: { p50Ns: 710_000, p99Ns: 5_000_000 } },
  errors: { ...NO_ERRORS, clientTimo: 300, connRefused: 2045 },
  windows: [window(-1, 100), window(0, 0), window(1, 100)],
  ...change,
});

export const sampleWebStrategies = (): WebStrategyResult[] => [
  {
    name: 'cold',
    service: service({
      until90Ns: 61e9,
      late: 340,
      lost: 3456,
      areaLost: 3460.25,
      loss: { first20s: 0.5, first33s: 0.4 },
    }),
    runs: [run('before', 1, 4e9), run('before', 2, 1e9), run('after', 1, 4.5e9), run('after', 2, 1.1e9)],
    pages: { preserved: 0, reused: 0, readAgain: 16_100 },
    verified: { pages: 0, bytes: 300_000_000, mismatches: 0 },
  },
  {
    name: 'warm-cache',
    service: service({}),
    runs: [run('before', 1, 4.1e9), run('before', 2, 1.01e9), run('after', 1, 1.25e9), run('after', 2, 1.15e9)],
    pages: { preserved: 16_050, reused: 16_000, readAgain: 100 },
    verified: { pages: 16_000, bytes: 310_000_000, mismatches: 0 },
  },
];

export const sampleWebResult = (change: Partial<WebResult> = {}): WebResult => ({
  schema: 'stillwarm/web@1',
  set: [],
  seed: 1,
  digest: '0123456789abcdef',
  profile: 'pentium4-2006',
  arch: 'x86_32',
  disk: 'profile',
  memory: 2 ** 30,
  backend: 'partition',
  domain0Cache: null,
  crash: false,
  files: 1200,
  bytes: 78_643_200,
  served: 1000,
  workers: 150,
  send: 'sendfile',
  connections: 10,
  loop: 'open',
  rate: 100,
  arrivals: 'constant',
  thinkNs: null,
  timeoutNs: 5e9,
  order: 'zipf',
  alpha: 1,
  prefetchRate: null,
  before: 30,
  after: 40,
  strategies: sampleWebStrategies(),
  fitted: ['guest.bootServicesNs'],
  ...change,
});
