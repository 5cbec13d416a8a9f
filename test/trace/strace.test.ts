// strace: what calls of processes do to files, through descriptors, forks, paths and cut lines.
import { describe, expect, it } from 'vitest';
import { readText } from './reading.ts';

/** The operations of these lines, without times. */
function operationsOf(...lines: readonly string[]): string[] {
  return readText(`${lines.join('\n')}\n`, { format: 'strace' }).operations.map((line) => line.replace(/^\S+ /, ''));
}

const leftOutOf = (...lines: readonly string[]): Record<string, number> =>
  Object.fromEntries(readText(`${lines.join('\n')}\n`, { format: 'strace' }).summary.leftOut);

describe('descriptors of a strace', () => {
  it('a read moves the position by its result, and a pread does not', () => {
    expect(
      operationsOf(
        'open("/a", O_RDONLY) = 3',
        'read(3, "x"..., 4096) = 100',
        'pread64(3, "x"..., 50, 9000) = 50',
        'read(3, "", 4096) = 0',
        'read(3, "x"..., 10) = 10',
        'lseek(3, 5000, SEEK_SET) = 5000',
        'readv(3, [{iov_base="a", iov_len=3}, {iov_base="b, c)", iov_len=4}], 2) = 7',
        'preadv2(3, [{iov_base="", iov_len=8}], 1, -1, 0) = 8',
      ),
    ).toEqual([
      '0 open /a 0 0',
      '0 read /a 0 100',
      '0 read /a 9000 50',
      '0 read /a 100 10',
      '0 read /a 5000 7',
      '0 read /a 5007 8',
    ]);
  });

  it('a duplicate shares the position, and a number that is used again is another file', () => {
    expect(
      operationsOf(
        'open("/a", O_RDONLY) = 3',
        'dup(3) = 4',
        'read(3, ""..., 10) = 10',
        'read(4, ""..., 10) = 10',
        'fcntl(4, F_DUPFD, 10) = 10',
        'dup2(10, 7) = 7',
        'close(3) = 0',
        'open("/b", O_RDONLY) = 3',
        'read(3, ""..., 5) = 5',
        'read(7, ""..., 10) = 10',
      ),
    ).toEqual([
      '0 open /a 0 0',
      '0 read /a 0 10',
      '0 read /a 10 10',
      '0 open /b 0 0',
      '0 read /b 0 5',
      '0 read /a 20 10',
    ]);
  });

  it('a child has copies of the descriptors, which share positions; one of CLONE_FILES has the same ones', () => {
    expect(
      operationsOf(
        '1 open("/a", O_RDONLY) = 3',
        '1 clone(child_stack=NULL, flags=CLONE_CHILD_SETTID|SIGCHLD, child_tidptr=0x7f) = 2',
        '2 read(3, ""..., 10) = 10',
        '2 close(3) = 0',
        '1 read(3, ""..., 10) = 10',
        '1 clone(child_stack=0x7f, flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_THREAD) = 4',
        '4 open("/b", O_RDONLY) = 5',
        '1 read(5, ""..., 10) = 10',
        '2 read(5, ""..., 10) = 10',
      ),
    ).toEqual(['0 open /a 0 0', '1 read /a 0 10', '0 read /a 10 10', '2 open /b 0 0', '0 read /b 0 10']);
  });

  it('the first lines of a child may come before its clone has returned', () => {
    expect(
      operationsOf(
        '1 open("/a", O_RDONLY) = 3',
        '1 clone(child_stack=NULL, flags=SIGCHLD <unfinished ...>',
        '2 read(3, ""..., 10) = 10',
        '1 <... clone resumed>, child_tidptr=0x7f) = 2',
        '2 read(3, ""..., 10) = 10',
      ),
    ).toEqual(['0 open /a 0 0', '1 read /a 0 10', '1 read /a 10 10']);
  });

  it('a program that begins has no descriptor of O_CLOEXEC, and a process number may be used again', () => {
    expect(
      operationsOf(
        '1 open("/a", O_RDONLY|O_CLOEXEC) = 3',
        '1 open("/b", O_RDONLY) = 4',
        '1 execve("/bin/c", ["c"], 0x7f /* 2 vars */) = 0',
        '1 read(3, ""..., 10) = 10',
        '1 read(4, ""..., 10) = 10',
        '1 +++ exited with 0 +++',
        '1 read(4, ""..., 10) = 10',
      ),
    ).toEqual(['0 open /a 0 0', '0 open /b 0 0', '0 open /bin/c 0 0', '0 read /b 0 10']);
  });

  it('sendfile and copy_file_range read one file and write the other', () => {
    expect(
      operationsOf(
        'open("/a", O_RDONLY) = 3',
        'open("/b", O_WRONLY) = 4',
        'sendfile(4, 3, NULL, 4096) = 100',
        'sendfile(9, 3, [500] => [600], 100) = 100',
        'copy_file_range(3, [0] => [50], 4, NULL, 50, 0) = 50',
        'read(3, ""..., 1) = 1',
      ),
    ).toEqual([
      '0 open /a 0 0',
      '0 open /b 0 0',
      '0 read /a 0 100',
      '0 write /b 0 100',
      '0 read /a 500 100',
      '0 read /a 0 50',
      '0 write /b 100 50',
      '0 read /a 100 1',
    ]);
  });

  it('the path that -y puts behind a descriptor says which file it is, and what is no file', () => {
    expect(
      operationsOf(
        '7 read(0</etc/hosts>, ""..., 4096) = 20',
        '7 read(3<socket:[123]>, ""..., 4096) = 20',
        '7 write(1<pipe:[9]>, ""..., 5) = 5',
        '7 read(4</proc/7/stat>, ""..., 5) = 5',
        '7 read(0</etc/hosts>, ""..., 4096) = 4',
        '7 openat(AT_FDCWD</home/u>, "x, y", O_RDONLY) = 5</home/u/x, y>',
        '7 read(5</home/u/x, y>, "a, b)"..., 9) = 9',
        '7 unlink("/home/u/x, y") = 0',
        '7 read(5</home/u/x, y>(deleted), ""..., 9) = 3',
        '7 read(5</home/u/x, y (deleted)>, ""..., 9) = 2',
        '7 read(6</gone>(deleted), ""..., 9) = 2',
      ),
    ).toEqual([
      '0 read /etc/hosts 0 20',
      '0 read /etc/hosts 20 4',
      '0 open /home/u/x, y 0 0',
      '0 read /home/u/x, y 0 9',
      '0 unlink /home/u/x, y 0 0',
      '0 read /home/u/x, y 9 3',
      '0 read /home/u/x, y 12 2',
    ]);
  });
});

