import { createTask, type Coroutine, gather, sleep, until, within } from "corio";
import { describe, expect, test } from "vitest";
import { useCertificates } from "../../../node/test/support/certificates.js";
import { thrownBy, withCode } from "../../../node/test/support/thrown-by.js";
import {
  ClientPayloadError,
  type ClientResponse,
  type ClientSession,
  ServerDisconnectedError,
  type SessionOptions,
} from "../../src/index.js";
import {
  block,
  codes,
  data,
  type Fields,
  frame,
  goaway,
  headers,
  type Http2Peer,
  type PeerScript,
  type PeerServer,
  resetStream,
  settings,
  withHttp2Peer,
} from "./http2-peer.js";

const certificates = useCertificates();

const inTest = (
  script: PeerScript,
  body: (session: ClientSession, server: PeerServer) => Coroutine<void>,
  session?: SessionOptions,
): Promise<void> => withHttp2Peer(certificates, script, body, { session });

/** Answers each request with what it is told for it; the first of them once the settings are exchanged. */
const answering =
  (...answers: readonly ((stream: number, peer: Http2Peer) => Buffer[] | void)[]): PeerScript =>
  async (peer) => {
    peer.send(settings());
    for (const answer of answers) {
      const stream = await peer.request();
      peer.send(...(answer(stream, peer) ?? []));
    }
  };

const ok = (stream: number): Buffer[] => [headers(stream, 200), data(stream, "ok", { end: true })];

function* textOf(session: ClientSession, path = "/"): Coroutine<string> {
  return yield* within(session.get(path), (response) => response.text());
}

function brokeOff(message: RegExp): Error {
  return expect.toSatisfy(
    (error: unknown) => error instanceof ClientPayloadError && message.test(error.message),
  ) as Error;
}

function disconnected(message: RegExp): Error {
  return expect.toSatisfy(
    (error: unknown) => error instanceof ServerDisconnectedError && message.test(error.message),
  ) as Error;
}

const REFUSED = expect.objectContaining({ cause: expect.objectContaining({ code: "ERR_HTTP2_REFUSED" }) });

describe("an answer that is cut short", () => {
  test.each([
    ["NO_ERROR", codes.noError],
    ["PROTOCOL_ERROR", codes.protocolError],
    ["INTERNAL_ERROR", codes.internalError],
    ["REFUSED_STREAM", codes.refusedStream],
    ["CANCEL", codes.cancel],
    ["ENHANCE_YOUR_CALM", codes.calm],
    ["the code 77", 77],
  ])("by a reset with %s breaks off, and the connection goes on", async (name, code) => {
    for (const fields of [[], [["content-length", "100"]]] satisfies Fields[]) {
      await inTest(
        answering(
          (stream) => [headers(stream, 200, fields), data(stream, "x".repeat(50))],
          (stream) => [resetStream(stream - 2, code), ...ok(stream)],
        ),
        function* (session, server) {
          const response = yield* session.get("/");
          expect(yield* textOf(session)).toBe("ok");
          const expected = code === codes.refusedStream ? /has refused/ : new RegExp(`broke off: .* with ${name}$`);
          expect(yield* thrownBy(response.bytes())).toEqual(brokeOff(expected));
          expect(server.peers).toHaveLength(1);
        },
      );
    }
  });
});
