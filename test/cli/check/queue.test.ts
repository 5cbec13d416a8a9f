// `stillwarm check --queue` and `stillwarm worker` on a real Redis. The program is that of users,
// except for the check, which costs nothing (program.ts). These tests mostly wait, so they run at
// the same time, each on a database of its own.
import { Queue } from 'bullmq';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { InputError } from '../../../src/base/index.ts';
import { parsePartJob, parsePartResult } from '../../../src/cli/check/file.ts';
import { jobIdOf, queueNameOf } from '../../../src/cli/check/queue.ts';
import { partPlayer } from '../../../src/cli/check/queue-processor.ts';
import { RUNNING, workloadOptions } from '../../../src/cli/check/options.ts';
import { main } from '../../../src/cli/commands.ts';
import { BuiltCli } from '../../support/built-cli.ts';
import { describeWithRedis, freePort } from '../../support/redis-server.ts';
import { captureIo } from '../capture.ts';
import { doubleEntry } from './double.mjs';
import type { Printed } from './lab.ts';

const ROOT = join(import.meta.dirname, '../../..');

let cli: BuiltCli;
let dir = '';
/** The module that is the program. */
let entry = '';
beforeAll(() => {
  cli = new BuiltCli('test/cli/check/program.ts');
  ({ dir, main: entry } = cli);
});

const started: ChildProcess[] = [];
afterAll(() => {
  for (const each of started) each.kill('SIGKILL');
  cli.remove();
});

/** The program, with what it has printed so far. */
class Running {
  readonly process: ChildProcess;
  readonly ended: Promise<Printed & { signal: string | null }>;
  out = '';
  #err = '';

  constructor(line: string, program = entry, env: NodeJS.ProcessEnv = {}) {
    this.process = spawn(process.execPath, [program, ...line.split(' ')], {
      cwd: dir,
      env: { ...process.env, ...env },
    });
    started.push(this.process);
    this.process.stdout!.on('data', (text) => (this.out += `${text}`));
    this.process.stderr!.on('data', (text) => (this.#err += `${text}`));
    this.ended = once(this.process, 'close').then(([status, signal]) => ({
      ...{ status: (status as number | null) ?? -1, signal: signal as string | null, out: this.out, err: this.err },
    }));
  }

  /** Without how far it has come, which is told when it takes longer than ten seconds. */
  get err(): string {
    return this.#err.replace(/^stillwarm: \d+ % [^\n]*\n/gm, '');
  }
}

const run = (line: string, program?: string): Running['ended'] => new Running(line, program).ended;

async function until(what: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await what())) await new Promise((resolve) => setTimeout(resolve, 20));
}

async function beginWorker(url: string): Promise<Running> {
  const worker = new Running(`worker --queue ${url} --jobs 1 --lease 3s`);
  await until(() => worker.err.includes(' takes parts from '));
  return worker;
}

async function withQueue<T>(url: string, use: (queue: Queue) => Promise<T>): Promise<T> {
  const queue = new Queue(queueNameOf(pathToFileURL(entry)), { connection: { url } });
  try {
    return await use(queue);
  } finally {
    await queue.close();
  }
}

