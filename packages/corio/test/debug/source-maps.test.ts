import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";

const core = new URL("../../dist/index.js", import.meta.url).href;

const PROGRAM = `
import { createTask, run, sleep } from "${core}";

function* sleeper() {
  yield* sleep(1);
}

await run(function* main() {
  const task = createTask(sleeper());
  yield* sleep(0);
  console.log(JSON.stringify([task.origin, task.getStack()]));
  yield* task;
}, { debug: true });
`;

test.each([[[]], [["--enable-source-maps"]]])(
  "the frames of what was built are the program's alone, also where source maps name the core's sources (node %s)",
  (options) => {
    const { stdout, stderr } = spawnSync(process.execPath, [...options, "--input-type=module", "--eval", PROGRAM], {
      encoding: "utf8",
    });
    expect(stderr).toBe("");
    const [origin, stack] = JSON.parse(stdout) as [string, string[]];
    expect(origin).toMatch(/^at main .*eval1/);
    expect(stack).toEqual([expect.stringMatching(/^at sleeper .*eval1/)]);
  },
);
