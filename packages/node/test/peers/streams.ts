import { type Coroutine, Future, gather, within } from "corio";
import {
  type ConnectOptions,
  openConnection,
  openUnixConnection,
  type Server,
  type ServerOptions,
  startServer,
  startUnixServer,
} from "@corio/node";
import { portOf } from "../support/peers.js";
import type { Scenario } from "./scenarios.js";

/** A port of this machine, or the path of a Unix socket. */
export type Place = number | string;

/** Connects, plays its part, and closes. */
export function* playClient(scenario: Scenario, place: Place, options: ConnectOptions = {}): Coroutine<void> {
  const [reader, writer] =
    typeof place === "number"
      ? yield* openConnection("localhost", place, options)
      : yield* openUnixConnection(place, options);
  yield* within(writer, () => scenario(reader, writer));
  yield* writer.waitClosed();
}

/**
 * Serves connections, the first of which must go as the scenario says.
 *
 * @param place a path, or 0 for a free port
 * @param peer what connects: gets the port
 */
export function* playServer(
  scenario: Scenario,
  place: Place,
  options: ServerOptions,
  peer: (port: number) => Coroutine<unknown>,
): Coroutine<void> {
  const played = new Future<void>();
  const handler: Scenario = function* (reader, writer) {
    try {
      yield* scenario(reader, writer);
      if (!played.done) played.setResult();
    } catch (error) {
      if (!played.done) played.setException(error);
    }
  };
  const server: Server =
    typeof place === "number"
      ? yield* startServer(handler, "127.0.0.1", place, options)
      : yield* startUnixServer(handler, place, options);
  yield* within(server, () => gather(peer(portOf(server)), played));
}
