import { runnerProject } from "./runner-project.js";
import { it } from "vitest";
it.each(["vitest", "node", "jest"] as const)("%s", async (r) => {
  const p = await runnerProject(r);
  for (const s of ["passing", "failing", "only", "misuse"]) {
    const start = performance.now();
    const o = await p.run(s);
    console.log("=====", r, s, o.code, performance.now() - start, "\n", o.output);
  }
  p.remove();
});
