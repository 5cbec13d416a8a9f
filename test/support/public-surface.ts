// What a program that uses the package can call, read off the types. That is every function and
// class that an entry point of package.json exports. It is also every method of every class of ours
// that can be reached from there. What is private, or whose docstring says
// @internal, is not part of it: no promise covers that (docs/reference/compatibility.md).
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

/** Something that can be called. `owner` is the class of a method, static method or constructor. */
export interface Callable {
  /** As `Simulation.after`, `new Simulation`, `Hypervisor.boot` or `makeExt2`. */
  readonly name: string;
  readonly kind: 'function' | 'constructor' | 'static' | 'method';
  readonly owner: string | undefined;
  readonly member: string;
  /** Names of its parameters; `undefined` where one is a pattern. */
  readonly parameters: readonly string[];
  /** Where it is declared, below src/. */
  readonly file: string;
  /** Whether its docstring has `@throws`. */
  readonly saysThrows: boolean;
}

/**
 * The whole surface. `exported`: entry point of each class and function that can be imported by its
 * name.
 */
export interface Surface {
  readonly callables: readonly Callable[];
  readonly exported: ReadonlyMap<string, string>;
  /** Every name that is exported, types too: how many things have it. */
  readonly things: ReadonlyMap<string, number>;
}

const root = fileURLToPath(new URL('../../', import.meta.url));

/** The source of each entry point of package.json. */
export function entryPoints(): ReadonlyMap<string, string> {
  const { exports } = JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as {
    exports: Record<string, string | { default: string }>;
  };
  const sources = new Map<string, string>();
  for (const [name, target] of Object.entries(exports))
    if (typeof target === 'object')
      sources.set(name, root + target.default.replace('./dist/', 'src/').replace(/\.js$/, '.ts'));
  for (const source of sources.values()) if (!existsSync(source)) throw new Error(`no source: ${source}`);
  return sources;
}

export function publicSurface(): Surface {
  const sources = entryPoints();
  const { config } = ts.readConfigFile(`${root}tsconfig.json`, (path) => ts.sys.readFile(path)) as { config: unknown };
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  const program = ts.createProgram([...sources.values()], options);
  const checker = program.getTypeChecker();
  const callables = new Map<string, Callable>();
  const exported = new Map<string, string>();
  const named = new Map<string, Set<ts.Symbol>>();
  const seen = new Set<ts.Type>();

  const isOurs = (node: ts.Node): boolean => node.getSourceFile().fileName.startsWith(`${root}src/`);
  const isHidden = (node: ts.Declaration): boolean => {
    const flags = ts.getCombinedModifierFlags(node);
    if ((flags & (ts.ModifierFlags.Private | ts.ModifierFlags.Protected)) !== 0) return true;
    const { name } = node as ts.NamedDeclaration;
    if (name !== undefined && ts.isPrivateIdentifier(name)) return true;
    return isInternal(node);
  };
  const add = (
    name: string,
    kind: Callable['kind'],
    owner: string | undefined,
    member: string,
    signature: ts.Signature,
  ): void => {
    const parameters = signature.getParameters().map((parameter) => parameter.name);
    const declaration = signature.declaration;
    const file = declaration?.getSourceFile().fileName.slice(`${root}src/`.length) ?? '';
    const saysThrows = signature.getJsDocTags().some((tag) => tag.name === 'throws');
    callables.set(name, { name, kind, owner, member, parameters, file, saysThrows });
    for (const parameter of signature.getParameters()) visit(checker.getTypeOfSymbol(parameter));
    visit(signature.getReturnType());
  };

  /**
   * A type that can be reached: its classes are part of the surface, with all that can be reached
   * from them.
   */
  function visit(type: ts.Type): void {
    if (seen.has(type)) return;
    seen.add(type);
    if (type.isUnionOrIntersection()) for (const part of type.types) visit(part);
    for (const argument of type.aliasTypeArguments ?? []) visit(argument);
    if ((type.flags & ts.TypeFlags.Object) !== 0)
      for (const argument of checker.getTypeArguments(type as ts.TypeReference)) visit(argument);
    for (const signature of type.getCallSignatures()) {
      for (const parameter of signature.getParameters()) visit(checker.getTypeOfSymbol(parameter));
      visit(signature.getReturnType());
    }
    const declaration = type.symbol?.valueDeclaration;
    const isClass = declaration !== undefined && ts.isClassDeclaration(declaration) && isOurs(declaration);
    for (const property of type.getProperties()) {
      const member = property.valueDeclaration ?? property.declarations?.[0];
      if (member === undefined || !isOurs(member) || isHidden(member)) continue;
      const of = checker.getTypeOfSymbol(property);
      if (isClass && ts.isMethodDeclaration(member))
        for (const signature of of.getCallSignatures())
          add(`${type.symbol.name}.${property.name}`, 'method', type.symbol.name, property.name, signature);
      else visit(of);
    }
  }

  for (const [entry, source] of sources) {
    for (const [alias, isValue] of publicExports(program, checker, source)) {
      const symbol = (alias.flags & ts.SymbolFlags.Alias) !== 0 ? checker.getAliasedSymbol(alias) : alias;
      if (symbol.declarations?.some((one) => isInternal(one)) === true) continue;
      named.set(alias.name, (named.get(alias.name) ?? new Set()).add(symbol));
      const declaration = symbol.valueDeclaration;
      if (declaration === undefined) continue;
      const type = checker.getTypeOfSymbol(symbol);
      if (ts.isClassDeclaration(declaration)) {
        visit(checker.getDeclaredTypeOfSymbol(symbol));
        if (!isValue) continue;
        exported.set(symbol.name, entry);
        for (const signature of type.getConstructSignatures()) {
          if (signature.declaration !== undefined && isHidden(signature.declaration)) continue;
          if (signature.declaration !== undefined && !isOurs(signature.declaration)) continue;
          add(`new ${symbol.name}`, 'constructor', symbol.name, 'constructor', signature);
        }
        for (const property of type.getProperties()) {
          const member = property.valueDeclaration;
          if (member === undefined || !ts.isMethodDeclaration(member) || !isOurs(member) || isHidden(member)) continue;
          for (const signature of checker.getTypeOfSymbol(property).getCallSignatures())
            add(`${symbol.name}.${property.name}`, 'static', symbol.name, property.name, signature);
        }
      } else if (isValue) {
        for (const signature of type.getCallSignatures()) {
          exported.set(alias.name, entry);
          add(alias.name, 'function', undefined, alias.name, signature);
        }
        if (type.getCallSignatures().length === 0) visit(type);
      }
    }
  }
  const things = new Map([...named].map(([name, { size }]) => [name, size]));
  return { callables: [...callables.values()], exported, things };
}

