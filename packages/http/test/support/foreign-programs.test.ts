import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { run, sleep, until, within } from "corio";
import { expect, test } from "vitest";
import { useCertificates } from "../../../node/test/support/certificates.js";
import { startAiohttpClient } from "./aiohttp-client.js";
import { type Echoed, type EchoedPart, startAiohttpServer } from "./aiohttp-server.js";
import { describeInChromium, startChromium } from "./chromium.js";
import { CredentialFiles } from "./credential-files.js";
import { curl } from "./curl.js";
import { ForeignProcess } from "./foreign-process.js";
import { startNginx } from "./nginx.js";
import { describeWith } from "./programs.js";
import { started, useStarted } from "./started.js";

// That the programs at the other end do what tests of this package take for granted, seen by one another.

test("a foreign process that fails says what it wrote", async () => {
  const failing = new ForeignProcess(process.execPath, ["-e", "console.error('no such thing'); process.exit(3)"]);
  await expect(failing.whileRunning(new Promise(() => {}))).rejects.toThrow(/ended with exit code 3:\nno such thing/);
  await expect(failing.stop()).rejects.toThrow("exit code 3");
});

test("a program that is not there is an error", async () => {
  const missing = new ForeignProcess("/nowhere/program", []);
  await expect(missing.whileRunning(new Promise(() => {}))).rejects.toThrow("ENOENT");
});

describeWith(
  "curl",
  "nginx",
  "openssl",
)("nginx and curl", () => {
  const certificates = useCertificates();
  const files = { "hello.txt": "hello" };

  const hello = { method: "GET", target: "/hello.txt", protocol: "HTTP/1.1", status: 200 };

  test("talk to each other, and nginx logs it", async () => {
    await run(() =>
      within(
        started(() => startNginx({ files })),
        function* (nginx) {
          const curled = yield* until(curl([`${nginx.origin}/hello.txt`]));
          expect(curled).toMatchObject({ exitCode: 0, status: 200, version: "1.1", body: "hello", errors: "" });
          expect(curled.head).toContain("HTTP/1.1 200 OK\r\nServer: nginx");
          while (nginx.requests().length === 0) yield* sleep(10);
          expect(nginx.requests()).toEqual([{ connection: 1, nth: 1, ...hello }]);
        },
      ),
    );
  });

  test("talk TLS and HTTP/2", async () => {
    const credentials = new CredentialFiles();
    const nginx = await startNginx({ files, tls: certificates.server, http2: true });
    try {
      const trust = ["--cacert", credentials.path("ca", certificates.ca)];
      const url = `${nginx.origin}/hello.txt`;
      expect(await curl([...trust, "--http2", url])).toMatchObject({ status: 200, version: "2", body: "hello" });
      expect(await curl([...trust, "--http1.1", url])).toMatchObject({ status: 200, version: "1.1", body: "hello" });
      expect(await curl([url])).toMatchObject({ exitCode: 60, status: 0 });
    } finally {
      await nginx.stop();
      credentials.remove();
    }
  });

  test("an nginx that cannot start says why", async () => {
    await expect(startNginx({ server: "no_such_directive;" })).rejects.toThrow('unknown directive "no_such_directive"');
  });
});

