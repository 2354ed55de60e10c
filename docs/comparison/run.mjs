// Runs every program of this folder and keeps what each of them really prints: `node docs/comparison/run.mjs`.
import { execFileSync } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";

const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
const folder = new URL(".", import.meta.url);
for (const program of readdirSync(folder).filter((name) => name.endsWith(".ts"))) {
  const printed = execFileSync(process.execPath, ["--import", tsx, fileURLToPath(new URL(program, folder))], {
    encoding: "utf8",
    timeout: 60_000,
  });
  writeFileSync(new URL(program.replace(/ts$/, "txt"), folder), printed);
  console.log(`${program}\n${printed.replaceAll(/^(?=.)/gm, "  ")}`);
}