describeWithRedis('a queue', (test) => {
  test('a worker that is killed in mid-part loses nothing: the result is that of one run, byte for byte', async (url) => {
    const line = 'check double --cases 6 --weigh 800 --wrong 5,2 --json';
    const alone = run(line);
    const [first, second] = await Promise.all([beginWorker(url), beginWorker(url)]);
    const client = new Running(`${line} --queue ${url} --out all`);
    const lost = await withQueue(url, async (queue) => {
      const mine = async () =>
        (await queue.getActive()).find(({ processedBy }) => processedBy === `${hostname()}:${first.process.pid}`);
      await until(async () => (await mine()) !== undefined);
      first.process.kill('SIGKILL');
      // Dead, and its part is not done.
      expect(await first.ended).toMatchObject({ signal: 'SIGKILL' });
      return (await mine())!.id!;
    });
    const { status, out, err } = await client.ended;
    expect({ status, out, err }).toEqual({ ...(await alone), signal: undefined, err: '' });
    expect(status).toBe(1);
    await withQueue(url, async (queue) => {
      const job = await queue.getJob(lost);
      expect(job).toMatchObject({ attemptsStarted: 2, stalledCounter: 1 });
      expect(job!.processedBy).toBe(`${hostname()}:${second.process.pid}`);
      // Who asks again plays nothing.
      expect(await queue.getCompletedCount()).toBe(6);
      second.process.kill('SIGTERM');
      expect(await second.ended).toMatchObject({
        status: 0,
        err: expect.stringMatching(/parts played: [3456]\n$/) as string,
      });
      expect(await run(`${line} --queue ${url}`)).toMatchObject({ status: 1, out: client.out, err: '' });
      expect(await run(`${line} --resume all`)).toMatchObject({ status: 1, out: client.out });
    });
  });

  test('a worker that is asked to end plays its part to the end', async (url) => {
    const worker = await beginWorker(url);
    const client = new Running(`check double --cases 2 --weigh 1500 --queue ${url}`);
    await withQueue(url, async (queue) => {
      await until(async () => (await queue.getActiveCount()) > 0);
      worker.process.kill('SIGTERM');
      expect(await worker.ended).toMatchObject({
        status: 0,
        err: expect.stringContaining('parts played: 1') as string,
      });
      await until(() => client.err !== '');
      expect(client.err).toMatch(
        /^stillwarm: [^\n]*: no worker of this build: start stillwarm worker --queue there\n$/,
      );
      // Ctrl-C: what no worker has begun is taken back.
      expect(await queue.getWaitingCount()).toBe(1);
      client.process.kill('SIGINT');
      expect(await client.ended).toMatchObject({ signal: 'SIGINT', out: '' });
      expect(await queue.getWaitingCount()).toBe(0);
    });
  });

  test('two checks of the same options share what is played, and one that ends takes nothing from the other', async (url) => {
    const line = `check double --cases 6 --weigh 100 --json --queue ${url}`;
    const clients = [new Running(`${line} --budget 2s`), new Running(line)];
    expect(await clients[0]!.ended).toMatchObject({ status: 3, err: '' });
    const { done, verdict } = JSON.parse(clients[0]!.out) as { done: number; verdict: string };
    expect({ done, verdict }).toEqual({ done: 0, verdict: 'partial' });
    const worker = await beginWorker(url);
    expect(await clients[1]!.ended).toMatchObject({ status: 0 });
    worker.process.kill('SIGINT');
    expect((await worker.ended).err).toContain('parts played: 6');
  });

  test('a part of which four workers have died is given up and named, and is played later by who lives', async (url) => {
    const client = new Running(`check double --cases 4 --out rest --queue ${url}`);
    // One after the other: each plays what there is, and dies of case 1. The fifth does not play
    // it.
    const deaths: (string | null)[] = [];
    for (let isOver = false; !isOver; ) {
      const worker = new Running(`worker --queue ${url} --jobs 1 --lease 1s`, entry, { DOUBLE_DIES_OF: '1' });
      const died = worker.ended.then(({ signal }) => void deaths.push(signal));
      isOver = await Promise.race([died.then(() => false), client.ended.then(() => true)]);
      if (isOver) worker.process.kill('SIGTERM');
      await died;
    }
    expect(deaths).toEqual(['SIGKILL', 'SIGKILL', 'SIGKILL', 'SIGKILL', null]);
    const { status, out, err } = await client.ended;
    // Between two workers the check may have said that there is none.
    expect(err.replace(/^[^\n]*: no worker of this build: [^\n]*\n/, '')).toMatch(
      /^stillwarm: redis:[^\n]*: cases 1 to 1: not played: [^\n]* stalled [^\n]*\n$/,
    );
    expect(status).toBe(3);
    expect(out).toContain('\npartial: 3 of 4 cases were played\n');
    await withQueue(url, async (queue) => {
      const failed = await queue.getFailed();
      expect(failed.map(({ data }: { data: { part: object } }) => data.part)).toMatchObject([{ from: 1, to: 2 }]);
      // The fifth began it to be told that.
      expect([failed[0]!.attemptsStarted, failed[0]!.attemptsMade]).toEqual([5, 1]);
      expect(await queue.getCompletedCount()).toBe(3);
    });
    const whole = await run('check double --cases 4 --resume rest');
    expect(whole).toMatchObject({ ...(await run('check double --cases 4')), status: 0, err: '' });
  });

  test('a part that is given up is left out of a result, which has the violations of all others', async (url) => {
    const { Worker, UnrecoverableError } = await import('bullmq');
    const play = partPlayer([doubleEntry(RUNNING, workloadOptions(['none']))]);
    // As bullmq ends a job of which the workers have died.
    const taker = new Worker(
      queueNameOf(pathToFileURL(entry)),
      (job) =>
        (job.data as { part: { from: number } }).part.from === 1
          ? Promise.reject(new UnrecoverableError('job stalled more than allowable limit'))
          : Promise.resolve(play(job)),
      { connection: { url } },
    );
    const { status, out, err } = await run(`check double --cases 4 --wrong 3 --json --out left --queue ${url}`);
    expect(err).toMatch(/^stillwarm: redis:[^\n]*: cases 1 to 1: not played: [^\n]* stalled [^\n]*\n$/);
    const { done, cases, verdict, violations } = JSON.parse(out) as Record<string, unknown>;
    expect({ status, done, cases, verdict }).toEqual({ status: 1, done: 3, cases: 4, verdict: 'violated' });
    expect(violations).toHaveLength(2);
    await taker.close();
    // What was left out is played later.
    const whole = await run('check double --cases 4 --wrong 3 --json --resume left');
    expect(whole).toMatchObject({ ...(await run('check double --cases 4 --wrong 3 --json')), err: '' });
  });

  test("a part's mistake ends the check with its line, and is tried anew by the next one", async (url) => {
    const worker = await beginWorker(url);
    const line = `check double --cases 3 --mistake 1 --queue ${url}`;
    for (let n = 0; n < 2; n++)
      expect(await run(line)).toMatchObject({ status: 2, out: '', err: 'stillwarm: case 1: a mistake\n' });
    await withQueue(url, async (queue) => {
      const [failed] = await queue.getFailed();
      expect(failed).toMatchObject({ attemptsMade: 1 });
      await until(async () => (await queue.getActiveCount()) === 0);
      expect(await queue.getWaitingCount()).toBe(0);
    });
    worker.process.kill('SIGTERM');
    await worker.ended;
  });

  test('what is on a queue is checked: a part by the worker, a result by the check', async (url) => {
    const worker = await beginWorker(url);
    const options = { cases: 3, wrong: '-1', hang: -1, weigh: 0, missed: true, mistake: undefined };
    const part = { check: 'double', options, from: 1, to: 2 };
    await withQueue(url, async (queue) => {
      for (const data of [1, { command: 'check double' }, { command: 'check none', part }]) {
        const { id } = await queue.add('odd', data);
        await until(async () => (await queue.getJob(id!))!.finishedOn !== undefined);
        expect((await queue.getJob(id!))!.failedReason).toContain('"name":"InputError"');
      }
      worker.process.kill('SIGTERM');
      await worker.ended;
      // A worker of another program.
      const { Worker } = await import('bullmq');
      const other = new Worker(queue.name, () => Promise.resolve({ from: 1, to: 2, done: 7 }), { connection: { url } });
      await queue.add('forged', {}, { jobId: jobIdOf(part) });
      await until(async () => (await queue.getJobState(jobIdOf(part))) === 'completed');
      await other.close();
      const { status, err } = await run(`check double --cases 3 --missed --case 1 --queue ${url}`);
      expect({ status, err }).toEqual({
        ...{
          status: 2,
          err: expect.stringMatching(/^stillwarm: redis:[^\n]*: cases 1 to 1.done: expected [^\n]*\n$/) as string,
        },
      });
    });
  });
});

