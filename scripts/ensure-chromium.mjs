import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const DEBIAN_PATH = "/usr/bin/chromium";

/**
 * The path of a Chromium for the browser tests: `CHROMIUM_PATH` if that is set, else Debian's, which is installed if it
 * is missing and this process may do so (root, apt-get).
 */
export function ensureChromium() {
  const chosen = process.env["CHROMIUM_PATH"];
  if (chosen) {
    if (existsSync(chosen)) return chosen;
    throw new Error(`CHROMIUM_PATH is ${chosen}, and there is no such file.`);
  }
  if (existsSync(DEBIAN_PATH)) return DEBIAN_PATH;
  if (process.getuid?.() !== 0 || !existsSync("/usr/bin/apt-get")) {
    throw new Error(
      `The browser tests need Chromium. There is none at ${DEBIAN_PATH}, and it cannot be installed from here: that takes ` +
        "root and apt-get. Install it (Debian: `apt-get install chromium`), or set CHROMIUM_PATH to a Chromium or Chrome.",
    );
  }
  aptGet("update");
  aptGet("install", "--yes", "--no-install-recommends", "chromium");
  if (existsSync(DEBIAN_PATH)) return DEBIAN_PATH;
  throw new Error(`apt-get installed chromium, but there is no ${DEBIAN_PATH}.`);
}

function aptGet(...args) {
  const { status, error, stdout, stderr } = spawnSync("apt-get", ["-o", "DPkg::Lock::Timeout=300", "-qq", ...args], {
    encoding: "utf8",
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  if (error || status !== 0) throw new Error(`apt-get ${args[0]} failed.\n${stdout}${stderr}`, { cause: error });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(ensureChromium());
