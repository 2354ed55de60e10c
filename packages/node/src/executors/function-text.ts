import { createRequire } from "node:module";
import type * as Acorn from "acorn";
import type * as EslintScope from "eslint-scope";
import { invalidArgument } from "../errors/invalid-argument.js";
import type { Helper, TextDefinition } from "./protocol.js";
import { workerGlobals } from "./worker-globals.js";

/**
 * @internal What a worker needs in order to run a function by its text.
 *
 * The text is parsed, and every name in it that is declared nowhere in it looked at. What a worker has by itself is fine, and so is
 * what build tools are known to put in. Anything else the function has from around it, and a worker has not.
 *
 * @param text what `toString()` of the function gives
 * @throws a `TypeError` that says why the function cannot be run so, and what to write instead
 */
export function textDefinition(text: string, given: unknown): TextDefinition {
  const name = typeof given === "string" && given !== "" ? given : undefined;
  const label = name ?? "the function";
  const refuse = (why: string): never => {
    throw invalidArgument("EXECUTOR_FUNCTION", `${label} cannot run in a worker by its text: ${why}`);
  };
  if (NATIVE.test(text)) {
    refuse(
      "it is native or bound, so that it has none. Write what it is to do as a function, (x) => …, or, for an export of a " +
        `module, workerFunction("node:zlib", "gzipSync")`,
    );
  }
  const found = findFunction(text, refuse);
  if (found.fn.type === "ClassExpression") refuse("it is a class. Write a function that makes the object and uses it");
  if (found.fn["generator"] === true) {
    refuse("it is a generator. Coroutines run on the loop; write an ordinary or an async function");
  }
  const seen = new Look(found.fn);
  if (seen.usesThis) {
    refuse(
      "it uses `this` or `super`, and its object is not there. Write a function that takes what it needs as arguments",
    );
  }
  const elsewhere = inAModule(name);
  if (seen.usesMeta) refuse(`it uses \`import.meta\`, and is in no module there. ${elsewhere}`);
  if (seen.relative.length > 0) {
    refuse(
      `it imports ${seen.relative.join(", ")}, and is in no module there that this could be relative to. ${elsewhere}`,
    );
  }
  const helpers: [string, Helper][] = [];
  const missing: string[] = [];
  for (const [free, uses] of freeNames(found, seen)) {
    const helper = helperOf(free, uses);
    if (helper !== undefined) helpers.push([free, helper]);
    else missing.push(...describe(free, uses, name));
  }
  if (missing.length > 0) {
    refuse(
      `it uses what is declared outside of it, and only its text goes there: ${missing.join(", ")}. Pass values as arguments, ` +
        `import inside of it with await import("…"), or move it into a module. ${elsewhere}`,
    );
  }
  return { name: name ?? "", text: found.text, helpers };
}

const NATIVE = /\{\s*\[native code\]\s*\}\s*$/;

function inAModule(name: string | undefined): string {
  const exported = name !== undefined && /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(name) ? name : "work";
  return (
    "A function of a module runs there as it is:\n\n" +
    `  const ${exported} = workerFunction<typeof import("./work.js")>(new URL("./work.js", import.meta.url), "${exported}");\n` +
    `  yield* toThread(${exported}, …);`
  );
}

/** A node of the syntax tree, whose properties depend on its type. */
interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [property: string]: unknown;
}

interface Found {
  readonly program: Node;
  readonly fn: Node;
  /** The function as an expression. */
  readonly text: string;
}

/** The text of a function is an expression, or what stands in an object or a class. */
function findFunction(text: string, refuse: (why: string) => never): Found {
  try {
    const program = parseModule(`(${text}\n)`);
    return { program, fn: expressionOf(program), text };
  } catch (error) {
    for (const [before, after] of [
      ["({", "})"],
      ["(class {", "})"],
    ] as const) {
      const whole = `${before}${text}\n${after}`;
      let program: Node;
      try {
        program = parseModule(whole);
      } catch {
        continue;
      }
      const holder = expressionOf(program);
      const [member] = ((holder["body"] as Node | undefined)?.["body"] ?? holder["properties"]) as [Node];
      const fn = member["value"] as Node;
      if (member["kind"] === "get" || member["kind"] === "set") {
        refuse("it is a getter or a setter. Write a function that takes the value as an argument");
      }
      const start = `${fn["async"] === true ? "async " : ""}function${fn["generator"] === true ? "*" : ""}`;
      return { program, fn, text: `${start} ${whole.slice(fn.start, fn.end)}` };
    }
    return refuse(`it cannot be parsed (${(error as Error).message})`);
  }
}

