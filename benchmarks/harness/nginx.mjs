import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { findProgram } from "./programs.mjs";

const SECONDS = 20;

/**
 * Starts an nginx, one process of this user, that serves one file; all it writes is in a temporary folder.
 *
 * @param {number} bytes of the file
 * @returns {Promise<{ url: string, cpuMs: () => number, end: () => void }>} `cpuMs`: its CPU time so far, where the system
 *   tells that in /proc; else NaN
 */
export async function startNginx(bytes) {
  const program = findProgram("nginx");
  if (program === undefined) throw new Error("no nginx");
  const folder = mkdtempSync(join(tmpdir(), "corio-benchmark-"));
  const port = await freePort();
  writeFileSync(join(folder, "file"), Buffer.alloc(bytes, "x"));
  writeFileSync(join(folder, "nginx.conf"), configuration(port));
  const child = spawn(program, ["-p", folder, "-c", "nginx.conf", "-e", "stderr"], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const end = () => {
    child.kill("SIGKILL");
    rmSync(folder, { recursive: true });
  };
  /** @type {string[]} */
  const said = [];
  try {
    await new Promise((resolve, reject) => {
      const fail = () => reject(new Error(`nginx: ${said.at(-1) ?? "does not start"}`));
      setTimeout(fail, SECONDS * 1000).unref();
      child.once("error", reject).once("close", fail);
      createInterface({ input: child.stderr }).on("line", (line) => {
        said.push(line);
        // said when it listens
        if (line.includes("event method")) resolve(undefined);
      });
    });
  } catch (error) {
    end();
    throw error;
  }
  return { url: `http://127.0.0.1:${port}/file`, cpuMs: () => cpuMs(Number(child.pid)), end };
}

/** nginx takes no port 0. */
async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  server.close();
  await once(server, "close");
  return port;
}

/** @param {number} port */
const configuration = (port) => `
daemon off;
master_process off;
pid nginx.pid;
error_log stderr notice;
events { worker_connections 1024; }
http {
  access_log off;
  ${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((it) => `${it}_temp_path ${it};`).join(" ")}
  keepalive_requests 1000000000;
  server {
    listen 127.0.0.1:${port};
    root .;
  }
}
`;

/** @param {number} pid */
function cpuMs(pid) {
  try {
    const afterName = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1] ?? "";
    const [user, system] = afterName.split(" ").slice(11, 13).map(Number);
    // in hundredths of a second
    return (Number(user) + Number(system)) * 10;
  } catch {
    return Number.NaN;
  }
}
