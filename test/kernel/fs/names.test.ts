// What a program may give as a name, a path, a text of a link or flags of open, and the answer.
// Every call meets every kind.
import { beforeEach, describe, expect, it } from 'vitest';
import { canonicalText, decodeText, encodeText, ModelError } from '../../../src/base/index.ts';
import { makeExt2 } from '../../../src/disk/mkfs/mkfs.ts';
import { directory, file, symlink, tree, type TreeNode } from '../../../src/disk/mkfs/tree.ts';
import { OracleExt2 } from '../../../src/experiment/judge/oracle-ext2.ts';
import { type Kernel, O, type Syscalls } from '../../../src/kernel/index.ts';
import type { Process } from '../../../src/sim/index.ts';
import { BlkifOp } from '../../../src/xen/public/index.ts';
import { itWithE2fsprogs, mustPassE2fsck, saveImage } from '../../support/e2fsprogs.ts';
import { FakeMachine } from '../../support/fake-machine.ts';

let machine: FakeMachine;
let kernel: Kernel;
let sys: Syscalls;

function boot(entries: [string | Uint8Array, TreeNode][], journalBlocks?: number): void {
  machine = new FakeMachine({ image: makeExt2(tree(directory(entries)), { size: 8 << 20, journalBlocks }) });
  kernel = machine.run(machine.boot());
  sys = kernel.syscalls;
}

const run = <T>(process: Process<T>): T => machine.run(process);

/** 'ok', or the errno. */
function code(process: Process<unknown>): string {
  try {
    run(process);
    return 'ok';
  } catch (error) {
    if (error instanceof ModelError) return error.code;
    throw error;
  }
}

const create = (path: string): void => run(sys.close(run(sys.open(path, O.creat | O.excl | O.wronly))));
const names = (path: string): string[] =>
  run(sys.readdir(path))
    .map(({ name }) => name)
    .filter((name) => !['.', '..', 'lost+found'].includes(name));

/** Every system call that takes a path, with one in each of its places. */
const CALLS: Record<string, (path: string) => Process<unknown>> = {
  open: (path) => sys.open(path),
  'open to make': (path) => sys.open(path, O.creat | O.wronly),
  'open to make anew': (path) => sys.open(path, O.creat | O.excl),
  mkdir: (path) => sys.mkdir(path),
  rmdir: (path) => sys.rmdir(path),
  unlink: (path) => sys.unlink(path),
  'rename from': (path) => sys.rename(path, '/new'),
  'rename to': (path) => sys.rename('/file', path),
  'link of': (path) => sys.link(path, '/new'),
  'link as': (path) => sys.link('/file', path),
  'symlink to': (path) => sys.symlink(path, '/new'),
  'symlink as': (path) => sys.symlink('file', path),
  readlink: (path) => sys.readlink(path),
  readdir: (path) => sys.readdir(path),
  stat: (path) => sys.stat(path),
  lstat: (path) => sys.lstat(path),
  truncate: (path) => sys.truncate(path, 0),
  chmod: (path) => sys.chmod(path, 0o600),
  utimes: (path) => sys.utimes(path, 1, 1),
};

describe.each([
  ['ext2', undefined],
  ['ext3', 1024],
] as const)('%s', (_, journalBlocks) => {
  beforeEach(() => {
    boot([['file', file('')]], journalBlocks);
  });

  it('a zero in a path or a text is EINVAL, wherever it stands, and changes nothing', () => {
    const paths = ['\0', '/\0', '/file\0', '/fi\0le', '/\0file', '/dir\0/file', '/file\0/', 'file\0.'];
    const answers = Object.values(CALLS).flatMap((call) => paths.map((path) => code(call(path))));
    expect(answers).toEqual(Array.from({ length: 19 * 8 }, () => 'EINVAL'));
    run(kernel.shutdown());
    expect(machine.requests.filter(({ operation }) => operation === BlkifOp.write)).toEqual([]);
  });

  it('a path that is too long by its bytes is ENAMETOOLONG, whatever they are', () => {
    const long = [`/${'n'.repeat(256)}`, `/${'é'.repeat(128)}`, `/${'\udc80'.repeat(256)}`, '/'.repeat(4096)];
    for (const path of long)
      expect([path.length, code(sys.open(path, O.creat)), code(sys.stat(path))]).toEqual([
        path.length,
        'ENAMETOOLONG',
        'ENAMETOOLONG',
      ]);
    for (const path of ['n'.repeat(255), 'é'.repeat(127), '\udc80'.repeat(255)]) create(`/${path}`);
    expect(names('/')).toHaveLength(4);
  });
});

/**
 * Names that something on the way might take for others, each with another string of the same
 * bytes.
 */
