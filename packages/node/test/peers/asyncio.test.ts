import { fileURLToPath } from "node:url";
import { type Coroutine, until } from "corio";
import type { ConnectOptions } from "@corio/node";
import { describe, test } from "vitest";
import { useCertificates } from "../support/certificates.js";
import { runConnected } from "../support/run-connected.js";
import { useCertificateFiles } from "./certificate-files.js";
import { PeerProcess } from "./peer-process.js";
import { describeWith } from "./programs.js";
import {
  answer,
  ask,
  endThenHearTheEnd,
  endThenListen,
  exchange,
  listenThenAnswer,
  type Scenario,
} from "./scenarios.js";
import { playClient, playServer } from "./streams.js";

const program = fileURLToPath(new URL("asyncio-peer.py", import.meta.url));

describeWith("openssl", "python3")("CPython's asyncio", () => {
  const certificates = useCertificates();
  const files = useCertificateFiles(certificates);

  const python = (...args: string[]): PeerProcess => {
    const { ca, server } = files;
    const paths = ["--authority", ca, "--certificate", server.cert, "--key", server.key];
    // what a program of asyncio does wrong, its debug mode tells
    return new PeerProcess("python3", [program, ...args, ...paths], { env: { PYTHONASYNCIODEBUG: "1" } });
  };

  function* done(peer: PeerProcess): Coroutine<void> {
    const { stderr } = yield* until(peer.succeeded());
    if (stderr.replaceAll(/^Executing .* took .* seconds$/gm, "").trim() !== "") throw new Error(stderr);
  }

  /** We connect, CPython serves. */
  function connects(ours: Scenario, theirs: string, options?: ConnectOptions): Promise<void> {
    return runConnected(function* () {
      const peer = python("server", theirs, ...(options?.tls ? ["--tls"] : []));
      const port = Number((yield* until(peer.wrote(/listening on (\d+)/)))[1]);
      yield* playClient(ours, port, options);
      yield* done(peer);
    });
  }

  /** CPython connects, we serve. */
  function serves(ours: Scenario, theirs: string, { tls = false } = {}): Promise<void> {
    return runConnected(() =>
      playServer(ours, 0, tls ? { tls: certificates.server } : {}, (port) =>
        done(python("client", theirs, "--port", String(port), ...(tls ? ["--tls"] : []))),
      ),
    );
  }

  describe("as server", () => {
    test("answers us line by line", () => connects(ask, "answer"));
    test("exchanges 16 MiB with us, both ways at once", () => connects(exchange, "exchange"));
    test("answers after our end", () => connects(endThenListen, "listen_then_answer"));
  });

  describe("as client", () => {
    test("asks us line by line", () => serves(answer, "ask"));
    test("exchanges 16 MiB with us, both ways at once", () => serves(exchange, "exchange"));
    test("gets our answer after its end", () => serves(listenThenAnswer, "end_then_listen"));
  });

  describe("as server of TLS", () => {
    const tls = () => ({ tls: { ca: certificates.ca } });

    test("answers us line by line", () => connects(ask, "answer", tls()));
    test("exchanges 16 MiB with us, both ways at once", () => connects(exchange, "exchange", tls()));
    test("hears our end, and ends without an error", () => connects(endThenHearTheEnd, "listen_to_end", tls()));
    test("goes over to TLS when we say so", () =>
      connects(function* (reader, writer) {
        writer.write("STARTTLS\n");
        yield* reader.readuntil("go ahead\n");
        yield* writer.startTls(tls());
        yield* ask(reader, writer);
      }, "upgrade_and_answer"));
  });

  describe("as client of TLS", () => {
    test("asks us line by line", () => serves(answer, "ask", { tls: true }));
    test("exchanges 16 MiB with us, both ways at once", () => serves(exchange, "exchange", { tls: true }));
    test("goes over to TLS when it says so", () =>
      serves(function* (reader, writer) {
        yield* reader.readuntil("STARTTLS\n");
        writer.write("go ahead\n");
        yield* writer.startTls({ tls: certificates.server });
        yield* answer(reader, writer);
      }, "upgrade_and_ask"));
  });
});
