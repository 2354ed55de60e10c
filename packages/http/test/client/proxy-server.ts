import { once } from "node:events";
import http, { type IncomingMessage, type Server } from "node:http";
import https from "node:https";
import { type AddressInfo, connect, type Socket } from "node:net";
import { pipeline } from "node:stream";
import { type Coroutine, type Manager, until } from "corio";

export interface ProxyServerOptions {
  /** What `proxy-authorization` has to say; else the answer is 407. */
  readonly authorization?: string | undefined;
  /** A certificate and its key, for a proxy at `https:`. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
}

/** A proxy for HTTP, which forwards requests and makes tunnels while its block runs. */
export class ProxyServer implements Manager<ProxyServer> {
  /** What it was asked, as "GET http://…" and "CONNECT host:port", with its headers. */
  readonly asked: { readonly line: string; readonly headers: IncomingMessage["headers"] }[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #secure: boolean;

  constructor({ authorization, tls }: ProxyServerOptions = {}) {
    this.#secure = tls !== undefined;
    this.#server = tls === undefined ? http.createServer() : https.createServer(tls);
    const admits = ({ headers }: IncomingMessage): boolean =>
      authorization === undefined || headers["proxy-authorization"] === authorization;
    this.#server.on("request", (request: IncomingMessage, response) => {
      this.#note(request);
      if (!admits(request)) return response.writeHead(407, { "proxy-authenticate": "Basic" }).end("who are you?");
      const { "proxy-authorization": _, ...headers } = request.headers;
      const forwarded = http.request(request.url as string, { method: request.method, headers, agent: false });
      forwarded.on("error", () => response.writeHead(502).end());
      forwarded.on("response", (answer) => {
        response.writeHead(answer.statusCode as number, answer.rawHeaders);
        pipeline(answer, response, () => {});
      });
      return pipeline(request, forwarded, () => {});
    });
    this.#server.on("connect", (request: IncomingMessage, socket: Socket) => {
      this.#note(request);
      this.#keep(socket);
      if (!admits(request))
        return socket.end("HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n");
      const [, port] = (request.url as string).split(":");
      const onward = connect(Number(port), "127.0.0.1", () => {
        socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
        socket.pipe(onward).pipe(socket);
      });
      socket.on("close", () => onward.destroy());
      onward.on("close", () => socket.destroy());
      return this.#keep(onward);
    });
    this.#server.on("connection", (socket: Socket) => this.#keep(socket));
    this.#server.on("tlsClientError", () => {});
  }

  get url(): string {
    const { port } = this.#server.address() as AddressInfo;
    return this.#secure ? `https://localhost:${port}` : `http://127.0.0.1:${port}`;
  }

  *enter(): Coroutine<ProxyServer> {
    this.#server.listen(0, "127.0.0.1");
    yield* until(once(this.#server, "listening"));
    return this;
  }

  *exit(): Coroutine<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    yield* until(closed);
  }

  #note({ method, url, headers }: IncomingMessage): void {
    this.asked.push({ line: `${method} ${url}`, headers });
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => this.#sockets.delete(socket));
  }
}
