/**
 * `stillwarm check --queue`: parts on a queue, and the results that workers make of them
 * (queue-worker.ts).
 *
 * A part that is done already is not played again. Another check of the same options may wait for
 * the same parts, and may end before. So a part that is gone from the queue is put there again.
 * What the queue has is looked at when it tells an event, and now and then, for events may be lost.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Job, Queue } from 'bullmq';
import type { Part, PartResult } from '../../lab/part.ts';
import { parsePartResult, type PartJob } from './file.ts';
import { hostMs, phaseOf, type CheckJob } from './runs.ts';
import type { Io } from '../kit/io.ts';
import { revive, type PlainError } from '../kit/plain-error.ts';
import { ProgressLine } from '../kit/progress.ts';
import { jobIdOf, reachQueue, refusalOf, type QueueLink } from './queue.ts';

/** Between two looks at the parts of which the queue has told something, ms. */
const TICK_MS = 50;
/** Between two looks at all parts, ms. */
const SWEEP_MS = 5000;
/** How long results, and parts that failed, stay on the queue, s. */
const KEPT_S = 7 * 24 * 3600;
/** Times that a part is played when hosts refuse it something. */
const ATTEMPTS = 3;

/**
 * Waits for the parts of a job, until the budget ends. Then parts that no worker has begun are
 * taken from the queue again, as they are when a signal or a failure ends the wait.
 * @param onResult told each result when it is there
 * A part of which workers die is told and left out: the result is partial then.
 * @throws UserError, InputError, and what a part has thrown
 */