const SPELLINGS: readonly (readonly [string, string])[] = [
  ['\ufeff', '\udcef\udcbb\udcbf'],
  ['\ufeffname', '\udcef\udcbb\udcbfname'],
  ['name\ufeff', 'name\udcef\udcbb\udcbf'],
  ['\ufffd', '\ud800'],
  ['a\ufffd', 'a\udbff'],
  ['\ufffdb', '\udc7fb'],
  ['é', '\udcc3\udca9'],
  ['\u{1f600}', '\udcf0\udc9f\udc98\udc80'],
  ['\udc80', '\udc80'],
  ['\udcff\udcfe', '\udcff\udcfe'],
  ['e\u0301', 'e\u0301'],
  ['line\nline', 'line\nline'],
  ['\u007f\u0001', '\u007f\u0001'],
  ['... ', '... '],
];

describe('names are bytes', () => {
  it('two strings of the same bytes are one name, cached or not', () => {
    for (const [name, other] of SPELLINGS) {
      for (const forget of [false, true]) {
        boot([]);
        const drop = (): void => {
          if (forget) sys.dropCaches();
        };
        create(`/${name}`);
        drop();
        expect([code(sys.open(`/${other}`, O.creat | O.excl)), names('/')]).toEqual(['EEXIST', [name]]);
        drop();
        expect(run(sys.stat(`/${other}`))).toEqual(run(sys.stat(`/${name}`)));
        run(sys.rename(`/${other}`, `/x${other}`));
        drop();
        expect([code(sys.stat(`/${name}`)), names('/')]).toEqual(['ENOENT', [`x${name}`]]);
        run(sys.symlink(`x${other}`, '/link'));
        expect(run(sys.readlink('/link'))).toBe(`x${name}`);
        expect(run(sys.stat('/link'))).toEqual(run(sys.stat(`/x${name}`)));
        drop();
        run(sys.unlink(`/x${other}`));
        expect([code(sys.stat(`/x${name}`)), code(sys.stat('/link')), names('/')]).toEqual([
          'ENOENT',
          'ENOENT',
          ['link'],
        ]);
        run(sys.mkdir(`/${other}`));
        create(`/${name}/${other}`);
        expect(names(`/${other}`)).toEqual([name]);
        drop();
        run(sys.unlink(`/${other}/${name}`));
        expect([code(sys.rmdir(`/${name}`)), code(sys.rmdir(`/${other}`))]).toEqual(['ok', 'ENOENT']);
      }
    }
  });

  /** Every name of one byte that ext2 can have, all pairs of some, and the spellings above. */
  const all = (): Uint8Array[] => {
    const legal = Array.from({ length: 255 }, (_, i) => i + 1).filter((byte) => byte !== 0x2f);
    const some = [0x01, 0x2e, 0x41, 0x7f, 0x80, 0xbf, 0xc3, 0xe2, 0xef, 0xf0, 0xff];
    return [
      ...legal.filter((byte) => byte !== 0x2e).map((byte) => Uint8Array.of(byte)),
      ...some.flatMap((a) => some.map((b) => Uint8Array.of(a, b))).filter(([a, b]) => a !== 0x2e || b !== 0x2e),
      ...SPELLINGS.flatMap(([name]) => (encodeText(name).length > 2 ? [encodeText(name)] : [])),
    ];
  };

  it('whatever bytes an image has for a name, readdir gives what open takes; so does the oracle', () => {
    const given = all();
    boot(given.map((name, i) => [name, i % 2 === 0 ? file(`${i}`) : directory([['in', file(`${i}`)]])]));
    const listed = names('/');
    expect(listed.map((name) => Buffer.from(encodeText(name)).toString('hex')).sort()).toEqual(
      given.map((name) => Buffer.from(name).toString('hex')).sort(),
    );
    const oracle = new OracleExt2(machine.image);
    const files = oracle.listFiles();
    expect(files).toHaveLength(given.length);
    const contents = files.map(({ path, ino }) => {
      const stat = run(sys.stat(path));
      expect([stat.ino, oracle.size(ino)]).toEqual([ino, stat.size]);
      const buffer = new Uint8Array(8);
      const fd = run(sys.open(path));
      const length = run(sys.read(fd, buffer, 0, 8));
      run(sys.close(fd));
      return decodeText(buffer.subarray(0, length));
    });
    expect(contents.map(Number).sort((a, b) => a - b)).toEqual(given.map((_, i) => i));
  });

  itWithE2fsprogs('what the guest makes of names lies on the disk byte for byte', (judge) => {
    boot([]);
    const given = all();
    for (const [i, name] of given.entries())
      if (i % 2 === 0) create(`/${decodeText(name)}`);
      else run(sys.symlink(decodeText(name), `/${decodeText(name)}`));
    run(kernel.shutdown());
    const oracle = new OracleExt2(machine.image);
    expect(
      oracle
        .listFiles()
        .map(({ path }) => Buffer.from(encodeText(path.slice(1))).toString('hex'))
        .sort(),
    ).toEqual(
      given
        .filter((_, i) => i % 2 === 0)
        .map((name) => Buffer.from(name).toString('hex'))
        .sort(),
    );
    saveImage(machine.image, `${judge.dir}/disk.img`);
    mustPassE2fsck(judge, `${judge.dir}/disk.img`);
    // The texts of the links lie in their inodes.
    const table = new Uint8Array(machine.image.size);
    machine.image.read(0, table, 0, table.length);
    for (const [i, name] of given.entries())
      if (i % 2 === 1) expect(Buffer.from(table.buffer).includes(Buffer.from([...name, 0]))).toBe(true);
  });

  it('the text of a link ends at a zero that the image has', () => {
    const image = makeExt2(
      tree(
        directory([
          ['file', file('x')],
          ['link', symlink('fileQtail')],
          ['none', symlink('Rtail')],
        ]),
      ),
    );
    const bytes = new Uint8Array(image.size);
    image.read(0, bytes, 0, bytes.length);
    for (const text of ['Qtail', 'Rtail']) {
      const at = Buffer.from(bytes.buffer).indexOf(text);
      image.write(at, Uint8Array.of(0), 0, 1);
    }
    machine = new FakeMachine({ image });
    sys = machine.run(machine.boot()).syscalls;
    expect([run(sys.readlink('/link')), run(sys.stat('/link')).size]).toEqual(['file', 1]);
    expect([code(sys.readlink('/none')), code(sys.stat('/none'))]).toEqual(['EIO', 'EIO']);
  });
});