describe('paths of a strace', () => {
  it('a relative path is seen from the working directory, or from the descriptor of one', () => {
    expect(
      operationsOf(
        'chdir("/home/u") = 0',
        'open("a/../b", O_RDONLY) = 3',
        'openat(AT_FDCWD, "./c", O_RDONLY) = 4',
        'openat(AT_FDCWD, "/etc", O_RDONLY|O_DIRECTORY) = 5',
        'openat(5, "hosts", O_RDONLY) = 6',
        'openat(8</var//log>, "m", O_RDONLY) = 7',
        'fchdir(5) = 0',
        'open("passwd", O_RDONLY) = 9',
      ),
    ).toEqual(
      ['/home/u/b', '/home/u/c', '/etc/hosts', '/var/log/m', '/etc/passwd'].map((path) => `0 open ${path} 0 0`),
    );
  });

  it('a file keeps its number through a rename, and a file made anew under its name is another', () => {
    const { operations, files } = readText(
      [
        'open("/a", O_RDWR|O_CREAT|O_TRUNC, 0644) = 3',
        'write(3, ""..., 10) = 10',
        'rename("/a", "/b") = 0',
        'open("/b", O_RDONLY) = 4',
        'read(4, ""..., 10) = 10',
        'unlink("/b") = 0',
        'open("/b", O_WRONLY|O_CREAT, 0644) = 5',
        'write(3, ""..., 10) = 10',
        'write(5, ""..., 1) = 1',
        '',
      ].join('\n'),
      { format: 'strace' },
    );
    expect(operations.map((line) => line.slice(4))).toEqual([
      'create /a 0 0',
      'write /a 0 10',
      'open /a 0 0',
      'read /a 0 10',
      'unlink /a 0 0',
      'create /b 0 0',
      'write /a 10 10',
      'write /b 0 1',
    ]);
    expect(files.map(({ name }) => name)).toEqual(['/a', '/b']);
  });

  it('a file with two paths is gone with the second, and a rename deletes what it replaces', () => {
    expect(
      operationsOf(
        'open("/a", O_RDONLY) = 3',
        'link("/a", "/b") = 0',
        'unlink("/a") = 0',
        'open("/c", O_RDONLY) = 4',
        'rename("/c", "/b") = 0',
        'renameat2(AT_FDCWD, "/b", AT_FDCWD, "/d", RENAME_NOREPLACE) = 0',
        'unlinkat(AT_FDCWD, "/d", 0) = 0',
      ),
    ).toEqual(['0 open /a 0 0', '0 open /c 0 0', '0 unlink /a 0 0', '0 unlink /c 0 0']);
  });

  it('a path has the escapes of C, in octal and by letter', () => {
    expect(operationsOf(String.raw`open("/a\"b\\\303\251\tc\x41", O_RDONLY) = 3`)).toEqual(['0 open /a"b\\é\tcA 0 0']);
  });

  it('O_APPEND writes at the end, which fstat and SEEK_END tell, and truncate changes', () => {
    expect(
      operationsOf(
        'open("/a", O_WRONLY|O_APPEND) = 3',
        'fstat(3, {st_mode=S_IFREG|0644, st_size=1000, ...}) = 0',
        'write(3, ""..., 10) = 10',
        'ftruncate(3, 500) = 0',
        'write(3, ""..., 10) = 10',
        'truncate("/a", 0) = 0',
        'fsync(3) = 0',
        'sync() = 0',
        'open("/a", O_RDWR|O_TRUNC) = 4',
      ),
    ).toEqual([
      '0 open /a 0 0',
      '0 write /a 1000 10',
      '0 truncate /a 500 0',
      '0 write /a 500 10',
      '0 truncate /a 0 0',
      '0 sync /a 0 0',
      '0 sync all 0 0',
      '0 open /a 0 0',
      '0 truncate /a 0 0',
    ]);
  });
});

