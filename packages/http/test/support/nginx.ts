import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { ForeignProcess } from "./foreign-process.js";
import { pathOf } from "./programs.js";

/** What an nginx is to do. */
export interface NginxOptions {
  /** Files below its root, by path. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  /** A certificate and its key, in PEM: then it speaks TLS. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
  /** Default false; without TLS only for who knows it before. */
  readonly http2?: boolean;
  /** Directives of its `server`. */
  readonly server?: string;
  /** Directives outside of its `server`, `upstream` for one. */
  readonly http?: string;
}

/** A request that nginx has answered, from its log. */
interface LoggedRequest {
  /** The serial number of its connection. */
  readonly connection: number;
  /** Which request of its connection it was, from 1. */
  readonly nth: number;
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  /** `"HTTP/1.1"` or `"HTTP/2.0"`. */
  readonly protocol: string;
  /** 499 if the client closed the connection before. */
  readonly status: number;
}

/** An nginx of one's own: one process of this user, on a free port of 127.0.0.1, with all it writes in a temporary folder. */
export interface Nginx {
  readonly port: number;
  /** `http://127.0.0.1:port`, or `https:` */
  readonly origin: string;
  /** All requests that are over; the last ones a moment after their answers. */
  requests(): LoggedRequest[];
  stop(): Promise<void>;
}

/** Starts an nginx. */
export async function startNginx(options: NginxOptions = {}): Promise<Nginx> {
  const folder = mkdtempSync(join(tmpdir(), "corio-nginx-"));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  try {
    const { port, nginx } = await startOnFreePort(folder, options);
    return {
      port,
      origin: `${options.tls ? "https" : "http"}://127.0.0.1:${port}`,
      requests: () => readFileSync(join(folder, "requests"), "utf8").split("\n").filter(Boolean).map(parse),
      async stop() {
        await nginx.stop().finally(remove);
      },
    };
  } catch (error) {
    remove();
    throw error;
  }
}

const parse = (line: string): LoggedRequest => JSON.parse(line) as LoggedRequest;

/** nginx takes no port 0, so somebody else may take the one that was free a moment ago. */
async function startOnFreePort(
  folder: string,
  options: NginxOptions,
): Promise<{ readonly port: number; readonly nginx: ForeignProcess }> {
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    writeFiles(folder, port, options);
    let listens = (): void => {};
    const listening = new Promise<void>((resolve) => {
      listens = resolve;
    });
    const nginx = new ForeignProcess(pathOf("nginx"), ["-p", folder, "-c", "nginx.conf", "-e", "stderr"], {
      onErrorLine: (line) => line.includes("event method") && listens(),
    });
    try {
      await nginx.whileRunning(listening);
      return { port, nginx };
    } catch (error) {
      await nginx.stop().catch(() => {});
      if (attempt === 3 || !String(error).includes("Address already in use")) throw error;
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

function writeFiles(
  folder: string,
  port: number,
  { files = {}, tls, http2, server = "", http = "" }: NginxOptions,
): void {
  const write = (path: string, content: string | Uint8Array): void => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  };
  mkdirSync(join(folder, "root"), { recursive: true });
  for (const [path, content] of Object.entries(files)) write(join("root", path), content);
  if (tls) {
    write("certificate", tls.cert);
    write("key", tls.key);
  }
  write("requests", "");
  const speaks = `${tls ? " ssl" : ""}${http2 ? " http2" : ""}`;
  const certificate = tls ? "ssl_certificate certificate; ssl_certificate_key key;" : "";
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((it) => `${it}_temp_path ${it};`);
  write(
    "nginx.conf",
    `
daemon off;
master_process off; # one process, and as this user even if that is root
pid nginx.pid;
error_log stderr notice; # it says when it listens
events { worker_connections 20000; }
http {
  log_format request escape=json '{"connection":$connection,"nth":$connection_requests,"method":"$request_method",'
    '"target":"$request_uri","protocol":"$server_protocol","status":$status}';
  access_log requests request;
  ${temporary.join(" ")}
  types { text/html html; text/plain txt; application/json json; }
  keepalive_requests 1000000;
  ${http}
  server {
    listen 127.0.0.1:${port} backlog=4096${speaks};
    server_name localhost;
    root root;
    ${certificate}
    ${server}
  }
}
`,
  );
}
