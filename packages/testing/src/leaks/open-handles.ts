import type { Address, BegunResource, BegunResources, Resource } from "../virtual-time/begun-resources.js";
import { programFrame } from "../frames/program-lines.js";

/** What a handle or a timer that is still open is, and where it was opened. */
export function describeHandle(handle: BegunResource, begun: BegunResources): string {
  const origin = begun
    .tracesOf(handle)
    .map(({ stack }) => programFrame(stack))
    .find((frame) => frame !== undefined);
  return `${nameOf(handle)} is still open${origin === undefined ? "" : `, opened ${origin}`}`;
}

/** Closes what nobody else is going to close, so that neither the next test nor the end of the process waits for it. */
export function release({ type, resource }: BegunResource): void {
  if (type === "Timeout") clearTimeout(resource as unknown as NodeJS.Timeout);
  else if (type === "PROCESSWRAP") resource.kill?.(SIGKILL);
  else if (type === "WORKER") resource.stopThread?.();
  // a file's number may be in use elsewhere; Node closes it when it is collected
  else if (type !== "FILEHANDLE") resource.close?.();
  resource.unref?.();
}

const SIGKILL = 9;

function nameOf({ type, resource }: BegunResource): string {
  const { pid, _idleTimeout: ms, _repeat: repeat } = resource;
  if (type === "Timeout") return `a timer of ${repeat == null ? "setTimeout" : "setInterval"} (${ms} ms)`;
  if (type === "PROCESSWRAP") return `a child process${pid === undefined ? "" : ` (pid ${pid})`}`;
  return (NAMES[type] ?? type) + addressesOf(type, resource);
}

const NAMES: Record<string, string | undefined> = {
  TCPSERVERWRAP: "a TCP server",
  TCPWRAP: "a TCP connection",
  PIPESERVERWRAP: "a server on a Unix socket",
  PIPEWRAP: "a pipe or Unix socket",
  UDPWRAP: "a UDP socket",
  TTYWRAP: "a terminal",
  WORKER: "a worker thread",
  MESSAGEPORT: "a message port",
  FSEVENTWRAP: "a file watcher",
  STATWATCHER: "a file watcher",
  FILEHANDLE: "a file",
};

function addressesOf(type: string, resource: Resource): string {
  if (type === "TCPSERVERWRAP" || type === "UDPWRAP") return addressOf(" on ", (out) => resource.getsockname?.(out));
  return type === "TCPWRAP" ? addressOf(" to ", (out) => resource.getpeername?.(out)) : "";
}

function addressOf(word: string, ask: (out: Address) => unknown): string {
  const out: Address = {};
  ask(out);
  const { address = "", port } = out;
  return port === undefined ? "" : `${word}${address.includes(":") ? `[${address}]` : address}:${port}`;
}