// Loading them takes longer than all else in this package: only who needs them pays.
const load = (name: string): unknown => createRequire(import.meta.url)(name);
let acorn: typeof Acorn | undefined;
let eslintScope: typeof EslintScope | undefined;

function parseModule(text: string): Node {
  acorn ??= load("acorn") as typeof Acorn;
  return acorn.parse(text, {
    ecmaVersion: "latest",
    sourceType: "module",
    ranges: true,
    // what these mean, there is no more than what `this` is
    allowSuperOutsideMethod: true,
    checkPrivateFields: false,
  }) as never;
}

function expressionOf(program: Node): Node {
  const [statement] = program["body"] as [Node];
  return statement["expression"] as Node;
}

/** What a walk through a function finds. */
class Look {
  usesThis = false;
  usesMeta = false;
  /** Specifiers of imports that begin with a dot. */
  readonly relative: string[] = [];
  readonly #parents = new Map<unknown, Node>();

  constructor(fn: Node) {
    const outermost = fn;
    const walk = (node: Node, parent: Node | undefined, ownThis: boolean): void => {
      if (parent !== undefined) this.#parents.set(node, parent);
      this.#look(node, ownThis);
      const inner = ownThis || (node !== outermost && HAS_THIS.has(node.type));
      for (const value of Object.values(node)) {
        for (const child of Array.isArray(value) ? value : [value]) if (isNode(child)) walk(child, node, inner);
      }
    };
    walk(fn, undefined, false);
  }

  parentOf(node: unknown): Node | undefined {
    return this.#parents.get(node);
  }

  #look(node: Node, ownThis: boolean): void {
    if (node.type === "ThisExpression" || node.type === "Super") this.usesThis ||= !ownThis;
    else if (node.type === "MetaProperty") this.usesMeta ||= (node["meta"] as Node)["name"] === "import";
    else if (node.type === "ImportExpression") this.#specifier(node["source"] as Node);
    else if (node.type === "CallExpression" && isName(node["callee"], /require$|^__vi\w*import__$/)) {
      const isVite = isName(node["callee"], /^__vi/);
      this.#specifier((node["arguments"] as Node[])[0], isVite);
    }
  }

  // vite writes what was relative, or a linked package, as a path from the project's root
  #specifier(node: Node | undefined, isVite = false): void {
    const value = node?.["value"];
    if (typeof value !== "string") return;
    if ((isVite ? /^(?:\.{0,2}\/|\.)/ : /^\.{1,2}(?:\/|$)/).test(value)) this.relative.push(JSON.stringify(value));
  }
}

const HAS_THIS = new Set(["FunctionExpression", "FunctionDeclaration", "ClassBody"]);

function isNode(value: unknown): value is Node {
  return typeof (value as Partial<Node> | null)?.type === "string";
}

function isName(node: unknown, pattern: RegExp): boolean {
  const { type, name } = (node ?? {}) as { type?: string; name?: string };
  return type === "Identifier" && name !== undefined && pattern.test(name);
}

/** One place where a free name is used. */
interface Use {
  readonly identifier: Node;
  /** What it is a part of. */
  readonly parent: Node;
  /** The arguments, where it is called. */
  readonly args: readonly Node[] | undefined;
  /** Whether the argument is a function of the text, which a call names. */
  readonly declared: boolean;
}

