/**
 * A VFS of SQLite over the files of a guest: SQLite's calls become system calls, which are plain
 * functions. 45 lines of code in `guestCalls`, and 25 that install them.
 *
 * One connection at a time opens a database, so locks are always granted. WAL needs
 * `PRAGMA locking_mode=exclusive`, because there is no shared memory. Time is the machine's.
 * SQLite's own chance begins anew at each database that is opened. So one seed of the machine and
 * the same statements give the same disk.
 *
 * For ext3, where fsync of a new file makes its name durable, too. On ext2, fsync of the directory
 * would have to follow.
 */

import type { Sqlite3Static, WasmPointer } from '@sqlite.org/sqlite-wasm';
// In a project of your own: from 'stillwarm'.
import { type Machine, ModelError, O } from '../../src/index.ts';

/** What the VFS works on: a `Machine`, or one that makes mistakes. */
export type Host = Pick<Machine, 'sys' | 'now' | 'state'>;

/** Milliseconds since the Julian day began, when the machine's clock says so many ns. */
const julianMs = (ns: number): bigint => 210_866_760_000_000n + BigInt(Math.floor(ns / 1e6));

type Calls = Record<string, (...args: never[]) => unknown>;

/**
 * The calls of SQLite by name: those of a file, and all others.
 * @param io where SQLite finds those of a file
 * @param on the machine whose files are opened
 */
export function guestCalls({ capi, wasm }: Sqlite3Static, io: WasmPointer, on: { machine: Host }): [Calls, Calls] {
  // An sqlite3_file is a pointer to its calls, and the guest's descriptor behind it.
  const fdOf = (file: number): number => wasm.peek32(file + 4);
  const ofFile: Calls = {
    xClose: (file: number) => on.machine.sys.close(fdOf(file)),
    xRead: (file: number, buffer: number, bytes: number, at: bigint) => {
      const done = on.machine.sys.pread(fdOf(file), wasm.heap8u(), buffer, bytes, Number(at));
      wasm.heap8u().fill(0, buffer + done, buffer + bytes);
      return done === bytes ? capi.SQLITE_OK : capi.SQLITE_IOERR_SHORT_READ;
    },
    xWrite: (file: number, buffer: number, bytes: number, at: bigint) =>
      on.machine.sys.pwriteAll(fdOf(file), wasm.heap8u(), buffer, bytes, Number(at)),
    xTruncate: (file: number, size: bigint) => on.machine.sys.ftruncate(fdOf(file), Number(size)),
    xSync: (file: number) => on.machine.sys.fdatasync(fdOf(file)),
    xFileSize: (file: number, out: number) => void wasm.poke64(out, BigInt(on.machine.sys.fstat(fdOf(file)).size)),
    xLock: () => capi.SQLITE_OK,
    xUnlock: () => capi.SQLITE_OK,
    xCheckReservedLock: (_: number, out: number) => void wasm.poke32(out, 0),
    xFileControl: () => capi.SQLITE_NOTFOUND,
    xDeviceCharacteristics: () => capi.SQLITE_IOCAP_POWERSAFE_OVERWRITE,
  };
  const ofSystem: Calls = {
    xOpen: (_: number, name: number, file: number, flags: number, out: number) => {
      const path = wasm.cstrToJs(name) ?? '/.sqlite-temporary';
      const mode = (flags & capi.SQLITE_OPEN_CREATE ? O.creat : 0) | (flags & capi.SQLITE_OPEN_READWRITE ? O.rdwr : 0);
      wasm.poke32(file + 4, on.machine.sys.open(path, mode));
      wasm.pokePtr(file, io);
      if (out !== 0) wasm.poke32(out, flags);
      // It lives on without its name until it is closed.
      if (flags & capi.SQLITE_OPEN_DELETEONCLOSE) on.machine.sys.unlink(path);
      if (flags & capi.SQLITE_OPEN_MAIN_DB) capi.sqlite3_randomness(0, 0);
    },
    xDelete: (_: number, name: number, mustSync: number) => {
      const path = wasm.cstrToJs(name)!;
      on.machine.sys.unlink(path);
      const parent = path.slice(0, path.lastIndexOf('/') + 1);
      if (mustSync !== 0) on.machine.sys.withOpen(parent, O.directory, (fd) => on.machine.sys.fsync(fd));
    },
    xAccess: (_: number, name: number, _flags: number, out: number) =>
      void wasm.poke32(out, Number(on.machine.sys.exists(wasm.cstrToJs(name)!))),
    xFullPathname: (_: number, name: number, bytes: number, out: number) => void wasm.cstrncpy(out, name, bytes),
    xRandomness: (_: number, bytes: number, out: number) => void wasm.heap8u().fill(1, out, out + bytes),
    xSleep: (_: number, microseconds: number) => microseconds,
    xCurrentTimeInt64: (_: number, out: number) => void wasm.poke64(out, julianMs(on.machine.now)),
  };
  return [ofFile, ofSystem];
}

/**
 * Makes the guest's files SQLite's default ones, named by absolute paths. Once for each instance of
 * SQLite. Returns a function that chooses the machine whose files are opened from then on.
 */
export function installGuestVfs(sqlite3: Sqlite3Static): (machine: Host) => void {
  const { capi, vfs } = sqlite3;
  const on = {} as { machine: Host };
  const codes: Readonly<Record<string, number>> = { ENOENT: capi.SQLITE_CANTOPEN, ENOSPC: capi.SQLITE_FULL };
  // SQLite hears of a modelled error, or of the guest's end, by a number.
  const told = (calls: Calls): Calls => {
    for (const [name, call] of Object.entries(calls))
      calls[name] = (...args) => {
        try {
          return Number(call(...args) ?? capi.SQLITE_OK);
        } catch (error) {
          if (!(error instanceof ModelError) && on.machine.state === 'running') throw error;
          return codes[error instanceof ModelError ? error.code : ''] ?? capi.SQLITE_IOERR;
        }
      };
    return calls;
  };
  const [io, struct] = [new capi.sqlite3_io_methods(), new capi.sqlite3_vfs()];
  Object.assign(struct, { $iVersion: 2, $szOsFile: 8, $mxPathname: 1024 });
  const [ofFile, ofSystem] = guestCalls(sqlite3, io.pointer, on);
  vfs.installVfs({
    io: { struct: io, methods: told(ofFile) },
    vfs: { struct, methods: told(ofSystem), name: 'guest', asDefault: true },
  });
  return (machine) => void (on.machine = machine);
}
