import { CorioError } from "corio";

/** @internal Throws where `reusePort` is asked for and Node would ignore it. */
export function checkReusePort(reusePort: boolean | undefined): void {
  if (reusePort !== true || isKnown()) return;
  throw new CorioError(
    "ERR_CORIO_REUSE_PORT",
    `reusePort needs Node 22.12 or later, this is ${process.version}: leave it away, or share the port among workers of a cluster`,
  );
}

function isKnown(): boolean {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  return major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12);
}