function freeNames({ program }: Found, look: Look): Map<string, Use[]> {
  const globals = workerGlobals();
  eslintScope ??= load("eslint-scope") as typeof EslintScope;
  const manager = eslintScope.analyze(program as never, { ecmaVersion: 2022, sourceType: "module" });
  const free = new Map<string, Use[]>();
  for (const { identifier, from } of manager.globalScope?.through ?? []) {
    const { name } = identifier as { name: string };
    const parent = look.parentOf(identifier);
    // what is only asked for its type need not be there
    if (globals.has(name) || parent === undefined || isTypeof(parent)) continue;
    const args =
      parent.type === "CallExpression" && parent["callee"] === (identifier as unknown)
        ? (parent["arguments"] as Node[])
        : undefined;
    const uses = free.get(name) ?? [];
    uses.push({ identifier: identifier as never, parent, args, declared: isDeclaration(args?.[0], from) });
    free.set(name, uses);
  }
  return free;
}

/** Whether it is the name of a function or a class that is declared in the text. */
function isDeclaration(node: Node | undefined, { references }: EslintScope.Scope): boolean {
  const { resolved } = references.find(({ identifier }) => (identifier as unknown) === node) ?? {};
  return resolved?.defs.some(({ type }) => type === "FunctionName" || type === "ClassName") === true;
}

function isTypeof(node: Node): boolean {
  return node.type === "UnaryExpression" && node["operator"] === "typeof";
}

/** What a free name is known to be, where a build tool has put it in. Minifiers shorten names; then the calls tell. */
function helperOf(name: string, uses: readonly Use[]): Helper | undefined {
  const called = (matches: (args: readonly Node[], use: Use) => boolean): boolean =>
    uses.every((use) => use.args !== undefined && matches(use.args, use));
  const isShort = name.length <= 3;
  if (!called(() => true)) return undefined;
  // esbuild and tsx: __name(function () {…}, "name")
  if ((name === "__name" || isShort) && called(namesFunction)) return "keepName";
  // CommonJS of esbuild, TypeScript, SWC: __toESM(require("…"))
  if (/^(?:__toESM|__importStar|_interop_?require_?wildcard)$/i.test(name)) return "interop";
  if (/^(?:__importDefault|_interop_?require_?default)$/i.test(name)) return "wrapDefault";
  if (isShort && called(([first]) => first?.type === "CallExpression" && isName(first["callee"], /^require$/)))
    return "interop";
  if (name === "require" || name === "__require") return "require";
  // vite and vitest
  if (/^__vi\w*import__$/.test(name)) return "dynamicImport";
  // istanbul
  if (/^cov_[\da-z]+$/i.test(name) && called((args) => args.length === 0)) return "coverage";
  return undefined;
}

function namesFunction([fn, name, ...more]: readonly Node[], { declared }: Use): boolean {
  if (fn === undefined || more.length > 0 || typeof name?.["value"] !== "string") return false;
  return declared || /^(?:FunctionExpression|ArrowFunctionExpression|ClassExpression|ThisExpression)$/.test(fn.type);
}

/** A name in the words of who wrote it. */
function describe(name: string, uses: readonly Use[], own: string | undefined): string[] {
  if (name === own) return [`${name} (itself: write \`function ${name}(…) {…}\`, which knows its name)`];
  if (name === "arguments") return ["arguments (of the function around it)"];
  if (/^(?:__vi(?:te_ssr)?_import_\d+__|import_\w+|\w+_\d+)$/.test(name)) {
    const members = uses.map(({ identifier, parent }) => memberOf(identifier, parent));
    if (members.every((member) => member !== undefined)) {
      return [...new Set(members)].map((member) =>
        member === "default" ? "a default import" : `${member} (imported)`,
      );
    }
    return [`${name} (imported)`];
  }
  if (/^__\w+$|^_\w+_\w+$/.test(name)) return [`${name} (put in by a compiler: compile for ES2022 or newer)`];
  return [name];
}

function memberOf(identifier: Node, parent: Node): string | undefined {
  if (parent.type !== "MemberExpression" || parent["object"] !== identifier || parent["computed"] === true)
    return undefined;
  return (parent["property"] as { name?: string }).name;
}
