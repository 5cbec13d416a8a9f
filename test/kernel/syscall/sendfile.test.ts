// sendfile to a client: the bytes, where it ends, what it costs, and what it refuses.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ModelError } from '../../../src/base/errno.ts';
import type { ListeningSocket, NetworkRequest } from '../../../src/kernel/net/socket.ts';
import { O } from '../../../src/kernel/syscall/syscalls.ts';
import type { Process } from '../../../src/sim/index.ts';
import { property } from '../../support/property.ts';
import { bootWorkloadGuest } from '../../workload/guest.ts';

const REQUEST = {} as NetworkRequest;
const SIZES = [0, 300_001, 4096];

function bed(room = Infinity) {
  const { testbed, guest, contents } = bootWorkloadGuest(SIZES);
  const sent: number[] = [];
  const pieces: number[] = [];
  const socket = {
    *send(_: unknown, bytes: Uint8Array): Process {
      if (sent.length + bytes.length > room) throw new ModelError('EPIPE', 'the client is gone');
      pieces.push(bytes.length);
      sent.push(...bytes);
      yield 1000;
    },
  } as unknown as ListeningSocket;
  const run = <T>(process: Process<T>): T => testbed.simulation.runProcess('test', process);
  const sys = guest.kernel.syscalls;
  const request = { bytes: new Uint8Array(0) } as NetworkRequest;
  const send = (fd: number, length: number): number => run(sys.sendfileToClient(socket, request, fd, length));
  const code = (fd: number, length: number): string => {
    try {
      send(fd, length);
    } catch (error) {
      return error instanceof ModelError ? error.code : String(error);
    }
    return 'sent';
  };
  return { sys, guest, contents, sent, pieces, run, send, code };
}

describe('sendfile to a client', () => {
  property(
    'sendfile to a client sends what the file has from its position on, and the position follows',
    fc.nat(2),
    fc.nat(310_000),
    fc.nat(400_000),
    (number, position, length) => {
      const { sys, contents, sent, run, send } = bed();
      const fd = run(sys.open(`/${number}`));
      sys.lseek(fd, position);
      const expected = contents[number]!.subarray(position, position + length);
      expect(send(fd, length)).toBe(expected.length);
      expect(Buffer.compare(Uint8Array.from(sent), expected)).toBe(0);
      expect(sys.lseek(fd, 0, 1)).toBe(position + expected.length);
    },
    { numRuns: 15 },
  );

  it('sendfile to a client fills the page cache with readahead, and reads nothing the second time', () => {
    const { sys, guest, pieces, run, send } = bed();
    const fd = run(sys.open('/1'));
    expect(send(fd, 1e6)).toBe(300_001);
    const { dataPagesRead } = guest.kernel.stats;
    expect(dataPagesRead).toBe(74);
    pieces.length = 0;
    sys.lseek(fd, 0);
    expect(send(fd, 1e6)).toBe(300_001);
    expect(guest.kernel.stats.dataPagesRead).toBe(dataPagesRead);
    expect(pieces).toEqual([65_536, 65_536, 65_536, 65_536, 37_857]);
  });

  it('sendfile to a client refuses as do_sendfile does', () => {
    const { sys, run, code } = bed();
    const writer = run(sys.open('/1', O.wronly));
    const directory = run(sys.open('/'));
    const reader = run(sys.open('/1'));
    expect([code(99, 1), code(writer, 1), code(directory, 1), code(reader, -1)]).toEqual([
      'EBADF',
      'EBADF',
      'EINVAL',
      'EINVAL',
    ]);
    expect(code(reader, 1)).toBe('sent');
    expect(() => run(sys.sendfileToClient(null as never, REQUEST, reader, 1))).toThrow('socket: ');
  });

  it('sendfile to a client that goes away returns what was sent, or EPIPE when nothing was', () => {
    const { sys, run, send, code } = bed(70_000);
    const fd = run(sys.open('/1'));
    run(sys.pread(fd, new Uint8Array(300_001), 0, 300_001, 0));
    expect(send(fd, 300_001)).toBe(65_536);
    expect(sys.lseek(fd, 0, 1)).toBe(65_536);
    expect(code(fd, 300_001)).toBe('EPIPE');
    expect(sys.lseek(fd, 0, 1)).toBe(65_536);
  });

  it('a program’s own instructions take their time, and no less than none', () => {
    const { sys, run } = bed();
    run(sys.settle());
    const start = sys.now();
    sys.compute(5000);
    expect(sys.now() - start).toBe(5000);
    expect(() => sys.compute(-1)).toThrow('ns: ');
    expect(() => sys.compute(Number.NaN)).toThrow('ns: ');
  });
});
