import { dirname, resolve } from "node:path";

/** The folders of a package's src, lowest first. A folder may import itself and those below it. */
const FOLDERS = {
  corio: [
    "errors",
    "context",
    "hosts",
    "scheduling",
    "tasks",
    "diagnostics",
    "debug",
    "loop",
    "introspection",
    "sync",
    "queues",
    "scopes",
    "waiting",
    "iteration",
    "run",
  ],
  "@corio/http": ["errors", "messages", "events", "websocket", "client", "server", "adapters"],
  "@corio/testing": ["frames", "random", "ready-order", "virtual-time", "leaks", "exploration", "runners", "streams"],
  "@corio/node": ["errors", "dns", "transports", "streams", "subprocess", "bridges", "executors", "signals", "program"],
};

/** Which of this repository's packages a package may import; one that is not listed may import none. */
const PACKAGES = {
  "@corio/node": ["corio"],
  "@corio/http": ["corio", "@corio/node"],
  // its in-memory streams are @corio/node's own, over a network that is not there
  "@corio/testing": ["corio", "@corio/node"],
  "@corio/inspector": ["corio"],
  "@corio/bullmq": ["corio"],
  "@corio/cli": [
    "corio",
    "@corio/node",
    "@corio/http",
    "@corio/testing",
    "@corio/inspector",
    "@corio/bullmq",
    "@corio/lint",
  ],
};

/**
 * Lower packages never import higher ones, and neither do lower folders of a package. The core imports nothing from outside.
 * Inside the core `import type` is exempt: types cost nothing, and a cycle of types is harmless.
 */
export const importsRunDownwards = {
  create(context) {
    const file = placeOf(context.filename);
    if (!file) return {};

    const check = (source) => {
      if (!source || typeof source.value !== "string") return;
      const problem = source.value.startsWith(".")
        ? relativeImport(file, placeOf(resolve(dirname(context.filename), source.value)))
        : namedImport(file, source.value);
      if (problem) context.report({ node: source, message: problem });
    };
    const checkUnlessTypes = (node, kind) => {
      if (file.package !== "corio" || kind !== "type") check(node.source);
    };

    return {
      Program(node) {
        const order = FOLDERS[file.package];
        if (!order || isDoor(file) || order.includes(file.folder)) return;
        const message = file.folder
          ? `"${file.folder}" is not in the order of the folders of ${file.package}: add it to ${RULE_FILE}.`
          : `Only index.ts stands at the top of ${file.package}: give this file a folder.`;
        context.report({ node, message });
      },
      ImportDeclaration: (node) => checkUnlessTypes(node, node.importKind),
      ExportNamedDeclaration: (node) => checkUnlessTypes(node, node.exportKind),
      ExportAllDeclaration: (node) => checkUnlessTypes(node, node.exportKind),
      ImportExpression: (node) => check(node.source),
    };
  },
};

const RULE_FILE = "tools/lint/imports-run-downwards.js";

/** Where a source file lives: `packages/http/src/server/server.ts` is `{ package: "@corio/http", folder: "server" }`. */
function placeOf(path) {
  const [, name, inside] = /\/packages\/([^/]+)\/src\/(.+)$/.exec(path.replaceAll("\\", "/")) ?? [];
  if (!name || !inside) return undefined;
  const slash = inside.indexOf("/");
  return {
    package: name === "corio" ? name : `@corio/${name}`,
    folder: slash < 0 ? "" : inside.slice(0, slash),
    name: inside.slice(slash + 1),
  };
}

function isDoor({ folder, name }) {
  return folder === "" && /^index\.[jt]s$/.test(name);
}

function namedImport(file, specifier) {
  if (file.package === "corio") return `The core imports nothing from outside, so not "${specifier}" either.`;
  const [target] = /^(corio|@corio\/[^/]+)(?=\/|$)/.exec(specifier) ?? [];
  if (!target || PACKAGES[file.package]?.includes(target)) return undefined;
  if (target === file.package) return "A package does not import its own door: import the file that holds it.";
  return `${file.package} may not import ${target}: it stands no lower, see ${RULE_FILE}.`;
}

function relativeImport(file, target) {
  if (!target || target.package !== file.package)
    return "An import leaves its package's src folder only by a package's name.";
  const order = FOLDERS[file.package];
  if (!order || isDoor(file)) return undefined;
  if (isDoor(target)) return `index.ts is the door of ${file.package} for others: import the file that holds it.`;
  const from = order.indexOf(file.folder);
  const to = order.indexOf(target.folder);
  if (from < 0 || to <= from) return undefined;
  return `${file.folder}/ is below ${target.folder}/, and imports run downwards only (\`import type\` is free). The order: ${RULE_FILE}.`;
}