/**
 * What a module exports without the statements that are internal, and whether each is also a value.
 */
function publicExports(program: ts.Program, checker: ts.TypeChecker, source: string): Map<ts.Symbol, boolean> {
  const found = new Map<ts.Symbol, boolean>();
  const file = program.getSourceFile(source)!;
  for (const statement of file.statements) {
    if (isInternal(statement)) continue;
    if (!ts.isExportDeclaration(statement)) {
      const names = ts.isVariableStatement(statement) ? statement.declarationList.declarations : [statement];
      for (const name of names) {
        const symbol = (name as { symbol?: ts.Symbol }).symbol;
        if (
          symbol !== undefined &&
          (ts.getCombinedModifierFlags(name as ts.Declaration) & ts.ModifierFlags.Export) !== 0
        )
          found.set(symbol, true);
      }
    } else if (statement.exportClause !== undefined && ts.isNamedExports(statement.exportClause)) {
      for (const element of statement.exportClause.elements)
        found.set(checker.getSymbolAtLocation(element.name)!, !statement.isTypeOnly && !element.isTypeOnly);
    } else {
      const target = checker.getSymbolAtLocation(statement.moduleSpecifier!)!.valueDeclaration!;
      for (const [symbol, isValue] of publicExports(program, checker, target.getSourceFile().fileName))
        found.set(symbol, isValue);
    }
  }
  return found;
}

/**
 * Whether the docstring of a declaration, or of the statement around it, says that it is internal.
 */
function isInternal(node: ts.Node): boolean {
  let at: ts.Node | undefined = node;
  while (at !== undefined && !ts.isSourceFile(at)) {
    if (ts.getJSDocTags(at).some((tag) => tag.tagName.text === 'internal')) return true;
    const text = at.getSourceFile().text;
    for (const range of ts.getLeadingCommentRanges(text, at.getFullStart()) ?? [])
      if (text.slice(range.pos, range.end).includes('@internal')) return true;
    at = ts.isClassLike(at) || ts.isClassElement(at) ? undefined : at.parent;
  }
  return false;
}
