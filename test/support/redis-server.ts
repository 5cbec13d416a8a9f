// A Redis of its own for a suite, on a loopback port and without files. The tests of
// `describeWithRedis` run at the same time, each on a database of its own. They are skipped with
// the reason when redis-server is not installed; in CI that is a failure, since there nothing may
// be skipped.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, beforeAll, describe, it } from 'vitest';

/** The program, or undefined when there is none. */
function findRedis(): string | undefined {
  const directories = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/bin', '/usr/local/bin'];
  return directories.map((directory) => join(directory, 'redis-server')).find((path) => existsSync(path));
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

class RedisServer {
  readonly #dir = mkdtempSync(join(tmpdir(), 'stillwarm-redis-'));
  #process: ChildProcess | undefined;
  /** Its address. */
  url = '';

  /** Another program may take the port before the server does. */
  async start(program: string): Promise<void> {
    for (let tries = 5; tries > 0; tries--) {
      const port = await freePort();
      const options = ['--save', '', '--appendonly', 'no', '--dir', this.#dir];
      this.#process = spawn(program, ['--bind', '127.0.0.1', '--port', `${port}`, ...options]);
      this.url = `redis://127.0.0.1:${port}`;
      for await (const text of this.#process.stdout!) if (`${text}`.includes('Ready to accept')) return;
    }
    throw new Error('redis-server does not begin');
  }

  async stop(): Promise<void> {
    if (this.#process !== undefined && this.#process.exitCode === null) {
      this.#process.kill('SIGKILL');
      await once(this.#process, 'exit');
    }
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

/** A test with the address of a database. */
export type RedisTest = (name: string, test: (url: string) => Promise<void>) => void;

/** A suite whose tests have a database each. */
export function describeWithRedis(name: string, suite: (test: RedisTest) => void): void {
  const program = findRedis();
  describe.concurrent(name, () => {
    let databases = 0;
    const server = new RedisServer();
    beforeAll(() => (program === undefined ? undefined : server.start(program)));
    afterAll(() => server.stop());
    suite((title, test) => {
      const database = databases++;
      it(title, async ({ skip }) => {
        if (program !== undefined) await test(`${server.url}/${database}`);
        else if (process.env['CI'] !== undefined)
          throw new Error('redis-server is not installed, and in CI nothing is skipped');
        else skip('redis-server is not installed');
      });
    });
  });
}
