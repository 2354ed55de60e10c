import { Server, Socket } from "node:net";
import { expect } from "vitest";

/** What holds the process, by what it is, and requests that are under way. */
export interface OpenHandles {
  readonly objects: ReadonlySet<object>;
  readonly requests: number;
}

/** What this process has open at the moment: sockets and servers, and requests to connect, to write and to resolve names. */
export function openHandles(): OpenHandles {
  const { _getActiveHandles } = process as unknown as { _getActiveHandles(): object[] };
  const objects = _getActiveHandles.call(process).filter((one) => one instanceof Socket || one instanceof Server);
  const requests = process.getActiveResourcesInfo().filter((name) => /Connect|Shutdown|Write|GetAddrInfo/.test(name));
  return { objects: new Set(objects), requests: requests.length };
}

/** Waits until nothing is open that was not open before; fails if that does not come. */
export async function expectClosed(before: OpenHandles): Promise<void> {
  const giveUpAt = performance.now() + GIVE_UP_AFTER;
  let left = leftOver(before);
  while (left.length > 0 && performance.now() < giveUpAt) {
    await new Promise((resolve) => void setImmediate(resolve));
    left = leftOver(before);
  }
  expect(left, "left open").toEqual([]);
}

/** Milliseconds. What is closing is closed in a few turns: so long waits only what fails. */
const GIVE_UP_AFTER = 10_000;

function leftOver({ objects, requests }: OpenHandles): string[] {
  const now = openHandles();
  const left = [...now.objects].filter((one) => !objects.has(one)).map(describe);
  if (now.requests > requests) left.push(`${now.requests - requests} requests`);
  return left;
}

function describe(handle: object): string {
  if (handle instanceof Server) return `a server on ${JSON.stringify(handle.address())}`;
  const { localAddress, localPort, remotePort, destroyed } = handle as Socket;
  return `a ${handle.constructor.name} from ${localAddress}:${localPort} to port ${remotePort}, destroyed: ${destroyed}`;
}
