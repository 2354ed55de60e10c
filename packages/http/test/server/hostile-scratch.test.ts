import { sleep, within, until } from "corio";
import { expect } from "vitest";
import { Response } from "../../src/index.js";
import { it, serving, request } from "./hostile-setting.js";

const sm = "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
const p = (...h: string[]) => ["POST / HTTP/1.1", "Host: localhost", ...h, "", ""].join("\r\n");
const texts: Record<string, string> = {
  "1.0 TE": "POST / HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + sm,
  "bare LF all": "GET / HTTP/1.1\nHost: localhost\n\n" + sm,
  "bare LF header": "GET / HTTP/1.1\r\nHost: localhost\nX: y\r\n\r\n" + sm,
  "LF LF end": "GET / HTTP/1.1\r\nHost: localhost\r\n\n" + sm,
  "chunk ext LF": p("Transfer-Encoding: chunked") + "5;x\nAAAAA\r\n0\r\n\r\n" + sm,
  "chunk size LF": p("Transfer-Encoding: chunked") + "5\nAAAAA\r\n0\r\n\r\n" + sm,
  "chunk data LF": p("Transfer-Encoding: chunked") + "5\r\nAAAAA\n0\r\n\r\n" + sm,
  "chunk data nothing": p("Transfer-Encoding: chunked") + "5\r\nAAAAA0\r\n\r\n" + sm,
  "chunk CR only": p("Transfer-Encoding: chunked") + "5\rAAAAA\r\n0\r\n\r\n" + sm,
  "final LF": p("Transfer-Encoding: chunked") + "0\r\n\n" + sm,
  "final trailing": p("Transfer-Encoding: chunked") + "0\r\nContent-Length: 50\r\nHost: other\r\n\r\n" + sm,
  "dup chunked": p("Transfer-Encoding: chunked", "Transfer-Encoding: chunked") + "0\r\n\r\n" + sm,
  "chunked, chunked": p("Transfer-Encoding: chunked, chunked") + "0\r\n\r\n" + sm,
  "gzip, chunked": p("Transfer-Encoding: gzip, chunked") + "0\r\n\r\n" + sm,
  "CHUNKED": p("Transfer-Encoding: CHUNKED") + "0\r\n\r\n" + sm,
  "chunked;q": p("Transfer-Encoding: chunked;q=1") + "0\r\n\r\n" + sm,
  "same CLs": p("Content-Length: 0", "Content-Length: 0") + sm,
  "list same CLs": p("Content-Length: 0, 0") + sm,
  "empty CL": p("Content-Length: ") + sm,
  "CL 00": p("Content-Length: 00") + sm,
  "empty Host": "GET / HTTP/1.1\r\nHost:\r\n\r\n" + sm,
  "bad port": "GET / HTTP/1.1\r\nHost: localhost:abc\r\n\r\n" + sm,
  "port 99999": "GET / HTTP/1.1\r\nHost: localhost:99999\r\n\r\n" + sm,
  "hosts comma": "GET / HTTP/1.1\r\nHost: localhost, other\r\n\r\n" + sm,
  "host percent": "GET / HTTP/1.1\r\nHost: local%2fhost\r\n\r\n" + sm,
  "host #": "GET / HTTP/1.1\r\nHost: local#host\r\n\r\n" + sm,
  "host \\": "GET / HTTP/1.1\r\nHost: local\\host\r\n\r\n" + sm,
  "host utf8": "GET / HTTP/1.1\r\nHost: loc\xe9l\r\n\r\n" + sm,
  "absolute other host": "GET http://other.example/x HTTP/1.1\r\nHost: localhost\r\n\r\n" + sm,
  "absolute user": "GET http://u:p@other.example/x HTTP/1.1\r\nHost: localhost\r\n\r\n" + sm,
  "absolute ftp": "GET ftp://other.example/x HTTP/1.1\r\nHost: localhost\r\n\r\n" + sm,
  "no slash": "GET x HTTP/1.1\r\nHost: localhost\r\n\r\n" + sm,
  "//other": "GET //other.example/x HTTP/1.1\r\nHost: localhost\r\n\r\n" + sm,
  "/\\other": "GET /\\other.example/x HTTP/1.1\r\nHost: localhost\r\n\r\n" + sm,
  "dots": "GET /a/../../b/./c/%2e%2e/d HTTP/1.1\r\nHost: localhost\r\n\r\n" + sm,
  "target #": "GET /a#b HTTP/1.1\r\nHost: localhost\r\n\r\n" + sm,
  "target tab": "GET /a\tb HTTP/1.1\r\nHost: localhost\r\n\r\n" + sm,
  "target space": "GET /a b HTTP/1.1\r\nHost: localhost\r\n\r\n" + sm,
  "target NUL": "GET /a\0b HTTP/1.1\r\nHost: localhost\r\n\r\n" + sm,
  "target high": "GET /\xc3\xa9 HTTP/1.1\r\nHost: localhost\r\n\r\n" + sm,
  "target CR": "GET /a\rb HTTP/1.1\r\nHost: localhost\r\n\r\n" + sm,
  "two spaces": "GET  / HTTP/1.1\r\nHost: localhost\r\n\r\n" + sm,
  "tab sep": "GET\t/\tHTTP/1.1\r\nHost: localhost\r\n\r\n" + sm,
  "trailing space": "GET / HTTP/1.1 \r\nHost: localhost\r\n\r\n" + sm,
  "lowercase method": "get / HTTP/1.1\r\nHost: localhost\r\n\r\n" + sm,
  "unknown method": "FOO / HTTP/1.1\r\nHost: localhost\r\n\r\n" + sm,
  "lower http": "GET / http/1.1\r\nHost: localhost\r\n\r\n" + sm,
  "HTTP/2.0": "GET / HTTP/2.0\r\nHost: localhost\r\n\r\n" + sm,
  "HTTP/1.10": "GET / HTTP/1.10\r\nHost: localhost\r\n\r\n" + sm,
  "HTTP/01.1": "GET / HTTP/01.1\r\nHost: localhost\r\n\r\n" + sm,
  "PRI": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  "CONNECT": "CONNECT other:443 HTTP/1.1\r\nHost: other:443\r\n\r\n" + sm,
  "TRACE": "TRACE / HTTP/1.1\r\nHost: localhost\r\n\r\n" + sm,
  "OPTIONS *": "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n" + sm,
  "GET *": "GET * HTTP/1.1\r\nHost: localhost\r\n\r\n" + sm,
  "header empty name": request("GET /", [": x"]) + sm,
  "header no colon": request("GET /", ["X"]) + sm,
  "header name space": request("GET /", ["X Y: x"]) + sm,
  "header name utf8": request("GET /", ["X\xe9: x"]) + sm,
  "header name paren": request("GET /", ["X(: x"]) + sm,
  "value DEL": request("GET /", ["X: \x7f"]) + sm,
  "value ctl": request("GET /", ["X: \x01"]) + sm,
  "value VT": request("GET /", ["X: \x0b"]) + sm,
  "leading CRLFs": "\r\n\r\n\r\n" + request("GET /") + sm,
  "leading LFs": "\n\n" + request("GET /") + sm,
  "leading space": " " + request("GET /") + sm,
  "upgrade h2c": request("GET /", ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"]) + sm,
  "upgrade ws": request("GET /", ["Connection: Upgrade", "Upgrade: websocket"]) + sm,
  "upgrade post cl": request("POST /", ["Connection: Upgrade", "Upgrade: h2c", "Content-Length: 5"], "hello") + sm,
  "upgrade post chunked": request("POST /", ["Connection: Upgrade", "Upgrade: h2c", "Transfer-Encoding: chunked"], "5\r\nhello\r\n0\r\n\r\n") + sm,
  "upgrade ws post": request("POST /", ["Connection: Upgrade", "Upgrade: websocket", "Content-Length: 5"], "hello") + sm,
  "expect other": request("POST /", ["Expect: x", "Content-Length: 5"], "hello") + sm,
  "http/1.0 no host": "GET / HTTP/1.0\r\n\r\n" + sm,
  "http/1.0 keep": "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + sm,
  "tls hello": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
  "GET CL body": request("GET /", ["Content-Length: 5"], "hello") + sm,
  "nonsense after": request("GET /") + "xxxx\r\n\r\n",
};

it("scratch", { timeout: 60000 }, function* () {
  const seen: string[] = [];
  const handler = function* (incoming: Request) {
    const text = yield* until(incoming.text());
    seen.push(`${incoming.method} ${incoming.url} ${JSON.stringify(text)}`);
    return new Response("ok");
  };
  yield* within(serving(handler, {bodyIdleTimeout: 200, keepAliveTimeout: 100}), function* (serving) {
    for (const [name, text] of Object.entries(texts)) {
      seen.length = 0;
      const { received, ended } = yield* serving.exchange(text, 700);
      console.log(name.padEnd(22), ended.padEnd(10), (received.match(/HTTP\/1\.1 \d+/g) ?? []).map((x) => x.slice(9)).join(","), "|", seen.join(" ; "));
    }
    console.log(serving.reports());
  });
});
