import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { ensureCommand } from "./ensure-command.mjs";

/** The path of a Chromium for the browser tests: `CHROMIUM_PATH` if that is set, else Debian's, installed if need be. */
export function ensureChromium() {
  const chosen = process.env["CHROMIUM_PATH"];
  if (!chosen) {
    return ensureCommand("chromium", {
      neededBy: "The browser tests",
      remedy: ", or set CHROMIUM_PATH to a Chromium or Chrome",
    });
  }
  if (existsSync(chosen)) return chosen;
  throw new Error(`CHROMIUM_PATH is ${chosen}, and there is no such file.`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(ensureChromium());
