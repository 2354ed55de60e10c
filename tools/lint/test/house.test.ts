import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

// The repository's own configuration on sources made for the purpose: that the rules are switched on is tested with them.
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "house-"));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** What the rules of this house say of these files, as `file: message`. */
function lint(files: Record<string, string>): string[] {
  for (const [file, source] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), source);
  }
  const root = fileURLToPath(new URL("../../..", import.meta.url));
  const oxlint = join(root, "node_modules/oxlint/bin/oxlint");
  const args = ["--config", join(root, ".oxlintrc.json"), "--format", "json", "."];
  const { stdout, stderr } = spawnSync(process.execPath, [oxlint, ...args], { cwd: folder, encoding: "utf8" });
  if (!stdout.startsWith("{")) throw new Error(`${stdout}\n${stderr}`);
  const { diagnostics } = JSON.parse(stdout) as { diagnostics: { code: string; filename: string; message: string }[] };
  return diagnostics
    .filter(({ code }) => code.startsWith("house("))
    .map(({ filename, message }) => `${filename}: ${message}`)
    .toSorted();
}

describe("imports run downwards:", () => {
  test("a folder of the core may import itself and those below it, and types from anywhere in the core", () => {
    const problems = lint({
      "packages/corio/src/index.ts": 'export { run } from "./run/run.js";\n',
      "packages/corio/src/run/run.ts": 'export { Lock as run } from "../sync/lock.js";\n',
      "packages/corio/src/sync/lock.ts": 'import "./wait-queue.js";\nexport class Lock {}\n',
      "packages/corio/src/sync/wait-queue.ts":
        'import type { Queue } from "../queues/queue.js";\nexport type Q = Queue;\n',
    });
    expect(problems).toEqual([]);
  });

  test.each([
    ["import", 'import { run } from "../run/run.js";\nrun();\n'],
    ["an import of a name and a type", 'import { type Run, run } from "../run/run.js";\nrun() as Run;\n'],
    [
      "an import that keeps only types, and so stays an import",
      'import { type Run } from "../run/run.js";\nexport type R = Run;\n',
    ],
    ["an export from", 'export { run } from "../run/run.js";\n'],
    ["an export of all", 'export * from "../run/run.js";\n'],
    ["a dynamic import", 'export const load = () => import("../run/run.js");\n'],
  ])("a folder of the core may not import a higher one: %s", (_, source) => {
    const [problem, ...others] = lint({ "packages/corio/src/tasks/task.ts": source });
    expect(problem).toMatch(/task\.ts: tasks\/ is below run\/, and imports run downwards only/);
    expect(others).toEqual([]);
  });

  test("nothing in the core imports its door", () => {
    const problems = lint({ "packages/corio/src/run/run.ts": 'import { sleep } from "../index.js";\nsleep();\n' });
    expect(problems).toEqual([expect.stringContaining("index.ts is the door of corio for others")]);
  });

  test("a folder of the core that the order does not name is refused, and so is a file beside index.ts", () => {
    const problems = lint({
      "packages/corio/src/attic/box.ts": "export {};\n",
      "packages/corio/src/version.ts": "export {};\n",
    });
    expect(problems).toEqual([
      expect.stringContaining('"attic" is not in the order of the folders of corio'),
      expect.stringContaining("Only index.ts stands at the top of corio"),
    ]);
  });

  test("the folders of @corio/node have their order, too", () => {
    const problems = lint({
      "packages/node/src/transports/transport.ts": 'import "../streams/stream-reader.js";\n',
      "packages/node/src/streams/stream-reader.ts": 'import "../transports/transport.js";\nimport "node:net";\n',
    });
    expect(problems).toEqual([
      expect.stringContaining("transports/ is below streams/, and imports run downwards only"),
    ]);
  });

  test.each(["node:events", "@corio/node", "undici", "corio"])("the core does not import %s", (specifier) => {
    const problems = lint({ "packages/corio/src/loop/event-loop.ts": `import "${specifier}";\n` });
    expect(problems).toEqual([expect.stringContaining("The core imports nothing from outside")]);
  });

  test("a package imports lower packages, not higher ones or itself by name, not even their types", () => {
    const problems = lint({
      "packages/node/src/index.ts": [
        'import { run } from "corio";',
        'import type { Server } from "@corio/http";',
        'import { connect } from "@corio/node";',
        'import { fork } from "../../cli/src/fork.js";',
        'import { readFileSync } from "node:fs";',
        "run(connect, fork, readFileSync as Server);\n",
      ].join("\n"),
    });
    expect(problems).toEqual([
      expect.stringContaining("@corio/node may not import @corio/http"),
      expect.stringContaining("A package does not import its own door"),
      expect.stringContaining("An import leaves its package's src folder only by a package's name"),
    ]);
  });

  test("a package that the table does not name imports none", () => {
    const problems = lint({ "packages/attic/src/index.ts": 'import "corio";\n' });
    expect(problems).toEqual([expect.stringContaining("@corio/attic may not import corio")]);
  });

  test("tests import what they like", () => {
    expect(lint({ "packages/corio/test/run.test.ts": 'import "@corio/testing";\nimport "node:fs";\n' })).toEqual([]);
  });
});

describe("file names say what is inside:", () => {
  test("util, helpers, common, misc and types do not", () => {
    const names = ["common.ts", "helper.mjs", "helpers.ts", "misc.ts", "types.ts", "util.ts", "utils.js"];
    const problems = lint(Object.fromEntries(names.map((name) => [`packages/node/test/${name}`, "export {};\n"])));
    expect(problems).toEqual(names.map((name) => expect.stringContaining(`"${name}" gathers strangers`)));
  });

  test("types.test-d.ts and common-log.ts do", () => {
    expect(
      lint({ "packages/corio/test/types.test-d.ts": "export {};\n", "examples/common-log.ts": "export {};\n" }),
    ).toEqual([]);
  });
});
