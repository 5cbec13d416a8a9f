// The files that the Linux in v86 boots into: busybox, the modules that a disk and ext3 need, and a
// script. It mounts each file system on the disk, says what it finds in it, and unmounts it.
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

/** Modules that are wanted, besides those that they depend on. */
const MODULES = ['crc32c_generic', 'ata_piix', 'sd_mod', 'loop', 'ext4'];
const PROGRAMS = ['cat', 'dmesg', 'echo', 'find', 'grep', 'insmod', 'losetup', 'mount', 'sh', 'sha256sum', 'sleep'];
const MORE_PROGRAMS = ['sed', 'stat', 'sync', 'umount'];
const DIRECTORY = 0o040755;
const FILE = 0o100755;
const LINK = 0o120777;

/**
 * @param {string} root the files of Debian
 * @param {number} count file systems on the disk
 * @param {number} bytes of each
 * @returns {Uint8Array<ArrayBuffer>} a cpio archive of the format newc
 */
export function makeInitrd(root, count, bytes) {
  const modules = moduleFiles(join(root, 'lib/modules'));
  const archive = new Archive();
  for (const name of ['bin', 'dev', 'mnt', 'modules', 'proc', 'sys']) archive.add(name, DIRECTORY);
  archive.add('dev/console', 0o020600, undefined, [5, 1]);
  archive.add('bin/busybox', FILE, readFileSync(join(root, 'bin/busybox')));
  for (const name of [...PROGRAMS, ...MORE_PROGRAMS]) archive.add(`bin/${name}`, LINK, Buffer.from('busybox'));
  for (const path of modules) archive.add(`modules/${basename(path)}`, FILE, readFileSync(path));
  archive.add('init', FILE, Buffer.from(initScript(modules, count, bytes)));
  return archive.bytes();
}

/**
 * A file system is a part of the disk, so that one boot is enough for all.
 * @param {string[]} modules
 * @param {number} count
 * @param {number} bytes
 */
const initScript = (modules, count, bytes) => `#!/bin/sh
mount -t devtmpfs none /dev
mount -t proc none /proc
mount -t sysfs none /sys
for module in ${modules.map((path) => basename(path)).join(' ')}; do
  insmod /modules/$module || echo "failed insmod $module"
done
echo "linux $(cat /proc/version)"
n=0
while [ $n -lt ${count} ]; do
  dmesg -c > /dev/null
  losetup -o $((n * ${bytes})) /dev/loop0 /dev/sda || echo "failed losetup"
  echo "journal $n"
  mount -t ext3 -o noatime /dev/loop0 /mnt || echo "failed mount"
  (cd /mnt && find . -type f -exec sha256sum {} ';' | sed 's/^/file /')
  (cd /mnt && find . -exec stat -c 'inode %i %f %h %s %n' {} ';')
  umount /mnt || echo "failed umount"
  losetup -d /dev/loop0 || echo "failed losetup -d"
  dmesg | grep -q 'loop0): recovery complete' && echo "replayed"
  dmesg | grep -iE 'EXT4-fs (error|warning)|JBD2:' | sed 's/^/failed /'
  n=$((n + 1))
done
sync
echo "done"
while true; do sleep 1000; done
`;

/**
 * The files of the modules, each behind those that it depends on.
 * @param {string} folder
 */
function moduleFiles(folder) {
  const paths = new Map(
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ko'))
      .map((name) => [basename(name, '.ko').replaceAll('-', '_'), join(folder, name)]),
  );
  const wanted = /** @type {Set<string>} */ (new Set());
  const want = (/** @type {string} */ name) => {
    const path = paths.get(name);
    if (path === undefined) throw new Error(`Debian's kernel has no module ${name}`);
    const needs = /\0depends=([^\0]*)\0/.exec(readFileSync(path, 'latin1'))?.[1] ?? '';
    for (const each of needs.split(',')) if (each !== '') want(each.replaceAll('-', '_'));
    wanted.add(path);
  };
  for (const name of MODULES) want(name);
  return [...wanted];
}

/** A cpio archive of the format newc, as the kernel's initramfs/buffer-format document has it. */
class Archive {
  #parts = /** @type {Uint8Array[]} */ ([]);
  #count = 0;

  /**
   * @param {string} name
   * @param {number} mode
   * @param {Uint8Array} data
   * @param {readonly [major: number, minor: number]} device
   */
  add(name, mode, data = new Uint8Array(0), device = [0, 0]) {
    this.#count++;
    // Inode, mode, owner, group, links, time, size, device of the file, device that it is, length
    // of the name, checksum.
    const fields = [this.#count, mode, 0, 0, 1, 0, data.length, 0, 0, ...device, name.length + 1, 0];
    const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}${name}\0`;
    for (const part of [Buffer.from(header, 'latin1'), data]) this.#parts.push(part, new Uint8Array(-part.length & 3));
  }

  bytes() {
    this.add('TRAILER!!!', 0);
    return new Uint8Array(Buffer.concat(this.#parts));
  }
}
