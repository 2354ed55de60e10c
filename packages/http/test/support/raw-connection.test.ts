import { once } from "node:events";
import { createServer, get, type IncomingMessage, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { useCertificates } from "../../../node/test/support/certificates.js";
import { answer, answering, faults } from "./faults.js";
import { describeWith } from "./programs.js";
import { connectRaw, exchangeRaw, flood, headerOf, nextAnswer } from "./raw-client.js";
import { nextRequest, type RawServer, type Script, startRawServer } from "./raw-server.js";

/** Runs a body beside a server of Node. */
async function besideNode(listener: RequestListener, body: (port: number) => Promise<void>): Promise<void> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    await body((server.address() as AddressInfo).port);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

/** Runs a body beside a raw server. */
async function beside(script: Script, body: (server: RawServer) => Promise<void>): Promise<void> {
  const server = await startRawServer(script);
  try {
    await body(server);
  } finally {
    await server.stop();
  }
}

/** What Node's client makes of an answer: its body, or the code of its error. */
function asked({ origin }: RawServer): Promise<string> {
  return new Promise((resolve) => {
    const failed = (error: NodeJS.ErrnoException): void => resolve(error.code ?? error.message);
    get(origin, { agent: false }, (response: IncomingMessage) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text) => (body += text));
      response.on("end", () => resolve(body)).on("error", failed);
    }).on("error", failed);
  });
}

test("a client takes answers one after another, chunked or not", async () => {
  await besideNode(
    ({ url, method }, response) => {
      if (url === "/chunks") response.write(`${method} in`);
      response.end(" chunks");
    },
    async (port) => {
      const connection = await connectRaw({ port });
      const ask = (line: string): string => `${line} HTTP/1.1\r\nhost: localhost\r\n\r\n`;
      await connection.send(ask("GET /chunks") + ask("HEAD /") + ask("GET /"));
      expect(await nextAnswer(connection)).toMatchObject({ status: 200, statusText: "OK", body: "GET in chunks" });
      expect(await nextAnswer(connection, "HEAD")).toMatchObject({ status: 200, body: "" });
      const last = await nextAnswer(connection);
      expect([headerOf(last, "content-length"), last.body]).toEqual(["7", " chunks"]);
      expect(connection.received).toBe("");
      await connection.close();
    },
  );
});

test("a client hears how a server ended the connection", async () => {
  await besideNode(
    () => {},
    async (port) => {
      const { received, ended } = await exchangeRaw({ port }, "garbage\r\n\r\n");
      expect(received).toMatch(/^HTTP\/1.1 400 Bad Request\r\n/);
      expect(ended).toBe("end");
      const connection = await connectRaw({ port });
      expect(await connection.drip("GET garbage", 1)).toBe(11);
      await connection.close();
    },
  );
  await beside(faults.resets, async (server) => {
    expect((await exchangeRaw(server, "GET / HTTP/1.1\r\n\r\n")).ended).toBe("ECONNRESET");
  });
});

test("a flood is counted by what came", async () => {
  let asked = 0;
  await besideNode(
    ({ socket }, response) => {
      if (++asked > 20) socket.destroy();
      else response.end();
    },
    async (port) => {
      expect(await flood({ port }, 50, "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")).toEqual({ 200: 20, end: 30 });
    },
  );
});

test("a server takes requests one after another, bodies included, and counts connections", async () => {
  const requests: string[] = [];
  const script: Script = async (connection) => {
    for (let i = 0; i < 2; i++) {
      requests.push(await nextRequest(connection));
      await connection.send(answer(`answer ${i}`));
    }
  };
  await beside(script, async (server) => {
    const connection = await connectRaw(server);
    await connection.send("POST / HTTP/1.1\r\ncontent-length: 4\r\n\r\nbodyGET /next HTTP/1.1\r\n\r\n");
    expect((await nextAnswer(connection)).body).toBe("answer 0");
    expect((await nextAnswer(connection)).body).toBe("answer 1");
    expect(requests[0]).toMatch(/\r\n\r\nbody$/);
    expect([server.connections.length, server.open()]).toEqual([1, 1]);
    await connection.close();
    await expect.poll(() => server.open()).toBe(0);
  });
});

test("a server sends what it is told, byte for byte", async () => {
  await beside(answering("HTTP/1.1 999 \u00e4\r\n", "content-length: 0\r\n\r\n"), async (server) => {
    const connection = await connectRaw(server);
    await connection.send("GET / HTTP/1.1\r\n\r\n");
    expect(await nextAnswer(connection)).toMatchObject({ status: 999, statusText: "\u00e4", body: "" });
    await connection.close();
  });
});

test("what a script throws while its client is there is told in the end", async () => {
  const server = await startRawServer(() => {
    throw new Error("a wrong script");
  });
  const connection = await connectRaw(server);
  await connection.close();
  await expect.poll(() => server.open()).toBe(0);
  await expect(server.stop()).rejects.toThrow("a wrong script");
});

test.each([
  ["closesWithoutAnswer", "ECONNRESET"],
  ["resets", "ECONNRESET"],
  ["stopsInMidBody", "ECONNRESET"],
  ["stopsInMidChunk", "ECONNRESET"],
  ["stopsBetweenChunks", "ECONNRESET"],
  ["stopsInMidHead", "ECONNRESET"],
  ["resetsInMidBody", "ECONNRESET"],
  ["sendsGarbage", "HPE_INVALID_CONSTANT"],
  ["sendsGarbageLater", "HPE_INVALID_CHUNK_SIZE"],
  ["hugeHead", "HPE_HEADER_OVERFLOW"],
  ["endlessHead", "HPE_HEADER_OVERFLOW"],
  ["closesAfterAnswer", "ok"],
  ["dripsHead", "ok"],
] as const)("Node's client sees it too: %s", async (name, outcome) => {
  await beside(faults[name], async (server) => {
    expect(await asked(server)).toBe(outcome);
  });
});

describeWith("openssl")("over TLS", () => {
  const certificates = useCertificates();

  test("a raw client and a raw server talk", async () => {
    const server = await startRawServer(answering(answer("ok")), { tls: certificates.server });
    try {
      const connection = await connectRaw({ port: server.port, ca: certificates.ca });
      await connection.send("GET / HTTP/1.1\r\n\r\n");
      expect((await nextAnswer(connection)).body).toBe("ok");
      connection.end();
      expect(await connection.over()).toBe("end");
      await connection.close();
      await expect(connectRaw({ port: server.port, ca: certificates.stranger.cert })).rejects.toThrow(/certificate/);
    } finally {
      await server.stop();
    }
  });
});
