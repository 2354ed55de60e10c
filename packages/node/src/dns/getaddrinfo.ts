import { type LookupAddress, lookup, V4MAPPED } from "node:dns";
import { isIP } from "node:net";
import type { Coroutine } from "corio";
import { invalidArgument } from "../errors/invalid-argument.js";
import { answerOf } from "./answer.js";
import { portOf } from "./port.js";

/** An address that a name was resolved to. */
export interface ResolvedAddress {
  readonly family: 4 | 6;
  readonly address: string;
  readonly port: number;
}

/** Options of {@link getaddrinfo}. */
export interface GetaddrinfoOptions {
  /** Only addresses of IPv4 or IPv6; default 0, both. */
  family?: 0 | 4 | 6 | undefined;
  /** `ADDRCONFIG`, `V4MAPPED` and `ALL` of `node:dns`, added up; default 0. */
  flags?: number | undefined;
}

/**
 * The addresses of a host, as the system resolves names: its files (`/etc/hosts`), the domain name system, what else it has. In
 * the system's order. An IP address is answered at once, without the system. The addresses serve for any type of socket.
 *
 * @param host a name or an IP address
 * @param port a port, which the results carry on, as a number or as a string of digits
 * @param options `family`, `flags`: see {@link GetaddrinfoOptions}
 * @throws what `dns.lookup` throws, with its `code`: `ENOTFOUND` for a name that has no address, `EAI_AGAIN` if the server does
 * not answer; at once a `TypeError` for a port that is none, such as the name of a service
 *
 * *If cancelled*, the wait ends at once. The system cannot be told: it goes on to use a thread of Node's pool, and its answer is
 * dropped.
 * @example
 * for (const { family, address, port } of yield* getaddrinfo("localhost", 80)) console.log(family, address, port);
 * @see https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.loop.getaddrinfo
 */
export function getaddrinfo(
  host: string,
  port: number | string,
  options: GetaddrinfoOptions = {},
): Coroutine<ResolvedAddress[]> {
  const { family = 0, flags = 0 } = options;
  if (typeof host !== "string" || host === "") {
    throw invalidArgument("HOST", `getaddrinfo(host, port) takes a name or an IP address, not ${JSON.stringify(host)}`);
  }
  if (family !== 0 && family !== 4 && family !== 6) {
    throw invalidArgument("FAMILY", `family is 4, 6, or 0 for both, not ${String(family)}`);
  }
  return resolve(host, portOf(port, "getaddrinfo(host, port)"), family, flags);
}

function* resolve(host: string, port: number, family: 0 | 4 | 6, flags: number): Coroutine<ResolvedAddress[]> {
  const addresses = isIP(host) === 0 ? yield* lookUp(host, family, flags) : [addressOf(host, family, flags)];
  return addresses.map((found) => ({ family: found.family as 4 | 6, address: found.address, port }));
}

function lookUp(host: string, family: 0 | 4 | 6, hints: number): Coroutine<LookupAddress[]> {
  return answerOf((answered) => {
    lookup(host, { all: true, family, hints, order: "verbatim" }, (error, addresses) =>
      answered(error, () => addresses),
    );
  });
}

function addressOf(address: string, wanted: 0 | 4 | 6, flags: number): LookupAddress {
  const family = isIP(address);
  if (wanted === 0 || wanted === family) return { address, family };
  if (family === 4 && (flags & V4MAPPED) !== 0) return { address: `::ffff:${address}`, family: 6 };
  throw Object.assign(new Error(`getaddrinfo ENOTFOUND ${address}: it is no address of IPv${wanted}`), {
    code: "ENOTFOUND",
    syscall: "getaddrinfo",
    hostname: address,
  });
}
