import type { Coroutine } from "corio";
import { forEach, within } from "corio";
import {
  openConnection,
  openUnixConnection,
  type Server,
  type ServerOptions,
  startServer,
  startUnixServer,
  type StreamLimit,
  type StreamReader,
  type StreamWriter,
} from "@corio/node";
import { portOf } from "./peers.js";
import { socketPath } from "./temporary-folder.js";

/** Sends back what it gets, up to the end. */
export function* echo(reader: StreamReader, writer: StreamWriter): Coroutine<void> {
  yield* forEach(reader.chunks(), function* (chunk) {
    writer.write(chunk);
    yield* writer.drain();
  });
}

/** One way to connect: how to serve, and how to reach what serves. */
export interface Kind {
  readonly name: string;
  serve(handler: typeof echo, options?: ServerOptions & StreamLimit): Coroutine<Server>;
  connect(server: Server, options?: StreamLimit): Coroutine<[StreamReader, StreamWriter]>;
}

export const tcp: Kind = {
  name: "TCP",
  serve: (handler, options) => startServer(handler, "127.0.0.1", 0, options),
  connect: (server, options) => openConnection("127.0.0.1", portOf(server), options),
};

export const unix: Kind = {
  name: "a Unix socket",
  serve: (handler, options) => startUnixServer(handler, socketPath(), options),
  connect: (server, options) => openUnixConnection(server.sockets[0]?.address() as string, options),
};

/**
 * Serves with a handler, connects to it and runs a body, after which the connection is closed, and then the server, which waits
 * for its handlers.
 */
export function* connected<T>(
  kind: Kind,
  handler: typeof echo,
  body: (reader: StreamReader, writer: StreamWriter, server: Server) => Coroutine<T>,
  options: ServerOptions & StreamLimit = {},
): Coroutine<T> {
  const server = yield* kind.serve(handler, options);
  return yield* within(server, function* () {
    const [reader, writer] = yield* kind.connect(server, options);
    return yield* within(writer, () => body(reader, writer, server));
  });
}