describe('flags of open', () => {
  beforeEach(() => {
    boot([
      ['file', file('0123')],
      ['dir', directory([['in', file('')]])],
      ['link', symlink('file')],
      ['to-dir', symlink('dir')],
      ['dangling', symlink('made')],
      ['to-link', symlink('link')],
    ]);
  });

  it('a bit that has no name is EINVAL, whatever else is set', () => {
    const known = Object.values(O).reduce<number>((all, flag) => all | flag, 0);
    const unknown = Array.from({ length: 31 }, (_, bit) => 2 ** bit).filter((bit) => (known & bit) === 0);
    expect(unknown).toHaveLength(31 - 10);
    const others = [...Object.values(O), O.creat | O.rdwr | O.trunc];
    for (const bit of [...unknown, 2 ** 31, 2 ** 32, 2 ** 40, 0.5, -(2 ** 20), -(2 ** 31), NaN, Infinity])
      for (const other of others) expect([bit, code(sys.open('/new', bit + other))]).toEqual([bit, 'EINVAL']);
    expect(names('/')).not.toContain('new');
  });

  it('each mode of access decides what is read and written, and what is asked of a file', () => {
    const buffer = new Uint8Array(4);
    const answers = [O.rdonly, O.wronly, O.rdwr, 3].map((access) => {
      const fd = run(sys.open('/file', access));
      const can = [
        code(sys.read(fd, buffer, 0, 4)),
        code(sys.pwrite(fd, buffer, 0, 4, 0)),
        code(sys.ftruncate(fd, 4)),
        code(sys.readahead(fd, 0, 4)),
        sys.fstat(fd).size,
      ];
      return [...can, code(sys.open('/dir', access)), code(sys.open('/dangling', access | O.creat | O.trunc))];
    });
    expect(answers).toEqual([
      ['ok', 'EBADF', 'EINVAL', 'ok', 4, 'ok', 'ok'],
      ['EBADF', 'ok', 'ok', 'EBADF', 4, 'EISDIR', 'ok'],
      ['ok', 'ok', 'ok', 'ok', 4, 'EISDIR', 'ok'],
      ['EBADF', 'EBADF', 'EINVAL', 'EBADF', 4, 'EISDIR', 'ok'],
    ]);
  });

  it('open with nofollow answers ELOOP for a link at the end, and follows one on the way or before a slash', () => {
    const paths = ['/file', '/link', '/to-link', '/dangling', '/dir', '/to-dir', '/to-dir/', '/to-dir/in', '/none'];
    const answers = [0, O.creat, O.creat | O.excl, O.directory].map((flags) =>
      paths.map((path) => code(sys.open(path, flags | O.nofollow))),
    );
    expect(answers).toEqual([
      ['ok', 'ELOOP', 'ELOOP', 'ELOOP', 'ok', 'ELOOP', 'ok', 'ok', 'ENOENT'],
      ['ok', 'ELOOP', 'ELOOP', 'ELOOP', 'EISDIR', 'ELOOP', 'EISDIR', 'ok', 'ok'],
      ['EEXIST', 'EEXIST', 'EEXIST', 'EEXIST', 'EEXIST', 'EEXIST', 'EISDIR', 'EEXIST', 'EEXIST'],
      ['ENOTDIR', 'ENOTDIR', 'ENOTDIR', 'ENOTDIR', 'ok', 'ENOTDIR', 'ok', 'ENOTDIR', 'ENOTDIR'],
    ]);
    // A failed call leaves no reference behind: what it met can be removed for good.
    for (const name of names('/').filter((each) => each !== 'dir')) run(sys.unlink(`/${name}`));
    run(sys.unlink('/dir/in'));
    run(sys.rmdir('/dir'));
    expect(names('/')).toEqual([]);
  });
});

