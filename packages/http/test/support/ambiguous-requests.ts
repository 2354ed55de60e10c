/** A request that the one in front may read otherwise than the one behind it. */
export interface AmbiguousRequest {
  readonly title: string;
  /** As it is sent, in Latin-1. If a server sees a request for `/smuggled` in it, it was taken in. */
  readonly text: string;
}

const smuggled = "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
const post = (...headers: string[]): string => ["POST / HTTP/1.1", "Host: localhost", ...headers, "", ""].join("\r\n");
const get = (...headers: string[]): string => ["GET / HTTP/1.1", ...headers, "", ""].join("\r\n");
const hidden = `0\r\n\r\n${smuggled}`;
const length = `Content-Length: ${hidden.length}`;

/** Each of these has to be refused: 400, and the connection closed, without an answer to what is hidden in it. */
export const ambiguousRequests: readonly AmbiguousRequest[] = [
  { title: "a length and chunks", text: post(length, "Transfer-Encoding: chunked") + hidden },
  { title: "chunks and a length", text: post("Transfer-Encoding: chunked", "Content-Length: 4") + hidden },
  {
    title: "two lengths that differ",
    text: post("Content-Length: 0", `Content-Length: ${smuggled.length}`) + smuggled,
  },
  { title: "a list of lengths", text: post(`Content-Length: 0, ${smuggled.length}`) + smuggled },
  { title: "a length with a sign", text: post("Content-Length: +0") + smuggled },
  { title: "a negative length", text: post("Content-Length: -1") + smuggled },
  { title: "a length in hexadecimal", text: post("Content-Length: 0x0") + smuggled },
  { title: "a length with a space in it", text: post("Content-Length: 0 0") + smuggled },
  { title: "a length beyond 64 bits", text: post("Content-Length: 18446744073709551616") + smuggled },
  { title: "an encoding that is not chunked", text: post("Transfer-Encoding: xchunked") + hidden },
  { title: "an encoding that is not known, and a length", text: post(length, "Transfer-Encoding: x") + hidden },
  { title: "chunked, but not last", text: post("Transfer-Encoding: chunked, identity") + hidden },
  {
    title: "chunked in one header, identity in the next",
    text: post("Transfer-Encoding: chunked", "Transfer-Encoding: identity") + hidden,
  },
  { title: "a space before the colon", text: post(length, "Transfer-Encoding : chunked") + hidden },
  { title: "a header that goes on in the next line", text: post(length, "Transfer-Encoding:\r\n chunked") + hidden },
  { title: "a header that begins with a space", text: post(" Transfer-Encoding: chunked", length) + hidden },
  { title: "a vertical tab before chunked", text: post(length, "Transfer-Encoding: \u000bchunked") + hidden },
  { title: "a chunk's length that is none", text: `${post("Transfer-Encoding: chunked")}x\r\n\r\n${smuggled}` },
  { title: "a chunk's length with a prefix", text: `${post("Transfer-Encoding: chunked")}0x0\r\n\r\n${smuggled}` },
  {
    title: "a chunk's length beyond 64 bits",
    text: `${post("Transfer-Encoding: chunked")}10000000000000000\r\n\r\n${smuggled}`,
  },
  { title: "a chunk without its end", text: `${post("Transfer-Encoding: chunked")}1\r\nxyz\r\n${hidden}` },
  { title: "a bare carriage return in a header", text: get("Host: localhost", "X: x\rContent-Length: 0") },
  { title: "a NUL in a header", text: get("Host: localhost", "X: x\0x") },
  { title: "a NUL in a header's name", text: get("Host: localhost", "X\0: x") },
  { title: "no Host", text: get("X: x") },
  { title: "two Hosts", text: get("Host: localhost", "Host: other.example") },
  { title: "a Host with a path", text: get("Host: localhost/x") },
  { title: "a Host with a user", text: get("Host: user@localhost") },
  { title: "a Host with a space", text: get("Host: local host") },
  { title: "a method with a space", text: `GE T / HTTP/1.1\r\nHost: localhost\r\n\r\n` },
  { title: "a version that there is not", text: `GET / HTTP/1.9\r\nHost: localhost\r\n\r\n` },
  { title: "no version, with headers", text: `GET /\r\nHost: localhost\r\n\r\n` },
  { title: "the beginning of HTTP/2", text: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" },
  { title: "the beginning of TLS", text: "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" },
  { title: "the same length twice", text: post("Content-Length: 0", "Content-Length: 0") + smuggled },
  { title: "the same length twice in a list", text: post("Content-Length: 0, 0") + smuggled },
  { title: "an empty length", text: post("Content-Length: ") + smuggled },
  { title: "chunked twice", text: post("Transfer-Encoding: chunked, chunked") + hidden },
  { title: "chunked in two headers", text: post("Transfer-Encoding: chunked", "Transfer-Encoding: chunked") + hidden },
  { title: "chunked with a parameter", text: post("Transfer-Encoding: chunked;q=1") + hidden },
  { title: "an empty encoding", text: post("Transfer-Encoding: ") + hidden },
  {
    title: "chunks in HTTP/1.0, which has none",
    text: `POST / HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n${hidden}`,
  },
  { title: "bare line feeds", text: `GET / HTTP/1.1\nHost: localhost\n\n${smuggled}` },
  { title: "a bare line feed behind a header", text: `GET / HTTP/1.1\r\nHost: localhost\nX: x\r\n\r\n${smuggled}` },
  { title: "a bare line feed behind the headers", text: `GET / HTTP/1.1\r\nHost: localhost\r\n\n${smuggled}` },
  { title: "a bare line feed behind a chunk's length", text: `${post("Transfer-Encoding: chunked")}1\nx\r\n${hidden}` },
  {
    title: "a bare line feed behind a chunk's extension",
    text: `${post("Transfer-Encoding: chunked")}1;x\nx\r\n${hidden}`,
  },
  { title: "a bare line feed behind a chunk", text: `${post("Transfer-Encoding: chunked")}1\r\nx\n${hidden}` },
  { title: "a chunk with nothing behind it", text: `${post("Transfer-Encoding: chunked")}1\r\nx${hidden}` },
  { title: "a bare line feed behind the last chunk", text: `${post("Transfer-Encoding: chunked")}0\r\n\n${smuggled}` },
  { title: "a space behind a chunk's length", text: `${post("Transfer-Encoding: chunked")}1 \r\nx\r\n${hidden}` },
  { title: "a chunk's length with an underscore", text: `${post("Transfer-Encoding: chunked")}1_0\r\nx\r\n${hidden}` },
  {
    title: "a length behind the last chunk",
    text: `${post("Transfer-Encoding: chunked")}0\r\nContent-Length: ${smuggled.length}\r\n\r\n${smuggled}`,
  },
  { title: "an empty Host", text: get("Host: ") + smuggled },
  { title: "a Host without a name", text: get("Host: :80") + smuggled },
  { title: "a Host with a port that is none", text: get("Host: localhost:x") + smuggled },
  { title: "a Host with a port beyond 65,535", text: get("Host: localhost:65536") + smuggled },
  { title: "a list of Hosts", text: get("Host: localhost, other.example") + smuggled },
  { title: "a Host with an escaped slash", text: get("Host: local%2fhost") + smuggled },
  { title: "a Host with a backslash", text: get("Host: local\\host") + smuggled },
  { title: "a Host with a query", text: get("Host: localhost?x") + smuggled },
  { title: "a Host with a fragment", text: get("Host: localhost#x") + smuggled },
  { title: "a Host that is not ASCII", text: get("Host: loc\xe9l") + smuggled },
  { title: "a target that is no path", text: `GET x HTTP/1.1\r\nHost: localhost\r\n\r\n${smuggled}` },
  { title: "a target with a user", text: `GET http://u:p@localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n${smuggled}` },
  { title: "a target of another scheme", text: `GET ftp://localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n${smuggled}` },
  { title: "a target with a space", text: `GET /a b HTTP/1.1\r\nHost: localhost\r\n\r\n${smuggled}` },
  { title: "a target with a tab", text: `GET /a\tb HTTP/1.1\r\nHost: localhost\r\n\r\n${smuggled}` },
  { title: "a target with a carriage return", text: `GET /a\rb HTTP/1.1\r\nHost: localhost\r\n\r\n${smuggled}` },
  { title: "a target with a NUL", text: `GET /a\0b HTTP/1.1\r\nHost: localhost\r\n\r\n${smuggled}` },
  { title: "a method in lower case", text: `get / HTTP/1.1\r\nHost: localhost\r\n\r\n${smuggled}` },
  { title: "a space before the method", text: ` GET / HTTP/1.1\r\nHost: localhost\r\n\r\n${smuggled}` },
  { title: "a space behind the version", text: `GET / HTTP/1.1 \r\nHost: localhost\r\n\r\n${smuggled}` },
  { title: "a header without a name", text: get("Host: localhost", ": x") + smuggled },
  { title: "a header without a colon", text: get("Host: localhost", "Transfer-Encoding chunked") + smuggled },
  { title: "a header's name with a space", text: get("Host: localhost", "Transfer Encoding: chunked") + smuggled },
  { title: "a header's name with a bracket", text: get("Host: localhost", "X(: x") + smuggled },
  { title: "a header's name that is not ASCII", text: get("Host: localhost", "X\xe9: x") + smuggled },
  { title: "a DEL in a header", text: get("Host: localhost", "X: \x7f") + smuggled },
];
