/**
 * Which types the declarations of a package's exports name without exporting them: a user who cannot name the type
 * of a value cannot write a function that takes it. TypeScript 7, which compiles tagllm, has no compiler API; this
 * reads with that of the older one inside are-the-types-wrong.
 */
import ts from "../../node_modules/@arethetypeswrong/core/node_modules/typescript/lib/typescript.js";

/** `thing -> type it names` from the exports on, of the declaration file `entry`; types of other packages do not count. */
export function unexportedTypes(entry: string): string[] {
  const options = { module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext };
  const program = ts.createProgram([entry], { ...options, target: ts.ScriptTarget.ES2022, types: [] });
  const checker = program.getTypeChecker();
  const target = (symbol: ts.Symbol): ts.Symbol =>
    symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
  const file = program.getSourceFile(entry) as ts.SourceFile;
  const module = checker.getSymbolAtLocation(file) as ts.Symbol;
  const exported = new Set(checker.getExportsOfModule(module).map(target));
  const own = entry.slice(0, entry.lastIndexOf("/"));
  const found = new Set<string>();
  const todo = [...exported];
  for (const symbol of todo) {
    for (const declaration of symbol.declarations ?? []) {
      const visit = (node: ts.Node): void => {
        if (
          ts.canHaveModifiers(node) &&
          ts.getModifiers(node)?.some((m) => m.kind === ts.SyntaxKind.PrivateKeyword)
        )
          return;
        const name = nameOf(node);
        const named = name && checker.getSymbolAtLocation(name);
        if (named) report(symbol, target(named));
        ts.forEachChild(node, visit);
      };
      visit(declaration);
    }
  }
  return [...found].sort();

  function report(from: ts.Symbol, to: ts.Symbol): void {
    const declared = to.declarations?.[0];
    const isParameter = (to.flags & ts.SymbolFlags.TypeParameter) !== 0;
    if (!declared || isParameter || exported.has(to) || !declared.getSourceFile().fileName.startsWith(own))
      return;
    found.add(`${from.name} -> ${to.name}`);
    if (!todo.includes(to)) todo.push(to);
  }
}

/** The name by which a node refers to a type. */
function nameOf(node: ts.Node): ts.Node | null {
  if (ts.isTypeReferenceNode(node)) return node.typeName;
  if (ts.isExpressionWithTypeArguments(node)) return node.expression;
  return null;
}
