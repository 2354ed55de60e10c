import { describe, expect, test } from "vitest";
import { loadFunction, textDefinition } from "./internals.js";

/** Makes the function as a worker does, of what a function's text is. */
async function made(fn: unknown, name?: string): Promise<(...args: unknown[]) => unknown> {
  const text = typeof fn === "string" ? fn : String(fn);
  return loadFunction(textDefinition(text, name ?? (fn as { name?: string }).name));
}

const object = {
  hash(x: number) {
    return x + 1;
  },
  async later(x: number) {
    return x + 1;
  },
  ["computed name"](x: number) {
    return x + 1;
  },
  get value() {
    return 1;
  },
  *generator() {},
  async *asyncGenerator() {},
  ofIts(x: number) {
    return this.hash(x);
  },
};

class Base {
  base = 1;
}

class Class extends Base {
  static make(x: number) {
    return x + 1;
  }

  method(x: number) {
    return x + 1;
  }

  #field = 1;

  own() {
    return this.#field;
  }

  inherited() {
    return super.toString();
  }

  arrow = () => this.#field;
}

describe("the text of a function", () => {
  test.each<[what: string, fn: unknown]>([
    ["an arrow", (x: number) => x + 1],
    ["an async arrow", async (x: number) => x + 1],
    ["an arrow in its shortest form", "x=>x+1"],
    [
      "a function",
      function (x: number) {
        return x + 1;
      },
    ],
    [
      "an async function",
      async function plusOne(x: number) {
        return x + 1;
      },
    ],
    ["a method of an object", object.hash],
    ["an async one", object.later],
    ["one with a computed name", object["computed name"]],
    ["a static method", Class.make],
    ["a method of a class", new Class().method],
    ["a private method", "#secret(x) { return x + 1 }"],
    ["a method by the name of get", "get(x) { return x + 1 }"],
    ["one that ends with a comment", "(x) => x + 1 // the next"],
    ["default arguments", "(x, { by = 1 } = {}) => x + by"],
    ["recursion", "function f(x) { return x > 0 ? 1 + f(x - 1) : 1 }"],
    ["what a worker has", (x: number) => Math.max(x + 1, Buffer.from([0])[0] ?? 0, Math.min(performance.now(), 0))],
    ["asking for the type of what may not be there", "(x) => typeof window === 'undefined' ? x + 1 : 0"],
    ["classes with an own `this`", "(x) => { class A { y = x; get() { return this.y + 1 } } return new A().get() }"],
    ["names of declarations that come later", "(x) => { return f(x); function f(y) { return y + 1 } }"],
  ])("runs for %s", async (_, fn) => {
    expect(await (await made(fn))(41)).toBe(42);
  });

  test.each<[what: string, fn: unknown, message: RegExp]>([
    ["a native function", Math.max, /native or bound, .* \(x\) => …/],
    ["a bound function", object.hash.bind(object), /native or bound/],
    ["a generator", object.generator, /is a generator.*async function/],
    ["an async generator", object.asyncGenerator, /is a generator/],
    ["a class", Class, /is a class/],
    ["a getter", Object.getOwnPropertyDescriptor(object, "value")?.get, /getter or a setter/],
    ["a method with `this`", object.ofIts, /`this` or `super`/],
    ["a method with a private field", Class.prototype.own, /`this` or `super`/],
    ["a method with `super`", Class.prototype.inherited, /`this` or `super`/],
    ["an arrow with `this`", new Class().arrow, /`this` or `super`/],
    ["a relative import", '() => import("./x.js")', /imports "\.\/x\.js".*\n\n {2}const work = workerFunction</],
    ["what vite made of a relative import", '() => __vite_ssr_dynamic_import__("/src/x.ts")', /imports "\/src\/x\.ts"/],
    ["a relative require", '() => require("../x")', /imports "\.\.\/x"/],
    ["import.meta", "() => import.meta.url", /`import\.meta`/],
    [
      "free names, all of them",
      "() => { count++; return limit + limit + other() }",
      /: count, limit, other\. Pass values/,
    ],
    ["itself", "(n) => fact(n - 1)", /fact \(itself: write `function fact\(…\) \{…\}`/],
    ["arguments of what is around", "() => arguments[0]", /arguments \(of the function around it\)/],
    ["what vite made of an import", "() => (0,__vite_ssr_import_0__.createHash)('md5')", /: createHash \(imported\)\./],
    ["what vitest made of an import", "() => __vi_import_0__.default('md5')", /: a default import\./],
    [
      "what esbuild made of an import",
      "() => (0, import_node_crypto.createHash)('md5')",
      /: createHash \(imported\)\./,
    ],
    ["what TypeScript made of an import", "() => (0, node_crypto_1.createHash)('md5')", /: createHash \(imported\)\./],
    ["what a compiler for an old target put in", "() => __awaiter(void 0)", /__awaiter \(put in by a compiler/],
    ["a call that only looks as if it named a function", "() => describe(() => {}, 'text')", /: describe\. Pass/],
    ["sloppy code", "(x) => { with (x) {} }", /cannot be parsed/],
  ])("is refused for %s", (_, fn, message) => {
    const name = typeof fn === "string" && fn.includes("fact") ? "fact" : undefined;
    expect(() => textDefinition(String(fn), name)).toThrow(
      expect.objectContaining({ code: "ERR_CORIO_EXECUTOR_FUNCTION", message: expect.stringMatching(message) }),
    );
  });

  test("has the function's name in errors, and in the way out", () => {
    expect(() => textDefinition("() => limit", "hash")).toThrow(
      /^hash cannot run in a worker by its text: [^]*const hash = workerFunction<typeof import\("\.\/work\.js"\)>/,
    );
  });

  describe("runs with what build tools put in:", () => {
    const digest = "9dd4e461268c8034f5c8564e155c67a6";

    test("esbuild's names of functions", async () => {
      const fn = await made(
        `() => {
          function inner() {}
          __name(inner, "inner");
          class A { static { __name(this, "A"); } }
          const arrow = __name(() => {}, "arrow");
          return [inner.name, A.name, arrow.name];
        }`,
      );
      expect(fn()).toEqual(["inner", "A", "arrow"]);
    });

    test("the same, minified", async () => {
      const fn = await made('()=>{function n(){}e(n,"inner");const t=e(()=>{},"arrow");return[n.name,t.name]}');
      expect(fn()).toEqual(["inner", "arrow"]);
    });

    test.each([
      ["esbuild", 'Promise.resolve().then(() => __toESM(require("node:crypto")))'],
      ["esbuild, minified", 'Promise.resolve().then(()=>r(require("node:crypto")))'],
      ["TypeScript", 'Promise.resolve().then(() => __importStar(require("node:crypto")))'],
      ["SWC", 'Promise.resolve().then(() => _interop_require_wildcard(require("node:crypto")))'],
      ["vite", '__vite_ssr_dynamic_import__("node:crypto")'],
      ["vitest", '__vi_import__("node:crypto")'],
      ["Node", 'import("node:crypto")'],
    ])("imports as %s writes them", async (_, importing) => {
      const fn = await made(
        `async () => { const c = await ${importing}; return c.createHash("md5").update("x").digest("hex") + (c.default.createHash === c.createHash) }`,
      );
      expect(await fn()).toBe(`${digest}true`);
    });

    test("defaults as TypeScript imports them", async () => {
      const fn = await made('() => __importDefault(require("node:path")).default.basename("/a/b")');
      expect(fn()).toBe("b");
    });

    test("istanbul's counters", async () => {
      const fn = await made(`(x) => {
        cov_2f9k4().f[0]++;
        cov_2f9k4().s[0]++;
        return (cov_2f9k4().b[0][0]++, x) && (cov_2f9k4().b[0][1]++, x > 1) ? (cov_2f9k4().b[1][0]++, "a") : (cov_2f9k4().b[1][1]++, "b");
      }`);
      expect([fn(2), fn(1)]).toEqual(["a", "b"]);
    });

    test("what this very test runner does", async () => {
      const fn = await made(async () => {
        const { createHash } = await import("node:crypto");
        function update(text: string) {
          return createHash("md5").update(text);
        }
        return update("x").digest("hex");
      });
      expect(await fn()).toBe(digest);
    });
  });
});
