import { lookup } from "node:dns";
import { isIP } from "node:net";
import { type Coroutine, getRunningLoop } from "corio";
import { invalidArgument } from "../errors/invalid-argument.js";

/** An address of a host. */
export interface Address {
  readonly family: 4 | 6;
  readonly address: string;
  readonly port: number;
}

/**
 * The addresses of a host, in the order in which the system gives them.
 *
 * @param host a name or an address
 * @param port a number, or a text with a number
 * @param options `family`: 4 or 6 for only IPv4 or IPv6, default both; `hints`: of `dns.lookup`
 * @throws Node's error with its `code` (`ENOTFOUND`, …)
 *
 * *If cancelled*, the wait ends at once; the system's answer is dropped.
 * @example
 * for (const { address } of yield* getaddrinfo("localhost", 80)) console.log(address);
 * @see https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.loop.getaddrinfo
 */
export function* getaddrinfo(
  host: string,
  port: number | string,
  { family = 0, hints }: { family?: 0 | 4 | 6; hints?: number } = {},
): Coroutine<Address[]> {
  const number = portOf(port);
  const known = isIP(host) as 0 | 4 | 6;
  if (known !== 0 && (family === 0 || family === known)) return [{ family: known, address: host, port: number }];
  const found = getRunningLoop().createFuture<Address[]>();
  lookup(host, { all: true, verbatim: true, family, ...(hints === undefined ? {} : { hints }) }, (error, addresses) => {
    if (found.done) return;
    if (error !== null) found.setException(error);
    else found.setResult(addresses.map((one) => ({ family: one.family as 4 | 6, address: one.address, port: number })));
  });
  return yield* found;
}

function portOf(port: number | string): number {
  const number = typeof port === "string" && /^\d+$/.test(port) ? Number(port) : port;
  if (Number.isInteger(number) && (number as number) >= 0 && (number as number) < 65_536) return number as number;
  throw invalidArgument(
    "PORT",
    `the port is a number from 0 to 65535, not ${String(port)}; names of services are not known`,
  );
}
