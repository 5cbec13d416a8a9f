// The walks of docs/explanation/tour.md in numbers. Each leg of a walk is the chain of calls at the
// moment in which its last method is called, as the engine tells it. The page lists the legs; no
// function on them may be a hop that only passes its arguments on.
import { readFileSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import ts from 'typescript';
import { afterEach, expect, it, vi } from 'vitest';
import { Ns } from '../../src/base/index.ts';
import { makeExt2 } from '../../src/disk/mkfs/mkfs.ts';
import { directory, file, tree } from '../../src/disk/mkfs/tree.ts';
import { Drive } from '../../src/disk/drive/drive.ts';
import { BlockFront } from '../../src/kernel/block/blkfront.ts';
import { O } from '../../src/kernel/index.ts';
import { PageCache } from '../../src/kernel/mm/page-cache.ts';
import { GrantTable } from '../../src/kernel/xen/gnttab.ts';
import type { Process } from '../../src/sim/index.ts';
import { EventPorts } from '../../src/xen/channels/event-channel.ts';
import { Seat } from '../../src/xen/domain/seat.ts';
import { StoreClient } from '../../src/xen/domain/store-client.ts';
import { DomainMemory } from '../../src/xen/frames/domain-memory.ts';
import { vmmMachine } from '../experiment/vmm/disk.ts';
import { ProvenanceTable } from '../../src/xen/frames/provenance-table.ts';
import { GuestDisk } from '../support/guest-disk.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const PAGE = join(ROOT, 'docs/explanation/tour.md');
/** The event loop is below every chain, and no part of a walk. */
const BELOW = /^src\/(sim|experiment)\//;

interface Hop {
  readonly path: string;
  readonly name: string;
  readonly isPassThrough: boolean;
}

/** The hops from the first of the walk to the method that ends the leg. */
type Leg = readonly Hop[];

const parsed = new Map<string, ts.SourceFile>();

function sourceOf(path: string): ts.SourceFile {
  let source = parsed.get(path);
  if (source === undefined) {
    source = ts.createSourceFile(path, readFileSync(join(ROOT, path), 'utf8'), ts.ScriptTarget.Latest, true);
    parsed.set(path, source);
  }
  return source;
}

const nameOf = (node: { readonly name?: ts.Node }): string | undefined => node.name?.getText();

/** The name of a function; undefined of one that is written where it is handed over. */
function functionName(node: ts.FunctionLikeDeclaration): string | undefined {
  const { parent } = node;
  const owner = ts.isPropertyDeclaration(parent) || ts.isPropertyAssignment(parent) ? parent : node;
  const own = ts.isConstructorDeclaration(node) ? 'constructor' : nameOf(owner);
  return ts.isClassLike(owner.parent) ? `${nameOf(owner.parent)!}.${own!}` : own;
}

/** Whether an expression computes nothing: a name, a field of it, a literal. */
function isPlain(node: ts.Expression): boolean {
  if (ts.isPropertyAccessExpression(node)) return isPlain(node.expression);
  return ts.isIdentifier(node) || ts.isLiteralExpression(node) || node.kind === ts.SyntaxKind.ThisKeyword;
}

/**
 * Whether all that a function does is one call with what it has: it neither checks nor decides, and
 * adds nothing. An arrow function that binds an argument adds that.
 */
function isPassThrough(node: ts.FunctionLikeDeclaration): boolean {
  const { body } = node;
  if (body === undefined) return false;
  let only: ts.Node | undefined = body;
  if (ts.isBlock(body)) {
    const [first] = body.statements;
    if (body.statements.length !== 1 || first === undefined) return false;
    only = ts.isExpressionStatement(first) || ts.isReturnStatement(first) ? first.expression : undefined;
  }
  if (only !== undefined && ts.isYieldExpression(only)) only = only.expression;
  if (only === undefined || !ts.isCallExpression(only)) return false;
  const binds = ts.isArrowFunction(node) && node.parameters.length < only.arguments.length;
  return !binds && isPlain(only.expression) && only.arguments.every(isPlain);
}

/** The function with a name around a place in a source; what it hands over belongs to it. */
function hopAt(path: string, line: number, column: number): Hop {
  const source = sourceOf(path);
  const at = source.getPositionOfLineAndCharacter(line - 1, column - 1);
  let found: { name: string; node: ts.FunctionLikeDeclaration } | undefined;
  const visit = (node: ts.Node): void => {
    if (at < node.pos || at >= node.end) return;
    if (ts.isFunctionLike(node) && 'body' in node) {
      const name = functionName(node);
      if (name !== undefined) found = { name, node };
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return { path, name: found!.name, isPassThrough: isPassThrough(found!.node) };
}

/** The chain of calls now, from the first of the walk on, without what lies below it. */
function chain(): Leg {
  const hops: Hop[] = [];
  for (const [, place, line, column] of new Error().stack!.matchAll(/(?:file:\/\/)?(\/[^\s()]+?):(\d+):(\d+)\)?$/gm)) {
    const path = relative(ROOT, place!);
    if (!path.startsWith('src/') || BELOW.test(path)) continue;
    const hop = hopAt(path, Number(line), Number(column));
    const { path: before, name } = hops[0] ?? {};
    if (before !== hop.path || name !== hop.name) hops.unshift(hop);
  }
  return hops;
}

type Methods = Record<string, (...values: unknown[]) => unknown>;

/** Records the chain of the first call of a method while `isOn`, and lets it through. */
class Walk {
  isOn = false;
  readonly legs: Leg[] = [];

  end(path: string, owner: { readonly name: string; readonly prototype: object }, method: string): void {
    const methods = owner.prototype as Methods;
    const real = methods[method]!;
    let isDone = false;
    const note = (): void => {
      if (!this.isOn || isDone) return;
      isDone = true;
      this.legs.push([...chain(), { path, name: `${owner.name}.${method}`, isPassThrough: false }]);
    };
    vi.spyOn(methods, method).mockImplementation(function (this: unknown, ...values) {
      note();
      return real.apply(this, values);
    });
  }
}

const limit = Error.stackTraceLimit;
afterEach(() => {
  Error.stackTraceLimit = limit;
  vi.restoreAllMocks();
});

function readMiss(): readonly Leg[] {
  const walk = new Walk();
  Error.stackTraceLimit = Infinity;
  const image = makeExt2(tree(directory([['file', file(new Uint8Array(4096).fill(7))]])), { size: 8 << 20 });
  const disk = new GuestDisk(image, 1);
  const { syscalls } = disk.guest.kernel;
  const fd = disk.run(syscalls.open('/file', O.rdonly));
  const bytes = new Uint8Array(4096);
  walk.end('src/kernel/mm/page-cache.ts', PageCache, 'add');
  walk.end('src/xen/channels/event-channel.ts', EventPorts, 'send');
  walk.end('src/disk/drive/drive.ts', Drive, 'submit');
  walk.end('src/xen/frames/provenance-table.ts', ProvenanceTable, 'endRead');
  walk.end('src/kernel/mm/page-cache.ts', PageCache, 'setUptodate');
  walk.end('src/xen/frames/domain-memory.ts', DomainMemory, 'copyOut');
  walk.isOn = true;
  expect(disk.run(syscalls.pread(fd, bytes, 0, 4096, 0))).toBe(4096);
  walk.isOn = false;
  expect(bytes).toEqual(new Uint8Array(4096).fill(7));
  return walk.legs;
}

function resume(): readonly Leg[] {
  const walk = new Walk();
  Error.stackTraceLimit = Infinity;
  const machine = vmmMachine(1, { disk: 'disk' });
  const run = <T>(process: Process<T>): T => machine.simulation.runProcess('run', process);
  run(machine.start());
  walk.end('src/xen/domain/seat.ts', Seat, 'enter');
  walk.end('src/kernel/xen/gnttab.ts', GrantTable, 'reset');
  walk.end('src/xen/domain/store-client.ts', StoreClient, 'write');
  walk.end('src/kernel/block/blkfront.ts', BlockFront, 'push');
  const resumeGuests = machine.resumeGuests.bind(machine);
  vi.spyOn(machine, 'resumeGuests').mockImplementation(() => {
    walk.isOn = true;
    return resumeGuests();
  });
  expect(run(machine.warmVmReboot()).resumed).toEqual(['guest0']);
  run(
    (function* (): Process {
      yield Ns(1e9);
    })(),
  );
  return walk.legs;
}

/** The legs as a table: a row for each file that a leg enters. */
function tableOf(legs: readonly Leg[]): string {
  const rows = legs.flatMap((leg, n) => {
    const parts: { path: string; names: string[] }[] = [];
    for (const { path, name } of leg) {
      const last = parts.at(-1);
      if (last?.path === path) last.names.push(name);
      else parts.push({ path, names: [name] });
    }
    return parts.map(
      ({ path, names }, at) =>
        `| ${at === 0 ? n + 1 : ''} | ${path.replace('src/', '')} | ${names.map((name) => `\`${name}\``).join(' → ')} |`,
    );
  });
  return ['| leg | file | functions, each called by the one before |', '|---|---|---|', ...rows].join('\n');
}

/** The page says what the legs are; `UPDATE_DOCS=1` writes it. */
function mustBeListed(walk: string, legs: readonly Leg[]): void {
  const [begin, end] = [`<!-- walk: ${walk} -->`, '<!-- end of walk -->'];
  const page = readFileSync(PAGE, 'utf8');
  const from = page.indexOf(begin);
  expect(from).toBeGreaterThan(0);
  const to = page.indexOf(end, from);
  const better = `${page.slice(0, from)}${begin}\n\n${tableOf(legs)}\n\n${page.slice(to)}`;
  if (process.env['UPDATE_DOCS'] === '1') writeFileSync(PAGE, better);
  expect(readFileSync(PAGE, 'utf8')).toBe(better);
}

const filesOf = (legs: readonly Leg[]): string[] => [...new Set(legs.flat().map(({ path }) => path))];
const passThroughs = (legs: readonly Leg[]): string[] =>
  legs.flat().flatMap(({ path, name, isPassThrough: is }) => (is ? [`${path}: ${name}`] : []));

it('a read miss takes no hop that neither checks nor decides, and the tour lists its hops', () => {
  const legs = readMiss();
  expect(legs).toHaveLength(6);
  expect(passThroughs(legs)).toEqual([]);
  mustBeListed('read miss', legs);
});

it('a resume enters ten files at most, and the tour lists them', () => {
  const legs = resume();
  expect(legs).toHaveLength(4);
  expect(passThroughs(legs)).toEqual([]);
  expect(filesOf(legs).length).toBeLessThanOrEqual(10);
  mustBeListed('resume', legs);
});

it.each([
  ['class A { go(x) { this.b.go(x, 0); } }', true],
  ['class A { go(x) { return this.b.go(x.y); } }', true],
  ['class A { *go(x) { yield* this.b.go(x); } }', true],
  ['const a = { go: (x) => b(x) };', true],
  ['const a = { go: () => b(x) };', false],
  ['class A { go(x) { if (x) b(x); } }', false],
  ['class A { go(x) { b(x + 1); } }', false],
  ['class A { go(x) { b(c(x)); } }', false],
  ['class A { go(x) { b(x); c(x); } }', false],
  ['class A { go(x) { after(() => b(x)); } }', false],
])('a hop that only passes its arguments on is known as one: %s', (text, expected) => {
  const source = ts.createSourceFile('hop.ts', text, ts.ScriptTarget.Latest, true);
  const found: boolean[] = [];
  const visit = (node: ts.Node): void => {
    if (found.length === 0 && ts.isFunctionLike(node) && 'body' in node) found.push(isPassThrough(node));
    ts.forEachChild(node, visit);
  };
  visit(source);
  expect(found).toEqual([expected]);
});
