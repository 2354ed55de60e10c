import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const script = fileURLToPath(new URL("../../../../scripts/ensure-chromium.mjs", import.meta.url));

/** The path of a Chromium, which is installed first where that is possible; else why there is none. */
export async function findChromium(): Promise<{ path: string } | { problem: string }> {
  try {
    // a process of its own: installing takes a while, and this one must not stand still
    const { stdout } = await promisify(execFile)(process.execPath, [script]);
    return { path: stdout.trim() };
  } catch (error) {
    return { problem: /^Error: (.*)/m.exec(String((error as { stderr?: unknown }).stderr))?.[1] ?? String(error) };
  }
}
