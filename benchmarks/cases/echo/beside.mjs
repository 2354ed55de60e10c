import { fork } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";

/**
 * Serves an echo from this process while `spin` keeps its thread busy, and says how both fared.
 *
 * @param {{ roundTrips: number }} parameters
 * @param {(stopped: () => boolean) => Promise<number>} spin runs until `stopped()`, then tells how often it switched
 */
export async function echoBeside({ roundTrips }, spin) {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on("error", () => {});
    socket.pipe(socket);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  /** @type {number[] | undefined} */
  let times;
  const client = fork(new URL("client.mjs", import.meta.url), [String(port), String(roundTrips)], { execArgv: [] });
  client.once("message", (sorted) => {
    times = /** @type {number[]} */ (sorted);
  });
  client.once("exit", () => {
    times ??= [];
  });
  const start = performance.now();
  const switches = await spin(() => times !== undefined);
  const seconds = (performance.now() - start) / 1000;
  server.close();
  const sorted = /** @type {number[]} */ (/** @type {unknown} */ (times));
  if (sorted.length !== roundTrips) throw new Error(`${sorted.length} of ${roundTrips} round trips came back`);
  const percentile = (/** @type {number} */ share) => /** @type {number} */ (sorted[Math.floor(roundTrips * share)]);
  return { switchesPerSecond: switches / seconds, p50: percentile(0.5), p99: percentile(0.99) };
}
