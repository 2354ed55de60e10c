import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/**
 * The path of a command. If it is not there, Debian's package of the same name is installed, where this process may
 * do so: that takes apt-get, and root or a sudo that asks for no password. Services that come with it are not started.
 *
 * @param {string} name of the command and of its package
 * @param {{ neededBy: string, remedy?: string, find?: () => string | undefined }} options `neededBy`, such as "The browser
 * tests"; what else would help; `find` looks for what has no command of its name, default on the PATH and where
 *   administrators have their commands
 * @returns {string} what `find` has found
 * @throws if it is missing and cannot be installed: why, and what to do about it
 */
export function ensureCommand(name, { neededBy, remedy = "", find = () => findCommand(name) }) {
  const found = find();
  if (found !== undefined) return found;
  const missing = `${neededBy} need ${name}, which is not there`;
  const install = `Install it (Debian: \`apt-get install ${name}\`)${remedy}.`;
  const aptGet = aptGetCommand();
  if (aptGet === undefined) {
    throw new Error(
      `${missing} and cannot be installed from here: that takes apt-get, and root or a sudo without a password. ${install}`,
    );
  }
  const problems = installPackage(aptGet, name);
  const installed = find();
  if (installed !== undefined) return installed;
  throw new Error(`${missing}, and apt-get did not install it. ${problems.join(" ")} ${install}`);
}

// not on everybody's PATH
const ADMINISTRATORS = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

function findCommand(name) {
  const onPath = (process.env["PATH"] ?? "").split(delimiter);
  for (const folder of [...onPath, ...ADMINISTRATORS]) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not in this one.
    }
  }
  return undefined;
}

// Debian's packages start their services: a web server on port 80, for one. This file says no (101, "forbidden"). apt-get runs
// both under its lock, so that two installations do not take it from each other; a file that is not ours stays as it is.
const POLICY = "/usr/sbin/policy-rc.d";
const OURS = "# written by corio's tests for the time of an installation";
const FORBID_SERVICES = `[ -e ${POLICY} ] || { printf '%s\\n' '#!/bin/sh' "${OURS}" 'exit 101' >${POLICY} && chmod 755 ${POLICY}; }`;
const ALLOW_SERVICES = `if grep -qs "${OURS}" ${POLICY}; then rm ${POLICY}; fi`;

function aptGetCommand() {
  const path = findCommand("apt-get");
  if (path === undefined) return undefined;
  // sudo does not hand its environment on
  const options = [
    "DPkg::Lock::Timeout=300",
    `DPkg::Pre-Invoke::=${FORBID_SERVICES}`,
    `DPkg::Post-Invoke::=${ALLOW_SERVICES}`,
  ];
  const command = ["env", "DEBIAN_FRONTEND=noninteractive", path, "-qq", ...options.flatMap((it) => ["-o", it])];
  if (process.getuid?.() === 0) return command;
  const sudo = findCommand("sudo");
  if (sudo === undefined || spawnSync(sudo, ["-n", "true"], { stdio: "ignore" }).status !== 0) return undefined;
  return [sudo, "-n", ...command];
}

let updated = false;

function installPackage(aptGet, name) {
  const problems = updated ? [] : problemsOf(aptGet, "update");
  updated = true;
  return [...problems, ...problemsOf(aptGet, "install", "--yes", "--no-install-recommends", name)];
}

/** What apt-get says that went wrong, without addresses: a log need not tell where a machine gets its packages from. */
function problemsOf([program, ...options], ...args) {
  const { error, stderr } = spawnSync(program, [...options, ...args], {
    encoding: "utf8",
    stdio: ["ignore", "ignore", "pipe"],
  });
  if (error) return [error.message];
  const lines = stderr.split("\n").filter((line) => line.startsWith("E: "));
  return lines.map((line) => line.slice("E: ".length).replaceAll(/\S+[.:]\S+/g, "…"));
}
