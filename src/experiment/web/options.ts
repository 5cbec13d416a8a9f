/** What `stillwarm web` is asked: the options of the experiment. */

import {
  ArgumentError,
  checkArgument,
  checkInteger,
  checkListOf,
  checkObject,
  checkOneOf,
} from '../../base/argument-error.ts';
import { SENDING, type Sending } from '../../workload/apache.ts';
import { checkBackend } from '../host/backend.ts';
import { checkCommonOptions, RIO_STRATEGIES, type RebootOptions } from '../guest/options.ts';
import { STRATEGIES, type StrategyName } from '../host/strategies.ts';

/** How clients ask while the guest is rebooted. */
export const LOOPS = ['open', 'closed'] as const;
/**
 * `open`: at a rate, whatever becomes of the requests. `closed`: each client waits for its answer.
 */
export type Loop = (typeof LOOPS)[number];

/** When requests of an open loop arrive. */
export const ARRIVALS = ['constant', 'poisson'] as const;
/** `constant`: at equal distances, as httperf --rate. `poisson`: independently of each other. */
export type Arrivals = (typeof ARRIVALS)[number];

/** Which files are asked for while the guest is rebooted. */
export const ORDERS = ['zipf', 'once'] as const;
/** `zipf`: chosen by Zipf's law. `once`: in order, each once, then from the first one again. */
export type Order = (typeof ORDERS)[number];

/** Errors, as httperf counts them; `other` is an answer that is not the file. */
export const ERRORS = ['clientTimo', 'socketTimo', 'connRefused', 'connReset', 'other'] as const;
/** Why a request was not answered. */
export type ErrorName = (typeof ERRORS)[number];

/** Files that are made: so many of one size. */
export interface MadeFiles {
  readonly count: number;
  /** Bytes. */
  readonly size: number;
}

/** What is run by default. With a crash, Rio too. */
export const STRATEGIES_OF_WEB: readonly StrategyName[] = ['cold', 'prefetch', 'warm-cache', 'warm-cache+metadata'];
export const STRATEGIES_OF_WEB_CRASHES: readonly StrategyName[] = [...STRATEGIES_OF_WEB, 'rio'];

/** The most of what can be asked. */
export const MOST = {
  workers: 1024,
  clients: 1000,
  rate: 100_000,
  seconds: 3600,
  exponent: 10,
  files: 1_000_000,
  /** Of made files, bytes. */
  bytes: 4 * 2 ** 30,
} as const;

export interface WebOptions
  extends Omit<
    RebootOptions,
    'strategies' | 'workload' | 'fio' | 'checksum' | 'expire' | 'dumpMemory' | 'domain0Curve'
  > {
  /** Files that are made, instead of those of `path`, which then is only a name for them. */
  readonly sizes: MadeFiles | undefined;
  readonly strategies: readonly StrategyName[];
  readonly workers: number;
  readonly sending: Sending;
  readonly loop: Loop;
  /** Requests a second of the open loop. */
  readonly rate: number;
  readonly arrivals: Arrivals;
  /** Clients of the measured runs, and of the closed loop. */
  readonly connections: number;
  /** Between an answer and the next request of a client of the closed loop, seconds. */
  readonly think: number;
  /** How long a client waits for its answer, seconds. */
  readonly timeout: number;
  readonly order: Order;
  /** Exponent of Zipf's law. */
  readonly alpha: number;
  /** Bytes a second that `prefetch` reads at most; undefined: no limit. */
  readonly prefetchRate: number | undefined;
  /** Seconds that are measured before the reboot, and after it. */
  readonly before: number;
  readonly after: number;
}

/** @internal @throws ArgumentError for what is missing, unknown or out of range */
export function checkWebOptions(options: WebOptions): void {
  checkObject('options', options);
  checkCommonOptions(options);
  checkBackend(options);
  checkListOf('strategies', options.strategies, STRATEGIES);
  checkOneOf('crash', options.crash, [false, true]);
  const rio = options.strategies.find((name) => RIO_STRATEGIES.includes(name));
  if (rio !== undefined && !options.crash) throw new ArgumentError(`strategies: ${rio} is for a guest that crashes`);
  checkOneOf('sending', options.sending, SENDING);
  checkOneOf('loop', options.loop, LOOPS);
  checkOneOf('arrivals', options.arrivals, ARRIVALS);
  checkOneOf('order', options.order, ORDERS);
  checkInteger('workers', options.workers, 1, MOST.workers);
  checkInteger('connections', options.connections, 1, MOST.clients);
  checkNumber('rate', options.rate, MOST.rate);
  checkNumber('timeout', options.timeout, MOST.seconds);
  checkArgument(options.think >= 0 && options.think <= MOST.seconds, 'think', `expected 0 to ${MOST.seconds} seconds`);
  checkArgument(options.alpha >= 0 && options.alpha <= MOST.exponent, 'alpha', `expected 0 to ${MOST.exponent}`);
  checkInteger('before', options.before, 1, MOST.seconds);
  checkInteger('after', options.after, 1, MOST.seconds);
  if (options.limit !== undefined) checkInteger('limit', options.limit, 1);
  if (options.prefetchRate !== undefined) checkInteger('prefetchRate', options.prefetchRate, 1);
  if (options.sizes === undefined) return;
  checkObject('sizes', options.sizes, 'count', 'size');
  const { count, size } = options.sizes;
  checkInteger('sizes.count', count, 1, MOST.files);
  checkInteger('sizes.size', size, 1);
  checkArgument(count * size <= MOST.bytes, 'sizes', `more than ${MOST.bytes} bytes in all`);
}

/** @throws ArgumentError unless it is more than 0, and at most `most` */
function checkNumber(argument: string, value: number, most: number): void {
  checkArgument(value > 0 && value <= most, argument, `expected more than 0, at most ${most}`);
}
