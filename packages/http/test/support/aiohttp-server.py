"""A server that corio's clients did not grow up with, on aiohttp.

    aiohttp-server.py [--certificate FILE --key FILE] [--path SOCKET]

It prints the port on which it listens on 127.0.0.1, then an answer, as JSON, to each line of its standard input: "stats". It ends when
that ends. Lengths are bytes, `ms` are milliseconds.
"""

import argparse
import asyncio
import hashlib
import json
import os
import ssl
import sys
import weakref
import zlib

from aiohttp import WSMsgType, web

routes = web.RouteTableDef()


class Stats:
    """What the server has seen since it was started."""

    connections = 0
    requests = 0
    gone = 0  # clients that did not wait for their answer


numbers = weakref.WeakKeyDictionary()  # of connections, by their transport
tries = {}  # of /flaky, by its key


@web.middleware
async def count(request, handler):
    Stats.requests += 1
    if request.transport is not None and request.transport not in numbers:
        Stats.connections += 1
        numbers[request.transport] = Stats.connections
    return await handler(request)


def number(request, name, default=0):
    return int(request.query.get(name, default))


async def sleep(request, ms):
    """Sleeps while the client is there; whether it is there still."""
    end = asyncio.get_running_loop().time() + ms / 1000
    while (left := end - asyncio.get_running_loop().time()) > 0:
        if request.transport is None or request.transport.is_closing():
            Stats.gone += 1
            return False
        await asyncio.sleep(min(left, 0.02))
    return True


def pattern(i, size):
    return bytes([i % 256]) * size


@routes.route("*", "/echo{rest:.*}")
async def echo(request):
    """What came: the headers as they were written; the body, up to 64 KiB of it, as Latin-1."""
    checksum, length, beginning = hashlib.sha256(), 0, b""
    async for piece in request.content.iter_chunked(65536):
        checksum.update(piece)
        length += len(piece)
        beginning += piece[: 65536 - len(beginning)]
    return web.json_response(
        {
            "method": request.method,
            "target": request.raw_path,
            "version": f"{request.version.major}.{request.version.minor}",
            "headers": [[name.decode(), value.decode("utf-8", "replace")] for name, value in request.raw_headers],
            "length": length,
            "sha256": checksum.hexdigest(),
            "text": beginning.decode("latin-1"),
            "connection": numbers.get(request.transport),
        }
    )


@routes.post("/form")
async def form(request):
    """The fields of a form, or the parts of a multipart body, as this server reads them."""
    if not request.content_type.startswith("multipart/"):
        return web.json_response([[name, value] for name, value in (await request.post()).items()])
    parts = []
    async for part in await request.multipart():
        checksum, length = hashlib.sha256(), 0
        while piece := await part.read_chunk(65536):
            checksum.update(piece)
            length += len(piece)
        parts.append(
            {
                "name": part.name,
                "filename": part.filename,
                "type": part.headers.get("content-type"),
                "length": length,
                "sha256": checksum.hexdigest(),
            }
        )
    return web.json_response(parts)


@routes.route("*", "/status/{status}")
async def status(request):
    """That status; each field of the query is a header."""
    return web.Response(status=int(request.match_info["status"]), headers=request.query)


@routes.route("*", "/flaky/{key}")
async def flaky(request):
    """?fail=N&status=S: the first N requests with this key fail; each other field of the query is a header of those."""
    key = request.match_info["key"]
    tries[key] = tries.get(key, 0) + 1
    if tries[key] > number(request, "fail", 1):
        return web.json_response({"tries": tries[key]})
    headers = {name: value for name, value in request.query.items() if name not in ("fail", "status")}
    return web.Response(status=number(request, "status", 503), headers=headers)


@routes.route("*", "/redirect/{left}")
async def redirect(request):
    """?status=302: redirects so many times, then to /echo."""
    left = int(request.match_info["left"])
    query = f"?{request.query_string}" if request.query_string else ""
    location = f"/redirect/{left - 1}{query}" if left > 1 else "/echo"
    return web.Response(status=number(request, "status", 302), headers={"location": location})


@routes.route("*", "/redirect-to")
async def redirect_to(request):
    """?url=…&status=302"""
    return web.Response(status=number(request, "status", 302), headers={"location": request.query["url"]})


@routes.route("*", "/slow")
async def slow(request):
    """?ms=1000: the head comes after so long."""
    await sleep(request, number(request, "ms", 1000))
    return web.Response(text="slow")


