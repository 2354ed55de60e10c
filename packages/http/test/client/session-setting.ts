import { type Coroutine, within } from "corio";
import { ClientSession, type SessionOptions } from "../../src/index.js";
import { type ConnectedOptions, type Report, runConnected } from "../../../node/test/support/run-connected.js";
import { type RawServer, type RawServerOptions, type Script, startRawServer } from "../support/raw-server.js";
import { started } from "../support/started.js";
import { type Answer, Origin, type OriginOptions } from "./origin-server.js";

/** What a test of a session may say besides. */
export interface Setting extends ConnectedOptions {
  /** Options of the session; its `baseUrl` is the server's. */
  readonly session?: SessionOptions | undefined;
  /** Options of the server. */
  readonly server?: OriginOptions | undefined;
}

/** Runs a coroutine with a session and a server of Node's, and expects that nothing of either is left. */
export async function withOrigin(
  answer: Answer,
  body: (session: ClientSession, origin: Origin, reports: readonly Report[]) => Coroutine<void>,
  { session, server, ...connected }: Setting = {},
): Promise<void> {
  await runConnected(
    (reports) =>
      within(new Origin(answer, server), (origin) =>
        inSession({ baseUrl: origin.origin, ...session }, (opened) => body(opened, origin, reports)),
      ),
    connected,
  );
}

/** The same with a server that follows a script. */
export async function withRawServer(
  script: Script,
  body: (session: ClientSession, server: RawServer, reports: readonly Report[]) => Coroutine<void>,
  { session, tls, ...connected }: Omit<Setting, "server"> & RawServerOptions = {},
): Promise<void> {
  await runConnected(
    (reports) =>
      within(
        started(() => startRawServer(script, { tls })),
        (server) => inSession({ baseUrl: server.origin, ...session }, (opened) => body(opened, server, reports)),
      ),
    connected,
  );
}

/** A session, which has no connections any more when it is closed. */
export function* inSession(
  options: SessionOptions,
  body: (session: ClientSession) => Coroutine<void>,
): Coroutine<void> {
  const session = new ClientSession(options);
  yield* within(session, body);
  if (session.connections !== 0) throw new Error(`the closed session counts ${session.connections} connections`);
}