describe('links that open follows to make a file', () => {
  const text = (to: string): string => `${'./'.repeat((4000 - to.length) >> 1)}${to}`;

  it('a link is followed from where it lies, however long all texts are together', () => {
    boot([
      [
        'a',
        directory([
          ['b', directory([['c', symlink(text('../d'))]])],
          ['d', symlink('/e/./../e/f')],
        ]),
      ],
      [
        'e',
        directory([
          ['f', symlink(text('g/h'))],
          ['g', directory([['h', symlink('made')]])],
        ]),
      ],
    ]);
    create('/e/g/made');
    const made = run(sys.stat('/e/g/made')).ino;
    run(sys.unlink('/e/g/made'));
    expect(code(sys.open('/a/b/c', O.wronly))).toBe('ENOENT');
    const fd = run(sys.open('/a/b/c', O.creat | O.wronly));
    expect([sys.fstat(fd).ino, names('/e/g'), names('/a/b')]).toEqual([made, ['h', 'made'], ['c']]);
    expect(run(sys.stat('/a/b/c')).ino).toBe(made);
    expect(code(sys.open('/a/b/c', O.creat | O.excl))).toBe('EEXIST');
  });

  it('open follows 32 links at the end, and 40 on the way in all of them; a slash or a dot behind one is EISDIR', () => {
    const chain = Array.from({ length: 34 }, (_, i): [string, TreeNode] => [
      `l${i}`,
      symlink(i === 0 ? 'made' : `l${i - 1}`),
    ]);
    boot([
      ...chain,
      ['here', symlink('.')],
      // With each, ten more on the way.
      ...Array.from({ length: 6 }, (_, i): [string, TreeNode] => [
        `w${i}`,
        symlink(`${'here/'.repeat(10)}${i === 0 ? 'made' : `w${i - 1}`}`),
      ]),
      ['slash', symlink('made/')],
      ['dot', symlink('made/.')],
      ['up', symlink('..')],
    ]);
    const answers = ['/l31', '/l32', '/l33', '/w3', '/w4', '/w5', '/here/w3', '/slash', '/dot', '/up'].map((path) => {
      const answer = code(sys.open(path, O.creat));
      const isMade = names('/').includes('made');
      if (isMade) run(sys.unlink('/made'));
      return [path, answer, isMade];
    });
    expect(answers).toEqual([
      ['/l31', 'ok', true],
      ['/l32', 'ELOOP', false],
      ['/l33', 'ELOOP', false],
      ['/w3', 'ok', true],
      ['/w4', 'ELOOP', false],
      ['/w5', 'ELOOP', false],
      ['/here/w3', 'ELOOP', false],
      ['/slash', 'EISDIR', false],
      ['/dot', 'ENOENT', false],
      ['/up', 'EISDIR', false],
    ]);
    for (const name of names('/')) run(sys.unlink(`/${name}`));
  });

  it('links that open follows to make a file without making one, 5 that lie in each other are followed at any place of a path', () => {
    boot([
      ['dir', directory([['in', file('')]])],
      ...Array.from({ length: 7 }, (_, i): [string, TreeNode] => [`d${i}`, symlink(i === 0 ? 'dir' : `./d${i - 1}`)]),
    ]);
    const answers = ['/d4', '/d4/in', '/d4/', '/d4/../d4/in', '/d5', '/d5/in', '/d5/', '/d6'].map((path) =>
      code(sys.stat(path)),
    );
    expect(answers).toEqual(['ok', 'ok', 'ok', 'ok', 'ELOOP', 'ELOOP', 'ELOOP', 'ELOOP']);
    expect([code(sys.lstat('/d6')), code(sys.mkdir('/d4/new')), code(sys.mkdir('/d5/new'))]).toEqual([
      'ok',
      'ok',
      'ELOOP',
    ]);
    expect(code(sys.rename('/d4/new', '/d5/new'))).toBe('ELOOP');
    expect(canonicalText('/d4')).toBe('/d4');
  });
});