@routes.get("/bytes/{length}")
async def bytes_of(request):
    return web.Response(body=pattern(120, int(request.match_info["length"])))


@routes.get("/chunks")
async def chunks(request):
    """?n=10&size=1000&ms=0: so many chunks, each of one byte repeated (0, 1, 2 …), so long before each."""
    response = web.StreamResponse()
    response.enable_chunked_encoding()
    await response.prepare(request)
    for i in range(number(request, "n", 10)):
        if not await sleep(request, number(request, "ms")):
            break
        await response.write(pattern(i, number(request, "size", 1000)))
    return response


@routes.get("/drip")
async def drip(request):
    """?bytes=10&ms=20: byte by byte, with a content-length."""
    length = number(request, "bytes", 10)
    response = web.StreamResponse(headers={"content-length": str(length)})
    await response.prepare(request)
    for _ in range(length):
        if not await sleep(request, number(request, "ms", 20)):
            break
        await response.write(b"x")
    return response


COMPRESSIONS = {"gzip": 31, "deflate": 15, "raw-deflate": -15}


@routes.get("/{name:gzip|deflate|raw-deflate}")
async def compressed(request):
    """?bytes=1000: so many zeros, compressed, whatever the client accepts."""
    name = request.match_info["name"]
    compressor = zlib.compressobj(wbits=COMPRESSIONS[name])
    response = web.StreamResponse(headers={"content-encoding": name.removeprefix("raw-"), "content-type": "text/plain"})
    await response.prepare(request)
    left = number(request, "bytes", 1000)
    while left > 0:
        await response.write(compressor.compress(bytes(min(left, 1 << 20))))
        left -= 1 << 20
    await response.write(compressor.flush())
    return response


@routes.get("/cookies")
async def cookies(request):
    return web.json_response(dict(request.cookies))


@routes.get("/cookies/set")
async def set_cookies(request):
    """?name=value…: sets them, and redirects to /cookies."""
    response = web.Response(status=302, headers={"location": "/cookies"})
    for name, value in request.query.items():
        response.set_cookie(name, value, path="/")
    return response


@routes.get("/sse")
async def sse(request):
    """
    ?n=3&ms=0&retry=10&total=9: so many events, numbered on from Last-Event-ID, then the end; 204 when there have been `total`.
    """
    first = int(request.headers.get("last-event-id", 0)) + 1
    total = number(request, "total", 1 << 30)
    if first > total:
        return web.Response(status=204)
    response = web.StreamResponse(headers={"content-type": "text/event-stream", "cache-control": "no-cache"})
    await response.prepare(request)
    await response.write(f": hello\nretry: {number(request, 'retry', 10)}\n\n".encode())
    for i in range(first, min(first + number(request, "n", 3), total + 1)):
        if not await sleep(request, number(request, "ms")):
            break
        await response.write(f"id: {i}\nevent: tick\ndata: {i}\ndata: ü\n\n".encode())
    return response


@routes.get("/ws")
async def ws(request):
    """Sends back what comes; told "close CODE REASON" it closes, told "send N LENGTH" it sends so many."""
    socket = web.WebSocketResponse(protocols=("echo", "other"), max_msg_size=64 << 20)
    await socket.prepare(request)
    async for message in socket:
        if message.type == WSMsgType.BINARY:
            await socket.send_bytes(message.data)
            continue
        word, *rest = message.data.split(" ", 2)
        if word == "close":
            await socket.close(code=int(rest[0]), message=" ".join(rest[1:]).encode())
        elif word == "send":
            for i in range(int(rest[0])):
                await socket.send_str(str(i % 10) * int(rest[1]))
        else:
            await socket.send_str(message.data)
    return socket


async def questions():
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    return reader


async def main():
    app = web.Application(middlewares=[count])
    app.add_routes(routes)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    context = None
    if args.certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(args.certificate, args.key)
    if args.path:
        await web.UnixSite(runner, args.path, ssl_context=context).start()
        print("listening on 0", flush=True)
    else:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context, backlog=4096)
        await site.start()
        print("listening on", runner.addresses[0][1], flush=True)
    async for _ in await questions():
        seen = {name: getattr(Stats, name) for name in ("connections", "requests", "gone")}
        print(json.dumps({**seen, "open": len(runner.server.connections)}), flush=True)
    os._exit(0)


parser = argparse.ArgumentParser()
for name in "certificate", "key", "path":
    parser.add_argument(f"--{name}")
args = parser.parse_args()
asyncio.run(main())
