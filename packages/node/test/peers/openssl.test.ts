import { fileURLToPath } from "node:url";
import { type Coroutine, until, within } from "corio";
import { type ConnectOptions, type ServerOptions, startServer } from "@corio/node";
import { describe, expect, test } from "vitest";
import { portOf } from "../support/peers.js";
import { useCertificates } from "../support/certificates.js";
import { runConnected } from "../support/run-connected.js";
import { socketPath } from "../support/temporary-folder.js";
import { useCertificateFiles } from "./certificate-files.js";
import { PeerProcess } from "./peer-process.js";
import { describeWith } from "./programs.js";
import { answer, ask, endThenListen, listenThenAnswer, type Scenario } from "./scenarios.js";
import { playClient, playServer } from "./streams.js";

const VERSIONS = [
  { version: "TLSv1.2", flag: "-tls1_2" },
  { version: "TLSv1.3", flag: "-tls1_3" },
] as const;

describeWith("openssl")("OpenSSL", () => {
  const certificates = useCertificates();
  const files = useCertificateFiles(certificates);

  describe("s_client", () => {
    /** A client that sends what is written to it, and does not take letters at the beginning of lines for commands. */
    const client = (port: number, ...options: string[]): PeerProcess => {
      const connect = ["-connect", `127.0.0.1:${port}`, "-servername", "localhost"];
      const verify = ["-CAfile", files.ca, "-verify_return_error", "-verify_hostname", "localhost"];
      return new PeerProcess("openssl", ["s_client", ...connect, ...verify, ...options]);
    };
    const QUIET = ["-quiet", "-no_ign_eof"];

    function serves(
      scenario: Scenario,
      peer: (port: number) => Coroutine<unknown>,
      options?: ServerOptions["tls"],
    ): Promise<void> {
      return runConnected(() => playServer(scenario, 0, { tls: { ...certificates.server, ...options } }, peer));
    }

    test.for(VERSIONS)("is answered line by line by our server, in $version", ({ version, flag }) =>
      serves(
        function* (reader, writer) {
          expect(writer.getExtraInfo("tlsVersion")).toBe(version);
          expect(writer.getExtraInfo("cipher")?.version).toBe(version);
          expect(writer.getExtraInfo("peercert")).toBe(undefined);
          yield* answer(reader, writer);
        },
        function* (port) {
          const peer = client(port, flag, ...QUIET);
          for (const [line, reversed] of [
            ["hello", "olleh"],
            ["again", "niaga"],
          ]) {
            peer.write(`${line}\n`);
            yield* until(peer.wrote(new RegExp(`${reversed}\n`)));
          }
          peer.end();
          yield* until(peer.succeeded());
        },
      ),
    );

    test.for(VERSIONS)("shows its certificate to our server, in $version", ({ flag }) =>
      serves(
        function* (reader, writer) {
          expect(writer.getExtraInfo("peercert")?.subject.CN).toBe("a client");
          yield* answer(reader, writer);
        },
        function* (port) {
          const { cert, key } = files.client;
          const peer = client(port, flag, "-cert", cert, "-key", key, ...QUIET);
          peer.write("hello\n");
          yield* until(peer.wrote(/olleh\n/));
          peer.end();
          yield* until(peer.succeeded());
        },
        { ca: certificates.ca, requestCert: true },
      ),
    );

    test.for(VERSIONS)("that shows none where one is asked for is not served, in $version", ({ flag }) =>
      runConnected(function* () {
        let served = 0;
        const options = { ...certificates.server, ca: certificates.ca, requestCert: true };
        const server = yield* startServer(() => void served++, "127.0.0.1", 0, { tls: options });
        yield* within(server, function* () {
          const ended = yield* until(client(portOf(server), flag, ...QUIET).ended);
          expect(ended.stderr).toMatch(/alert/);
          expect(ended.code).not.toBe(0);
        });
        expect(served).toBe(0);
      }),
    );

    test("settles with our server on a protocol by ALPN", () =>
      serves(
        function* (reader, writer) {
          expect(writer.getExtraInfo("alpnProtocol")).toBe("corio/1");
          yield* answer(reader, writer);
        },
        function* (port) {
          const peer = client(port, "-alpn", "other,corio/1");
          yield* until(peer.wrote(/^ALPN protocol: corio\/1$/m));
          peer.end();
          yield* until(peer.succeeded());
        },
        { ALPNProtocols: ["corio/1", "corio/0"] },
      ));

    test("sees a clean end when our handler ends", () =>
      serves(
        function* (_reader, writer) {
          writer.write("bye\n");
        },
        function* (port) {
          const { stdout, stderr } = yield* until(client(port, ...QUIET).succeeded());
          expect(stdout).toBe("bye\n");
          expect(stderr).not.toMatch(/unexpected eof|error/i);
        },
      ));

    test("sees a clean end when our server ends its half", () =>
      serves(
        function* (reader, writer) {
          writer.write("bye\n");
          writer.writeEof();
          expect((yield* reader.read()).length).toBe(0);
        },
        function* (port) {
          const { stdout, stderr } = yield* until(client(port, ...QUIET).succeeded());
          expect(stdout).toBe("bye\n");
          expect(stderr).not.toMatch(/unexpected eof|error/i);
        },
      ));

    test("sees that the connection was cut off when our server aborts it", () =>
      serves(
        function* (reader, writer) {
          yield* reader.readline();
          writer.transport.abort();
        },
        function* (port) {
          const peer = client(port, ...QUIET);
          peer.write("hello\n");
          const { code, stderr } = yield* until(peer.ended);
          expect(code).not.toBe(0);
          expect(stderr).toMatch(/unexpected eof|reset/i);
        },
      ));

    test("takes new keys in the middle, in TLSv1.3", () =>
      serves(answer, function* (port) {
        const peer = client(port, "-tls1_3");
        peer.write("hello\n");
        yield* until(peer.wrote(/olleh\n/));
        peer.write("K\n");
        yield* until(peer.wrote(/KEYUPDATE/));
        peer.write("again\n");
        yield* until(peer.wrote(/niaga\n/));
        peer.write("Q\n");
        yield* until(peer.succeeded());
      }));

    test("goes over to TLS in a dialogue of SMTP", () =>
      runConnected(() =>
        playServer(
          function* (reader, writer) {
            const expectLine = function* (line: string): Coroutine<void> {
              expect(Buffer.from(yield* reader.readline()).toString()).toBe(`${line}\r\n`);
            };
            writer.write("220 localhost ESMTP\r\n");
            yield* expectLine("EHLO mail.example.com");
            writer.write("250-localhost\r\n250 STARTTLS\r\n");
            yield* expectLine("STARTTLS");
            writer.write("220 go ahead\r\n");
            yield* writer.startTls({ tls: certificates.server });
            expect(writer.getExtraInfo("cipher")).toBeDefined();
            yield* expectLine("EHLO again");
            writer.write("250 localhost\r\n");
            yield* expectLine("QUIT");
            writer.write("221 bye\r\n");
          },
          0,
          {},
          function* (port) {
            const peer = client(port, "-starttls", "smtp", "-crlf", "-quiet");
            peer.write("EHLO again\n");
            yield* until(peer.wrote(/250 localhost\r\n/));
            peer.write("QUIT\n");
            const { stdout, stderr } = yield* until(peer.succeeded());
            expect(stdout).toMatch(/221 bye\r\n$/);
            expect(stderr).not.toMatch(/unexpected eof|error/i);
          },
        ),
      ));

    test("is served over a Unix socket", () => {
      const path = socketPath();
      return runConnected(() =>
        playServer(answer, path, { tls: certificates.server }, function* () {
          const peer = new PeerProcess("openssl", ["s_client", "-unix", path, ...QUIET]);
          peer.write("hello\n");
          yield* until(peer.wrote(/olleh\n/));
          peer.end();
          yield* until(peer.succeeded());
        }),
      );
    });

    test("that is killed is an end for our server", () =>
      serves(
        function* (reader, writer) {
          // so that the peer has read all that came before: what it left unread would reset the connection
          yield* reader.readline();
          writer.write("hello\n");
          expect((yield* reader.read()).length).toBe(0);
          yield* writer.drain();
        },
        function* (port) {
          const peer = client(port, ...QUIET);
          peer.write("I am here\n");
          yield* until(peer.wrote(/hello\n/));
          peer.kill("SIGKILL");
          yield* until(peer.ended);
        },
      ));
  });

  describe("s_server", () => {
    /** Serves one connection: says every line in reverse. */
    const server = (...options: string[]): PeerProcess => {
      const { cert, key } = files.server;
      const listen = options.includes("-unix") ? [] : ["-accept", "127.0.0.1:0"];
      return new PeerProcess("openssl", ["s_server", ...listen, "-cert", cert, "-key", key, ...ONE, ...options]);
    };
    const ONE = ["-naccept", "1"];
    const REVERSED = "-rev";

    function connects(peerOptions: string[], scenario: Scenario, options: ConnectOptions["tls"] = {}): Promise<void> {
      return runConnected(function* () {
        const peer = server(...peerOptions);
        const port = Number((yield* until(peer.wrote(/ACCEPT .*:(\d+)/)))[1]);
        yield* playClient(scenario, port, { tls: { ca: certificates.ca, ...(options as object) } });
        yield* until(peer.succeeded());
      });
    }

    test.for(VERSIONS)("answers us line by line, in $version", ({ version, flag }) =>
      connects([flag, REVERSED], function* (reader, writer) {
        expect(writer.getExtraInfo("tlsVersion")).toBe(version);
        expect(writer.getExtraInfo("peercert")?.subject.CN).toBe("localhost");
        yield* ask(reader, writer);
      }),
    );

    const VERIFY = ["-Verify", "1", "-verify_return_error"];
    test.for(VERSIONS)("sees our certificate, in $version", ({ flag }) =>
      connects([flag, REVERSED, ...VERIFY, "-CAfile", files.ca], ask, certificates.client),
    );

    test.for(VERSIONS)("refuses us without one, in $version", async ({ flag }) => {
      const served = connects([flag, REVERSED, ...VERIFY, "-CAfile", files.ca], ask);
      await expect(served).rejects.toThrow(/alert/);
    });

    test("is refused if we do not know who signed its certificate", async () => {
      await expect(connects([REVERSED], ask, { ca: [] })).rejects.toMatchObject({
        code: "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
      });
    });

    test("is refused if its certificate is of another name", async () => {
      const refused = connects([REVERSED], ask, { servername: "elsewhere.example" });
      await expect(refused).rejects.toMatchObject({ code: "ERR_TLS_CERT_ALTNAME_INVALID" });
    });

    test("settles with us on a protocol by ALPN", () =>
      connects(
        [REVERSED, "-alpn", "corio/1,corio/0"],
        function* (reader, writer) {
          expect(writer.getExtraInfo("alpnProtocol")).toBe("corio/1");
          yield* ask(reader, writer);
        },
        { ALPNProtocols: ["other", "corio/1"] },
      ));

    test("sends a whole page and then its end", () =>
      connects(["-www"], function* (reader, writer) {
        writer.write("GET / HTTP/1.0\r\n\r\n");
        const page = Buffer.from(yield* reader.read()).toString();
        expect(page).toMatch(/^HTTP\/1.0 200 ok[^]*<\/HTML>\s*$/i);
      }));

    test("answers what we sent before our end", () =>
      connects([REVERSED], function* (reader, writer) {
        writer.write("hello\n");
        writer.writeEof();
        expect(Buffer.from(yield* reader.read()).toString()).toBe("olleh\n");
      }));

    test("serves us over a Unix socket", () =>
      runConnected(function* () {
        const path = socketPath();
        const peer = server("-unix", path, REVERSED);
        yield* until(peer.wrote(/ACCEPT/));
        yield* playClient(ask, path, { tls: { ca: certificates.ca }, serverHostname: "localhost" });
        yield* until(peer.succeeded());
      }));
  });

  describeWith("python3")("below Python's blocking sockets", () => {
    const program = fileURLToPath(new URL("tls-half-close.py", import.meta.url));

    test("answers after our end", () =>
      runConnected(function* () {
        const { cert, key } = files.server;
        const peer = new PeerProcess("python3", [program, "server", "--certificate", cert, "--key", key]);
        const port = Number((yield* until(peer.wrote(/listening on (\d+)/)))[1]);
        yield* playClient(endThenListen, port, { tls: { ca: certificates.ca } });
        yield* until(peer.succeeded());
      }));

    test("gets our answer after its end", () =>
      runConnected(() =>
        playServer(listenThenAnswer, 0, { tls: certificates.server }, function* (port) {
          const args = [program, "client", "--port", `${port}`, "--authority", files.ca];
          yield* until(new PeerProcess("python3", args).succeeded());
        }),
      ));
  });
});
