/**
 * The queue of `--queue`: BullMQ on a Redis. Parts of checks are its jobs.
 *
 * Contract: a job stands for one result. The queue is of one build of the program, and the name of
 * a job says its check, options and cases. So who asks for a part that is done has its result.
 * Both packages are the user's to install: they are imported here, when a queue is asked for.
 */

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type * as BullMq from 'bullmq';
import type * as IoRedis from 'ioredis';
import { UserError } from '../../base/index.ts';
import type { Part } from '../../lab/part.ts';
import { version } from '../version.ts';

/** What --queue was tried with. */
const PACKAGES = 'bullmq@6.7.0 ioredis@6.0.0';
/** How long a Redis may take to answer at first, ms. */
const PATIENCE_MS = 4000;
/** Most that a lost connection waits before it is tried again, ms. */
const RETRY_MS = 1000;
/** Tries of a command, about a second each, before it is given up. */
const TRIES = 20;

/** A queue that answers. */
export interface QueueLink {
  readonly bullmq: typeof BullMq;
  /** Its address for messages, without a password. */
  readonly address: string;
  /** Of the queue: that of this build. */
  readonly name: string;
  /** A command waits for the connection, as long as it takes. */
  readonly connection: Connection;
  /** A command is given up in time. */
  readonly impatient: Connection;
}

/** Of ioredis. */
interface Connection {
  readonly url: string;
  readonly retryStrategy: (times: number) => number;
  readonly maxRetriesPerRequest: number | null;
}

/**
 * @param entry the module that is the program
 * @throws UserError when a package or the Redis is missing
 */
export async function reachQueue(url: string, entry: URL): Promise<QueueLink> {
  const { bullmq, ioredis } = await packages();
  const { protocol, host } = new URL(url);
  const address = `${protocol}//${host}`;
  await reach(new ioredis.Redis(url, { lazyConnect: true, retryStrategy: () => null, disconnectTimeout: 0 }), address);
  const connection = { url, retryStrategy: (times: number) => Math.min(100 * times, RETRY_MS) };
  return {
    ...{ bullmq, address, name: queueNameOf(entry), connection: { ...connection, maxRetriesPerRequest: null } },
    impatient: { ...connection, maxRetriesPerRequest: TRIES },
  };
}

async function packages(): Promise<{ bullmq: typeof BullMq; ioredis: Pick<typeof IoRedis, 'Redis'> }> {
  try {
    return { bullmq: await import('bullmq'), ioredis: await import('ioredis') };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new UserError(`--queue needs two packages beside stillwarm: npm install ${PACKAGES}`);
  }
}

async function reach(redis: IoRedis.Redis, address: string): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  let why = '';
  redis.on('error', (error) => (why = firstLine(error)));
  try {
    await Promise.race([
      redis.connect().then(() => redis.ping()),
      new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`no answer for ${PATIENCE_MS / 1000} s`)), PATIENCE_MS);
      }),
    ]);
  } catch (error) {
    throw new UserError(`--queue: cannot reach ${address}: ${why === '' ? firstLine(error) : why}`);
  } finally {
    clearTimeout(timer);
    redis.disconnect();
  }
}

const digest = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex').slice(0, 16);

/** The queue of a build. Under one version, another build may have other cases and results. */
export const queueNameOf = (entry: URL): string => `stillwarm-${version()}-${digest(readFileSync(entry))}`;

/** The name of a job: the same for all who ask for the part. */
export const jobIdOf = ({ check, options, from, to }: Part): string =>
  `${check}-${digest(JSON.stringify(options))}-${from}-${to}`;

/** What Redis, or the connection to it, has refused, in one line; undefined: a defect of ours. */
export function refusalOf(error: unknown, address: string): UserError | undefined {
  if (!(error instanceof Error)) return undefined;
  const isTheirs =
    ['MaxRetriesPerRequestError', 'ReplyError', 'AbortError'].includes(error.name) ||
    error.message === 'Connection is closed.' ||
    'syscall' in error;
  return isTheirs ? new UserError(`--queue: ${address}: ${firstLine(error)}`) : undefined;
}

/** Node tells several refusals, one for each address of a host, without a text. */
export function firstLine(error: unknown): string {
  const [first] = error instanceof AggregateError ? (error.errors as unknown[]) : [error];
  return (first instanceof Error ? first.message : String(first)).split('\n')[0]!;
}
