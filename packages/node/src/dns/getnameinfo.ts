import { lookupService } from "node:dns";
import { isIP } from "node:net";
import type { Coroutine } from "corio";
import { invalidArgument } from "../errors/invalid-argument.js";
import { answerOf } from "./answer.js";
import { portOf } from "./port.js";

/** The names of an address and of a port. */
export interface NameInfo {
  /** The host's name. */
  readonly host: string;
  /** The service's name, such as `"http"`; the port itself, if it has none. */
  readonly service: string;
}

/**
 * The name of the host that has an IP address, and of the service that has a port, as the system knows them.
 *
 * @param where `address`: an IP address; `port`: a number or a string of digits; what `getaddrinfo` gives serves as it is
 * @throws what `dns.lookupService` throws, with its `code`: `ENOTFOUND` for an address that has no name; at once a `TypeError` for what is no IP address or no port
 *
 * *If cancelled*, the wait ends at once. The system cannot be told: it goes on to use a thread of Node's pool, and its answer is
 * dropped.
 * @example
 * const { host, service } = yield* getnameinfo({ address: "127.0.0.1", port: 80 });
 * console.log(host, service); // localhost http
 * @see https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.loop.getnameinfo
 */
export function getnameinfo(where: { address: string; port: number | string }): Coroutine<NameInfo> {
  const { address, port } = where;
  if (isIP(address) === 0) {
    throw invalidArgument(
      "ADDRESS",
      `getnameinfo({ address, port }) takes an IP address, not ${JSON.stringify(address)}: getaddrinfo(host, port) gives those of a name`,
    );
  }
  return lookUp(address, portOf(port, "getnameinfo({ address, port })"));
}

function lookUp(address: string, port: number): Coroutine<NameInfo> {
  return answerOf((answered) => {
    lookupService(address, port, (error, host, service) => answered(error, () => ({ host, service })));
  });
}