describeWith("aiohttp", "curl")("aiohttp", () => {
  const server = useStarted(() => startAiohttpServer());
  const client = useStarted(() => startAiohttpClient());
  const url = (path: string): string => `${server().origin}${path}`;

  test("sends back what comes", async () => {
    const { body } = await curl(["--data-binary", "@-", "--header", "X-Y: z", url("/echo?a=b")], "text");
    const echoed = JSON.parse(body) as Echoed;
    expect(echoed).toMatchObject({ method: "POST", target: "/echo?a=b", version: "1.1", length: 4, text: "text" });
    expect(echoed.headers).toContainEqual(["X-Y", "z"]);
  });

  test("tells the parts of a multipart body", async () => {
    const { body } = await curl(["--form", "field=value", "--form", "file=@-;filename=ä.txt", url("/form")], "text");
    expect(JSON.parse(body) as EchoedPart[]).toMatchObject([
      { name: "field", filename: null, length: 5 },
      { name: "file", filename: "ä.txt", type: "text/plain", length: 4 },
    ]);
  });

  test.each(["gzip", "deflate", "raw-deflate"])("compresses by %s", async (name) => {
    const { body } = await curl(["--compressed", url(`/${name}?bytes=3`)]);
    expect(body).toBe("\0\0\0");
  });

  test("redirects, with cookies", async () => {
    const { body } = await curl(["--location", "--cookie", "", url("/cookies/set?a=1&b=2")]);
    expect(JSON.parse(body)).toEqual({ a: "1", b: "2" });
    expect(await curl(["--location", url("/redirect/3")])).toMatchObject({ status: 200 });
  });

  test("fails so often as it is told", async () => {
    const tries = url("/flaky/key?fail=2&retry-after=0");
    expect((await curl([tries])).head).toMatch(/^HTTP\/1.1 503.*^retry-after: 0\r$/ms);
    expect(await curl([tries])).toMatchObject({ status: 503 });
    expect(await curl([tries])).toMatchObject({ status: 200, body: '{"tries": 3}' });
  });

  test("sends events, and goes on where the client stopped", async () => {
    const { body } = await curl(["--header", "Last-Event-ID: 1", url("/sse?n=1&total=2")]);
    expect(body).toBe(": hello\nretry: 10\n\nid: 2\nevent: tick\ndata: 2\ndata: ü\n\n");
    expect(await curl(["--header", "Last-Event-ID: 2", url("/sse?total=2")])).toMatchObject({ status: 204 });
  });

  test("counts who does not wait", async () => {
    const { gone } = await server().stats();
    expect(await curl(["--max-time", "0.1", url("/slow?ms=60000")])).toMatchObject({ exitCode: 28 });
    await expect.poll(async () => (await server().stats()).gone).toBe(gone + 1);
  });

  test("the client sends pieces and takes some", async () => {
    const echoed = await client().request({ method: "PUT", url: url("/echo"), chunks: ["some ", "text"] });
    expect(JSON.parse(echoed.text)).toMatchObject({ method: "PUT", text: "some text" });
    expect(await client().request({ url: url("/chunks?n=2&size=3") })).toMatchObject({ status: 200, length: 6 });
    const stopped = await client().request({ url: url("/chunks?n=1000&ms=20"), stopAfter: 1 });
    expect(stopped.length).toBeLessThan(1_000_000);
  });

  test("the client asks many times, side by side", async () => {
    expect(await client().many({ url: url("/bytes/10"), count: 200, atOnce: 50 })).toEqual({ 200: 200 });
  });

  test("the client says what went wrong", async () => {
    const asking = client().request({ url: url("/slow?ms=60000"), timeout: 50 });
    await expect(asking).rejects.toMatchObject({ name: expect.stringContaining("TimeoutError") });
  });

  test("client and server speak WebSocket", async () => {
    const conversation = { url: url("/ws"), protocols: ["echo"], send: ["one", "send 2 3"], expect: 3 };
    expect(await client().webSocket(conversation)).toEqual({
      received: ["one", "000", "111"],
      protocol: "echo",
      closeCode: 1000,
    });
    const closing = { url: url("/ws"), send: ["close 4001 enough"] };
    expect(await client().webSocket(closing)).toMatchObject({ received: [], closeCode: 4001 });
    await expect(client().webSocket({ url: url("/echo") })).rejects.toMatchObject({ status: 200 });
  });
});

describeWith("aiohttp", "openssl")("aiohttp with TLS", () => {
  const certificates = useCertificates();
  const server = useStarted(() => startAiohttpServer({ tls: certificates.server }));
  const trusting = useStarted(() => startAiohttpClient({ ca: certificates.ca }));
  const distrustful = useStarted(() => startAiohttpClient());

  test("only who knows the authority trusts it", async () => {
    const url = `${server().origin}/bytes/1`;
    expect(await trusting().request({ url })).toMatchObject({ status: 200, text: "x" });
    await expect(distrustful().request({ url })).rejects.toThrow(/certificate/i);
  });
});

describeInChromium("Chromium", () => {
  const chromium = useStarted(startChromium);

  test("loads a page and runs a program in it", async () => {
    const server = createServer((_, response) => response.end("text")).listen(0, "127.0.0.1");
    await once(server, "listening");
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const fetched = chromium().inPage(url, (page) => page.evaluate<string>('fetch("/").then((it) => it.text())'));
    expect(await fetched).toBe("text");
    const failing = chromium().inPage(url, (page) => page.evaluate('fetch("http://127.0.0.1:1/")'));
    await expect(failing).rejects.toThrow("Failed to fetch");
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  });
});