describe.concurrent('a queue that is not there', () => {
  it('a Redis that is not there is told in one line, without its password', async () => {
    const address = `127.0.0.1:${await freePort()}`;
    for (const line of ['check double', 'worker']) {
      const { status, out, err } = await run(`${line} --queue redis://me:secret@${address}`);
      expect({ status, out }).toEqual({ status: 2, out: '' });
      expect(err).toBe(`stillwarm: --queue: cannot reach redis://${address}: connect ECONNREFUSED ${address}\n`);
    }
  });

  it('a server that does not answer is told in one line', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { status, err } = await run(`check double --queue redis://${address}`);
    expect(status).toBe(2);
    expect(err).toBe(`stillwarm: --queue: cannot reach redis://${address}: no answer for 4 s\n`);
    server.close();
  });

  it('packages that are not installed are named with the command that installs them', async () => {
    const elsewhere = mkdtempSync(join(dir, '../../../stillwarm-no-packages-'));
    try {
      mkdirSync(join(elsewhere, 'dist/cli'), { recursive: true });
      cpSync(join(ROOT, 'package.json'), join(elsewhere, 'package.json'));
      cpSync(entry, join(elsewhere, 'dist/cli/main.js'));
      const { status, err } = await run(
        'check double --queue redis://localhost:6379',
        join(elsewhere, 'dist/cli/main.js'),
      );
      expect({ status, err }).toEqual({
        ...{
          status: 2,
          err: 'stillwarm: --queue needs two packages beside stillwarm: npm install bullmq@6.7.0 ioredis@6.0.0\n',
        },
      });
    } finally {
      rmSync(elsewhere, { recursive: true, force: true });
    }
  });
});

