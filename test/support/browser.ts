// A browser that tests can ask and command: Chromium over its DevTools protocol, through pipes, so
// that there is no port and no library. One browser serves all tests of a file.
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { pathToFileURL } from 'node:url';

type Answer = Record<string, unknown>;

/** How a page is looked at. */
export interface View {
  readonly width: number;
  readonly height?: number;
  readonly print?: boolean;
  readonly dark?: boolean;
  readonly script?: boolean;
}

export class Browser {
  readonly #process: ChildProcess;
  readonly #input: Writable;
  readonly #dir = mkdtempSync(join(tmpdir(), 'stillwarm-browser-'));
  readonly #waiting = new Map<number, { resolve: (answer: Answer) => void; reject: (error: Error) => void }>();
  /** What is called when the page has loaded. */
  #loaded: (() => void) | undefined;
  #last = 0;
  #session: string | undefined;
  /** Addresses that the page has asked for since it was opened. */
  #requests: string[] = [];

  constructor(chromium: string) {
    // No sandbox: it does not start for root, and opens nothing but the pages of the test.
    const options = ['--headless', '--no-sandbox', '--disable-gpu', '--remote-debugging-pipe', '--hide-scrollbars'];
    this.#process = spawn(chromium, [...options, `--user-data-dir=${join(this.#dir, 'profile')}`], {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
    });
    const [, , , input, output] = this.#process.stdio as unknown as [null, null, null, Writable, Readable];
    this.#input = input;
    let text = '';
    output.setEncoding('utf8').on('data', (piece: string) => {
      const messages = (text + piece).split('\0');
      text = messages.pop()!;
      for (const message of messages) this.#hear(JSON.parse(message) as Answer);
    });
    // A caller that waits learns that the browser is gone.
    this.#process.on('exit', (code) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`Chromium ended: ${code ?? 'killed'}`));
    });
  }

  /** Opens a page, given as its text, and waits until it has loaded. */
  async open(html: string, view: View): Promise<void> {
    await this.#attach();
    await this.look(view);
    const path = join(this.#dir, 'page.html');
    writeFileSync(path, html);
    this.#requests = [];
    const loaded = new Promise<void>((resolve) => {
      this.#loaded = resolve;
    });
    await this.send('Page.navigate', { url: pathToFileURL(path).href });
    await loaded;
  }

  /** Looks at the page that is open in another way. */
  async look({ width, height = 900, print = false, dark = false, script = true }: View): Promise<void> {
    await this.send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: width < 500 });
    const features = [{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }];
    await this.send('Emulation.setEmulatedMedia', { media: print ? 'print' : 'screen', features });
    await this.send('Emulation.setScriptExecutionDisabled', { value: !script });
  }

  /** Everything that the page has asked for, but itself. */
  requests(): readonly string[] {
    return this.#requests.slice(1);
  }

  /** The value of an expression in the page. */
  async ask<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = (await this.send('Runtime.evaluate', {
      expression,
      returnByValue: true,
    })) as { result: { value: T }; exceptionDetails?: { exception?: { description?: string } } };
    if (exceptionDetails !== undefined) throw new Error(exceptionDetails.exception?.description ?? 'it threw');
    return result.value;
  }

  /** Presses and releases a key. */
  async press(key: string): Promise<void> {
    const text = key.length === 1 ? { text: key } : {};
    await this.send('Input.dispatchKeyEvent', { type: 'keyDown', key, ...text });
    await this.send('Input.dispatchKeyEvent', { type: 'keyUp', key });
  }

  /** Moves the pointer. */
  async point(x: number, y: number): Promise<void> {
    await this.send('Input.dispatchMouseEvent', { type: 'mouseMoved', x, y });
  }

  /** Clicks. */
  async click(x: number, y: number): Promise<void> {
    for (const type of ['mousePressed', 'mouseReleased'])
      await this.send('Input.dispatchMouseEvent', { type, x, y, button: 'left', clickCount: 1 });
  }

  /** A command of the protocol, for the page. */
  send(method: string, params: Answer = {}): Promise<Answer> {
    const id = ++this.#last;
    const session = this.#session === undefined ? {} : { sessionId: this.#session };
    this.#input.write(`${JSON.stringify({ id, method, params, ...session })}\0`);
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
    });
  }

  /** Ends the browser and removes what it wrote. */
  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.kill();
    await ended;
    rmSync(this.#dir, { recursive: true, force: true, maxRetries: 20 });
  }

  async #attach(): Promise<void> {
    if (this.#session !== undefined) return;
    const { targetId } = await this.send('Target.createTarget', { url: 'about:blank' });
    const { sessionId } = await this.send('Target.attachToTarget', { targetId, flatten: true });
    this.#session = sessionId as string;
    for (const domain of ['Page', 'Runtime', 'Network']) await this.send(`${domain}.enable`);
  }

  #hear({ id, method, params, result, error }: Answer): void {
    if (typeof id === 'number') {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) waiting?.resolve(result as Answer);
      else waiting?.reject(new Error((error as { message: string }).message));
      return;
    }
    if (method === 'Network.requestWillBeSent')
      this.#requests.push((params as { request: { url: string } }).request.url);
    if (method === 'Page.loadEventFired') this.#loaded?.();
  }
}