export async function playOnQueue(
  url: string,
  job: CheckJob,
  io: Io & { readonly entry: URL },
  onResult: (result: PartResult) => void,
): Promise<void> {
  const link = await reachQueue(url, io.entry);
  const line = new ProgressLine(io.stderr, hostMs);
  let signal: NodeJS.Signals | undefined;
  const stop = (got: NodeJS.Signals): void => void (signal = got);
  process.once('SIGINT', stop).once('SIGTERM', stop);
  const client = new QueueClient(link, job);
  let dueMs = hostMs() + SWEEP_MS;
  try {
    await client.begin();
    while (signal === undefined && client.left > 0 && hostMs() < (job.endMs ?? Infinity)) {
      const isSweep = hostMs() >= dueMs;
      if (isSweep) dueMs = hostMs() + SWEEP_MS;
      for (const result of await client.look(isSweep)) onResult(result);
      for (const [part, why] of client.givenUp.splice(0)) {
        line.stop();
        io.stderr.write(`stillwarm: ${link.address}: ${phaseOf(part)}: not played: ${why}\n`);
      }
      if (isSweep && (await client.isAlone())) {
        line.stop();
        io.stderr.write(`stillwarm: ${link.address}: no worker of this build: start stillwarm worker --queue there\n`);
      }
      const [done, total] = [job.parts.length - client.left, job.parts.length];
      line.update({ phase: `${done} of ${total} parts`, done, total });
      if (client.left > 0) await sleep(TICK_MS);
    }
  } catch (error) {
    throw refusalOf(error, link.address) ?? error;
  } finally {
    line.stop();
    await client.end().catch((error: unknown) => {
      if (refusalOf(error, link.address) === undefined) throw error;
    });
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
  // As it would have ended without the wait.
  if (signal !== undefined) process.kill(process.pid, signal);
}

class QueueClient {
  readonly #link: QueueLink;
  readonly #command: string;
  readonly #queue: Queue<PartJob>;
  readonly #events: InstanceType<QueueLink['bullmq']['QueueEvents']>;
  /** Parts of which so many workers have died that no other takes them, and why, in words. */
  readonly givenUp: (readonly [part: Part, why: string])[] = [];
  /** Parts without a result, by the name of their job. */
  readonly #waiting: Map<string, Part>;
  /** Jobs of which the queue has told something. */
  #told = new Set<string>();
  #isAloneTold = false;

  constructor(link: QueueLink, { command, parts }: CheckJob) {
    this.#link = link;
    this.#command = command;
    this.#waiting = new Map(parts.map((part) => [jobIdOf(part), part]));
    this.#queue = new link.bullmq.Queue(link.name, { connection: link.impatient });
    this.#events = new link.bullmq.QueueEvents(link.name, { connection: link.connection });
    // A lost connection is tried again. A command that was given up throws.
    this.#queue.on('error', () => undefined);
    this.#events.on('error', () => undefined);
    const note = ({ jobId }: { readonly jobId: string }): void => void this.#told.add(jobId);
    this.#events.on('completed', note).on('failed', note).on('removed', note);
  }

  get left(): number {
    return this.#waiting.size;
  }

  /** Parts that failed for who asked before are played again. */
  async begin(): Promise<void> {
    await this.#events.waitUntilReady();
    await Promise.all(
      [...this.#waiting.keys()].map(async (id) => {
        if ((await this.#queue.getJobState(id)) === 'failed') await this.#queue.remove(id);
      }),
    );
    await this.#put([...this.#waiting]);
    for (const id of this.#waiting.keys()) this.#told.add(id);
  }

  /**
   * Results that are new.
   * @param all whether all parts are looked at
   */
  async look(all: boolean): Promise<PartResult[]> {
    const ids = all ? this.#waiting.keys() : this.#told;
    this.#told = new Set();
    const seen = [...ids].flatMap((id) => (this.#waiting.has(id) ? [[id, this.#waiting.get(id)!] as const] : []));
    const jobs = await Promise.all(seen.map(async ([id]) => this.#ended(id)));
    await this.#put(seen.filter((_, n) => jobs[n] === 'gone'));
    return seen.flatMap(([id, part], n) => {
      const job = jobs[n]!;
      if (typeof job === 'string') return [];
      if (job.failedReason && job.returnvalue === null) {
        const thrown = thrownOf(job.failedReason);
        if (thrown !== undefined) throw thrown;
        this.givenUp.push([part, job.failedReason.split('\n')[0]!]);
        this.#waiting.delete(id);
        return [];
      }
      this.#waiting.delete(id);
      return [parsePartResult(this.#link.address, part, job.returnvalue)];
    });
  }

  /** Whether no worker is connected; said once. */
  async isAlone(): Promise<boolean> {
    if (this.#isAloneTold || (await this.#queue.getWorkersCount()) > 0) return false;
    return (this.#isAloneTold = true);
  }

  /** Takes back what no worker has begun. */
  async end(): Promise<void> {
    try {
      await Promise.all(
        [...this.#waiting.keys()].map(async (id) => {
          if ((await this.#queue.getJobState(id)) === 'waiting') await this.#queue.remove(id);
        }),
      );
    } finally {
      await Promise.all([this.#queue.close(), this.#events.close()]);
    }
  }

  /** A job that is on the queue already stays as it is. */
  async #put(parts: readonly (readonly [id: string, part: Part])[]): Promise<void> {
    const kept = { age: KEPT_S };
    await this.#queue.addBulk(
      parts.map(([jobId, part]) => ({
        name: phaseOf(part),
        data: { command: this.#command, part },
        opts: { jobId, attempts: ATTEMPTS, removeOnComplete: kept, removeOnFail: kept },
      })),
    );
  }

  async #ended(id: string): Promise<Job<PartJob, unknown> | 'gone' | 'waits'> {
    const state = await this.#queue.getJobState(id);
    if (state === 'unknown') return 'gone';
    if (state !== 'completed' && state !== 'failed') return 'waits';
    return (await this.#queue.getJob(id)) ?? 'gone';
  }
}

/** What a part has thrown (queue-processor.ts); undefined: bullmq says that workers have died. */
function thrownOf(reason: string): Error | undefined {
  let thrown: Partial<Record<keyof PlainError, unknown>>;
  try {
    thrown = Object(JSON.parse(reason)) as typeof thrown;
  } catch {
    return undefined;
  }
  const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
  const { name, message, stack, code } = thrown;
  return revive({
    name: text(name) ?? 'Error',
    message: text(message) ?? reason,
    stack: text(stack),
    code: text(code),
  });
}