describe('what a queue is asked for', () => {
  it.each([
    ['check double --queue localhost', '--queue: localhost is not an address such as redis://localhost:6379'],
    ['check double --queue http://a:b@c', '--queue: it is not an address such as redis://localhost:6379'],
    ['check double --queue redis://h --jobs 2', '--jobs: with --queue, stillwarm worker has it'],
    ['check double --queue redis://h --workload a.mjs', '--workload: workers of a queue run no program of a user'],
    ['worker', '--queue is missing: which Redis has the queue?'],
    ['worker --queue redis://h --lease 1ms', '--lease: 1ms is not 1000 ms or more'],
  ])('the mistake "%s" is one line and status 2', (line, message) => {
    writeFileSync(join(dir, 'a.mjs'), 'export default function* () {}');
    const io = captureIo(dir, { checks: [doubleEntry(RUNNING, workloadOptions(['none']))] });
    const status = main(line.split(' '), io);
    expect({ status, out: io.stdout.text, err: io.stderr.text }).toEqual({
      status: 2,
      out: '',
      err: `stillwarm: ${message}\n`,
    });
  });

  const part = { check: 'double', options: { cases: 2 }, from: 3, to: 5 };

  it('the name of a job says its check, its options and its cases', () => {
    expect(jobIdOf(part)).toMatch(/^double-[0-9a-f]{16}-3-5$/);
    const others = [{ check: 'faults' }, { options: { cases: 3 } }, { from: 4 }, { to: 6 }].map((other) =>
      jobIdOf({ ...part, ...other }),
    );
    expect(new Set([jobIdOf(part), ...others]).size).toBe(5);
  });

  const result = { from: 3, to: 5, done: 2, counts: { a: 1 }, reached: {}, violations: [] };

  it.each([
    [null, 'cases 3 to 4: expected an object'],
    [{ ...result, from: 4 }, 'cases 3 to 4: expected these cases'],
    [{ ...result, done: 1 }, 'cases 3 to 4.done: expected an integer from 2 on'],
    [{ ...result, done: 3 }, 'cases 3 to 4.done: expected an integer from 2 on'],
    [{ ...result, counts: { a: 'x' } }, 'cases 3 to 4.counts.a: expected an integer from 0 on'],
    [{ ...result, violations: [{}] }, 'cases 3 to 4.violations[0].at: expected an integer from 0 on'],
  ])('the result %j of a queue is refused with its place', (value, message) => {
    expect(parsePartResult('q', part, result)).toMatchObject({ part, done: 2 });
    expect(() => parsePartResult('q', part, value)).toThrow(
      new InputError(`q: ${message}: not a result that stillwarm worker has written`),
    );
  });

  it.each([
    [undefined, 'job: expected an object'],
    [{ part: { ...part, to: 3 } }, 'part.to: expected an integer from 4 on'],
    [{ part: { ...part, options: [] } }, 'part.options: expected an object'],
    [{ part }, 'command: expected a text'],
  ])('the part %j of a queue is refused with its place', (value, message) => {
    expect(parsePartJob('q', { command: 'c', part })).toEqual({ command: 'c', part });
    expect(() => parsePartJob('q', value)).toThrow(
      new InputError(`q: ${message}: not a part that stillwarm check --queue has written`),
    );
  });

  it('a part that the host has refused something is tried again, and one that has a mistake is not', () => {
    const names = [
      { mistake: 1, name: 'UnrecoverableError' },
      { refused: 1, name: 'Error' },
    ].map(({ name, ...options }) => {
      const data = { command: 'check double', part: { ...part, options: { wrong: '', ...options }, from: 0 } };
      try {
        partPlayer([doubleEntry(RUNNING)])({ data });
      } catch (error) {
        return [(error as Error).name, name];
      }
      throw new Error('played');
    });
    for (const [found, wanted] of names) expect(found).toBe(wanted);
  });
});
