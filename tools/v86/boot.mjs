// A Linux in v86, without a screen: what it says on its serial line, and what it leaves on its
// disk.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** The emulator, as it was tried: its interface is not promised. */
const V86 = 'v86@0.5.462';
const MEMORY_BYTES = 256 << 20;
const SCREEN_BYTES = 2 << 20;
const COMMAND_LINE = 'console=ttyS0 quiet panic=-1 mitigations=off';
/** Silence after which it is given up. A boot takes half a minute on an idle machine. */
const SILENCE_MS = 600_000;

/**
 * @typedef {object} Emulator what of v86 is used
 * @property {(event: string, listener: (byte: number) => void) => void} add_listener
 * @property {() => Promise<void>} destroy
 */

/**
 * Installs v86 in the folder, unless it is there.
 * @param {string} folder
 * @returns {string} the folder of the package
 */
function installed(folder) {
  const path = join(folder, 'node_modules/v86');
  if (existsSync(path)) return path;
  const quiet = ['--no-save', '--no-package-lock', '--no-audit', '--no-fund', '--ignore-scripts'];
  execFileSync('npm', ['install', ...quiet, '--prefix', folder, V86], { stdio: ['ignore', 'ignore', 'inherit'] });
  return path;
}

/** @param {string} path */
const fileAt = (path) => ({ buffer: new Uint8Array(readFileSync(path)).buffer });

/**
 * Boots Linux, and returns what it has said when it says `done`.
 * @param {string} folder where v86 is
 * @param {string} root the files of Debian
 * @param {Uint8Array<ArrayBuffer>} initrd
 * @param {ArrayBuffer} disk what Linux writes is in it afterwards
 * @param {(line: string) => void} tell is given each line at once
 * @returns {Promise<string[]>}
 */
export async function bootLinux(folder, root, initrd, disk, tell) {
  const path = installed(folder);
  const module = /** @type {{ V86: new (options: object) => Emulator }} */ (
    await import(pathToFileURL(join(path, 'build/libv86.mjs')).href)
  );
  const kernel = readdirSync(join(root, 'boot')).find((name) => name.startsWith('vmlinuz-'));
  if (kernel === undefined) throw new Error(`${root}: there is no kernel`);
  const emulator = new module.V86({
    wasm_path: join(path, 'build/v86.wasm'),
    memory_size: MEMORY_BYTES,
    vga_memory_size: SCREEN_BYTES,
    bios: fileAt(join(root, 'usr/share/seabios/bios.bin')),
    vga_bios: fileAt(join(root, 'usr/share/seabios/vgabios-stdvga.bin')),
    bzimage: fileAt(join(root, 'boot', kernel)),
    initrd: { buffer: initrd.buffer },
    hda: { buffer: disk },
    cmdline: COMMAND_LINE,
    autostart: true,
    ...{ disable_keyboard: true, disable_mouse: true, disable_speaker: true },
  });
  const lines = /** @type {string[]} */ ([]);
  let line = '';
  await new Promise((settle, fail) => {
    const giveUp = () => fail(new Error(`Linux has been silent for ${SILENCE_MS / 60_000} minutes`));
    let timer = setTimeout(giveUp, SILENCE_MS);
    emulator.add_listener('serial0-output-byte', (byte) => {
      if (byte !== 0x0a) {
        if (byte !== 0x0d) line += String.fromCharCode(byte);
        return;
      }
      clearTimeout(timer);
      timer = setTimeout(giveUp, SILENCE_MS);
      lines.push(line);
      tell(line);
      if (line.includes('Kernel panic')) fail(new Error(line));
      if (line === 'done') {
        clearTimeout(timer);
        settle(undefined);
      }
      line = '';
    });
  }).finally(() => emulator.destroy());
  return lines;
}
