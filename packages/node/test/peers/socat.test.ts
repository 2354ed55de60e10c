import { type Coroutine, until } from "corio";
import { describe, expect, test } from "vitest";
import { echo } from "../support/echo.js";
import { useCertificates } from "../support/certificates.js";
import { runConnected } from "../support/run-connected.js";
import { socketPath, temporaryFolder } from "../support/temporary-folder.js";
import { type CertificateFiles, useCertificateFiles } from "./certificate-files.js";
import { PeerProcess } from "./peer-process.js";
import { describeWith } from "./programs.js";
import { endThenListen, listenThenAnswer, type Scenario, sendAndGetBack } from "./scenarios.js";
import { type Place, playClient, playServer } from "./streams.js";

/** A way to connect, in socat's words. */
interface Way {
  readonly name: string;
  readonly unix?: true;
  readonly tls?: true;
  listen(path: string, files: CertificateFiles): string;
  connect(place: Place, files: CertificateFiles): string;
}

const WAYS: Way[] = [
  {
    name: "TCP",
    listen: () => "TCP-LISTEN:0,bind=127.0.0.1",
    connect: (port) => `TCP:127.0.0.1:${port}`,
  },
  {
    name: "a Unix socket",
    unix: true,
    listen: (path) => `UNIX-LISTEN:${path}`,
    connect: (path) => `UNIX-CONNECT:${path}`,
  },
  {
    name: "TLS",
    tls: true,
    listen: (_path, { server: { cert, key } }) => `OPENSSL-LISTEN:0,bind=127.0.0.1,verify=0,cert=${cert},key=${key}`,
    connect: (port, { ca }) => `OPENSSL:localhost:${port},pf=ip4,cafile=${ca}`,
  },
];

// After the end of one direction socat waits for the other's as many seconds as -t says.
const PATIENT = ["-t", "60"];

describeWith("openssl", "socat")("socat", () => {
  const certificates = useCertificates();
  const files = useCertificateFiles(certificates);

  describe.for(WAYS)("as server on $name", ({ unix, tls, listen }) => {
    function connects(ours: Scenario, theirs: string): Promise<void> {
      return runConnected(function* () {
        const path = socketPath();
        const peer = new PeerProcess("socat", ["-d", "-d", ...PATIENT, listen(path, files), theirs]);
        const [, port] = yield* until(peer.wrote(unix ? /listening on/ : /listening on .*:(\d+)/));
        yield* playClient(ours, unix ? path : Number(port), tls ? { tls: { ca: certificates.ca } } : {});
        yield* until(peer.succeeded());
      });
    }

    test("sends 16 MiB back to us", () => connects(sendAndGetBack, "EXEC:cat"));
    test("answers after our end", () => connects(endThenListen, "EXEC:sed s/half/other-half/"));
  });

  describe.for(WAYS)("as client on $name", ({ unix, tls, connect }) => {
    function serves(ours: Scenario, peer: (address: string) => Coroutine<unknown>): Promise<void> {
      const path = socketPath();
      const options = tls ? { tls: certificates.server } : {};
      return runConnected(() =>
        playServer(ours, unix ? path : 0, options, (port) => peer(connect(unix ? path : port, files))),
      );
    }

    test("gets 16 MiB back from us", () =>
      serves(echo, function* (address) {
        const random = `head -c ${16 * 1024 * 1024} /dev/urandom`;
        const script = `${random} | tee sent | socat ${PATIENT.join(" ")} STDIO "$0" > received && cmp sent received`;
        yield* until(new PeerProcess("sh", ["-c", script, address], { cwd: temporaryFolder() }).succeeded());
      }));

    test("gets our answer after its end", () =>
      serves(listenThenAnswer, function* (address) {
        const peer = new PeerProcess("socat", [...PATIENT, "STDIO", address]);
        peer.end("half");
        expect((yield* until(peer.succeeded())).stdout).toBe("other-half");
      }));
  });
});
