/**
 * A VFS of SQLite over the files of a guest: SQLite's calls become system calls, which are plain
 * functions. 72 lines of code.
 *
 * One connection at a time opens a database, so locks are always granted. WAL needs
 * `PRAGMA locking_mode=exclusive`, because there is no shared memory. Time is the machine's, and
 * SQLite's own chance has a fixed seed: one seed of the machine and the same statements give the
 * same disk.
 *
 * For ext3, where fsync of a new file makes its name durable, too. On ext2, fsync of the directory
 * would have to follow.
 */

import type { Sqlite3Static } from '@sqlite.org/sqlite-wasm';
// In a project of your own: from 'stillwarm'.
import { type Machine, ModelError, O } from '../../src/index.ts';

/** What the VFS works on: a `Machine`, or one that makes mistakes. */
export type Host = Pick<Machine, 'sys' | 'now' | 'state'>;

type Call = (...args: never[]) => unknown;

/** Milliseconds between the beginnings of the Julian day and of Unix time. */
const JULIAN_MS = 210_866_760_000_000;

/**
 * Makes the guest's files SQLite's default ones, named by absolute paths. Once for each instance of
 * SQLite. Returns a function that chooses the machine whose files are opened from then on.
 */
export function installGuestVfs({ capi, wasm, vfs }: Sqlite3Static): (machine: Host) => void {
  let host: Host;
  const codes: Readonly<Record<string, number>> = { ENOENT: capi.SQLITE_CANTOPEN, ENOSPC: capi.SQLITE_FULL };
  /** Calls of SQLite, which hears of a modelled error, or of the guest's end, by a number. */
  const told = (calls: Readonly<Record<string, Call>>): object => {
    const tell = (call: Call, args: never[]): number => {
      try {
        return Number(call(...args) ?? capi.SQLITE_OK);
      } catch (error) {
        if (!(error instanceof ModelError) && host.state === 'running') throw error;
        return codes[error instanceof ModelError ? error.code : ''] ?? capi.SQLITE_IOERR;
      }
    };
    const entries = Object.entries(calls).map(([name, call]) => [name, (...args: never[]) => tell(call, args)]);
    return Object.fromEntries(entries) as object;
  };
  // An sqlite3_file is a pointer to its calls, and the guest's descriptor behind it.
  const fdOf = (file: number): number => wasm.peek32(file + 4);
  const [io, struct] = [new capi.sqlite3_io_methods(), new capi.sqlite3_vfs()];
  Object.assign(io, { $iVersion: 1 });
  Object.assign(struct, { $iVersion: 2, $szOsFile: 8, $mxPathname: 1024 });
  const ofFile = told({
    xClose: (file: number) => host.sys.close(fdOf(file)),
    xRead: (file: number, buffer: number, bytes: number, at: bigint) => {
      const done = host.sys.pread(fdOf(file), wasm.heap8u(), buffer, bytes, Number(at));
      wasm.heap8u().fill(0, buffer + done, buffer + bytes);
      return done === bytes ? capi.SQLITE_OK : capi.SQLITE_IOERR_SHORT_READ;
    },
    xWrite: (file: number, buffer: number, bytes: number, at: bigint) =>
      host.sys.pwriteAll(fdOf(file), wasm.heap8u(), buffer, bytes, Number(at)),
    xTruncate: (file: number, size: bigint) => host.sys.ftruncate(fdOf(file), Number(size)),
    xSync: (file: number) => host.sys.fdatasync(fdOf(file)),
    xFileSize: (file: number, out: number) => void wasm.poke64(out, BigInt(host.sys.fstat(fdOf(file)).size)),
    xLock: () => capi.SQLITE_OK,
    xUnlock: () => capi.SQLITE_OK,
    xCheckReservedLock: (_: number, out: number) => void wasm.poke32(out, 0),
    xFileControl: () => capi.SQLITE_NOTFOUND,
    xDeviceCharacteristics: () => capi.SQLITE_IOCAP_POWERSAFE_OVERWRITE,
  });
  const ofSystem = told({
    xOpen: (_: number, name: number, file: number, flags: number, out: number) => {
      const path = wasm.cstrToJs(name) ?? '/.sqlite-temporary';
      const access = flags & capi.SQLITE_OPEN_READWRITE ? O.rdwr : O.rdonly;
      wasm.poke32(file + 4, host.sys.open(path, flags & capi.SQLITE_OPEN_CREATE ? access | O.creat : access));
      wasm.pokePtr(file, io.pointer);
      if (out !== 0) wasm.poke32(out, flags);
      // It lives on without its name until it is closed.
      if (flags & capi.SQLITE_OPEN_DELETEONCLOSE) host.sys.unlink(path);
    },
    xDelete: (_: number, name: number, mustSync: number) => {
      const path = wasm.cstrToJs(name)!;
      host.sys.unlink(path);
      const parent = path.slice(0, path.lastIndexOf('/') + 1);
      if (mustSync !== 0) host.sys.withOpen(parent, O.directory, (fd) => host.sys.fsync(fd));
    },
    xAccess: (_: number, name: number, _flags: number, out: number) =>
      void wasm.poke32(out, Number(host.sys.exists(wasm.cstrToJs(name)!))),
    xFullPathname: (_: number, name: number, bytes: number, out: number) => void wasm.cstrncpy(out, name, bytes),
    xRandomness: (_: number, bytes: number, out: number) => void wasm.heap8u().fill(1, out, out + bytes),
    xSleep: (_: number, microseconds: number) => microseconds,
    xCurrentTimeInt64: (_: number, out: number) =>
      void wasm.poke64(out, BigInt(JULIAN_MS + Math.floor(host.now / 1e6))),
  });
  vfs.installVfs({
    io: { struct: io, methods: ofFile },
    vfs: { struct, methods: ofSystem, name: 'guest', asDefault: true },
  });
  return (machine) => {
    host = machine;
    // The next random number is the first one of the seed.
    capi.sqlite3_randomness(0, 0);
  };
}