describe('lines of a strace', () => {
  it('a call that another process interrupts has the time of its start, and pairs by process', () => {
    const { operations, summary } = readText(
      [
        '[pid    10] 1.000000 open("/a", O_RDONLY) = 3 <0.000001>',
        '[pid    10] 2.000000 read(3,  <unfinished ...>',
        '[pid    11] 2.500000 open("/b", O_RDONLY) = 3 <0.000001>',
        '[pid    10] 3.000000 <... read resumed> "a, b <unfinished ...>)\\"", 4096) = 7 <1.000000>',
        '[pid    12] 3.500000 <... read resumed> "", 4096) = 7',
        '[pid    11] 4.000000 read(3, <detached ...>',
        '[pid    11] 5.000000 read(3,  <unfinished ...>',
        '',
      ].join('\r\n'),
    );
    expect(operations).toEqual(['0 0 open /a 0 0', '1500000000 1 open /b 0 0', '1000000000 0 read /a 0 7']);
    expect(summary).toMatchObject({ format: 'strace', backwards: 1, problemCount: 0 });
    expect(summary.leftOut.get('calls that were cut off')).toBe(3);
  });

  it.each([
    ['1700000000,000100 ', 1700000000.0001],
    ['10:00:01.5 ', 36001.5],
    ['10:00:01 ', 36001],
    ['', Number.NaN],
  ])('a time may be %j', (prefix, seconds) => {
    const [first, second] = readText(`${prefix}open("/a", O_RDONLY) = 3\n${prefix}open("/b", O_RDONLY) = 4`, {
      format: 'strace',
    }).operations;
    expect(first).toBe(`${Number.isNaN(seconds) ? '-' : 0} 0 open /a 0 0`);
    expect(second).toBe(`${Number.isNaN(seconds) ? '-' : 0} 0 open /b 0 0`);
  });

  it('a time of day goes on after midnight', () => {
    const { operations } = readText('23:59:59.5 open("/a", O_RDONLY) = 3\n00:00:00.5 open("/b", O_RDONLY) = 4\n');
    expect(operations[1]).toBe('1000000000 0 open /b 0 0');
  });

  it('a mapping that the call itself reads is a fault on its pages', () => {
    const { operations } = readText(
      [
        'open("/a", O_RDONLY) = 3',
        'mmap(NULL, 10000, PROT_READ, MAP_SHARED|MAP_POPULATE, 3, 0x3000) = 0x7f00',
        'mmap(NULL, 4096, PROT_READ, MAP_SHARED|MAP_POPULATE, 3, 0) = 0x7f00',
        '',
      ].join('\n'),
    );
    expect(operations.slice(1)).toEqual(['- 0 fault /a 12288 12288', '- 0 fault /a 0 4096']);
  });

  it('failed calls, mappings, sockets and direct calls are left out, and counted', () => {
    expect(
      leftOutOf(
        'open("/no", O_RDONLY) = -1 ENOENT (No such file or directory)',
        'open("/a", O_RDONLY) = 3',
        'read(3, 0x7f, 10) = ? ERESTARTSYS (To be restarted if SA_RESTART is set)',
        'mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, 3, 0) = 0x7f00',
        'mmap(NULL, 4096, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f00',
        'socket(AF_INET, SOCK_STREAM, 0) = 4',
        'read(4, ""..., 10) = 10',
        'open("/d", O_RDONLY|O_DIRECT) = 5',
        'read(5, ""..., 512) = 512',
        '--- SIGCHLD {si_signo=SIGCHLD, si_pid=2} ---',
      ),
    ).toEqual({
      'calls that failed': 2,
      'mappings of files, of which reads are not told': 1,
      'calls that only change descriptors and paths': 1,
      'calls that touch no file': 1,
      'calls on descriptors of which no file is told': 1,
      'calls that go around the page cache': 1,
      'signals and notes': 1,
    });
  });

  it('a line that is no call is told with its number', () => {
    const { summary } = readText('open("/a", O_RDONLY) = 3\nhello\nread(3, "x\nopen("/b"..., O_RDONLY) = 4\n', {
      format: 'strace',
    });
    expect(summary.problems).toEqual([
      { line: 2, why: 'no call', text: 'hello' },
      { line: 3, why: 'no arguments, or no result', text: 'read(3, "x' },
      { line: 4, why: 'a path that is cut off', text: 'open("/b"..., O_RDONLY) = 4' },
    ]);
  });
});
