"""A client that corio's servers did not grow up with, on aiohttp.

    aiohttp-client.py [--authority FILE]

Each line of its standard input is an order, as JSON, with an `id`; all of them are followed at the same time. It prints what came of each,
as JSON with the same `id`, and ends when its standard input does. Lengths are bytes, `ms` are milliseconds.
"""

import argparse
import asyncio
import collections
import hashlib
import json
import os
import ssl
import sys

import aiohttp


async def body_of(chunks, ms):
    for chunk in chunks:
        yield chunk.encode()
        await asyncio.sleep(ms / 1000)


async def request(session, *, method="GET", url, headers=(), body=None, chunks=None, ms=0, stop_after=None, timeout=None):
    """`chunks`: a body in pieces, with a pause after each; `stop_after`: breaks off when so much of the answer has come."""
    data = body.encode() if body is not None else body_of(chunks, ms) if chunks is not None else None
    limit = aiohttp.ClientTimeout(total=timeout and timeout / 1000)
    async with session.request(
        method, url, headers=headers, data=data, timeout=limit, allow_redirects=False
    ) as response:
        checksum, pieces = hashlib.sha256(), []
        length = 0
        if stop_after != 0:
            async for piece in response.content.iter_any():
                checksum.update(piece)
                pieces.append(piece)
                length += len(piece)
                if stop_after is not None and length >= stop_after:
                    break
        if stop_after is not None:
            response.close()
        return {
            "status": response.status,
            "reason": response.reason,
            "version": f"{response.version.major}.{response.version.minor}",
            "headers": [[name.decode(), value.decode("utf-8", "replace")] for name, value in response.raw_headers],
            "length": length,
            "sha256": checksum.hexdigest(),
            "text": b"".join(pieces)[:65536].decode("utf-8", "replace"),
            "pieces": len(pieces),
        }


async def many(session, *, url, count, at_once, headers=()):
    """`count` requests, `at_once` at a time: how often each status came, and each error."""
    came = collections.Counter()
    left = iter(range(count))

    async def ask():
        for _ in left:
            try:
                async with session.get(url, headers=headers) as response:
                    await response.read()
                    came[str(response.status)] += 1
            except Exception as error:
                came[type(error).__name__] += 1

    await asyncio.gather(*(ask() for _ in range(at_once)))
    return {"came": came}


async def websocket(session, *, url, send=(), expect=None, protocols=(), headers=(), close=1000):
    """Sends texts, waits for so many (as many as were sent), and closes; or takes in what comes, if the server closes before."""
    async with session.ws_connect(url, protocols=protocols, headers=headers, max_msg_size=64 << 20) as socket:
        for text in send:
            await socket.send_str(text)
        received = []
        while len(received) < (len(send) if expect is None else expect):
            message = await socket.receive()
            if message.type != aiohttp.WSMsgType.TEXT:
                break
            received.append(message.data)
        await socket.close(code=close)
        return {"received": received, "protocol": socket.protocol, "close_code": socket.close_code}


async def follow(session, order):
    which = {"request": request, "many": many, "websocket": websocket}[order.pop("order")]
    number = order.pop("id")
    try:
        answer = await which(session, **order)
    except Exception as error:
        answer = {"error": type(error).__name__, "message": str(error)}
        if isinstance(error, aiohttp.WSServerHandshakeError):
            answer["status"] = error.status
    print(json.dumps({"id": number, **answer}), flush=True)


async def main():
    reader = asyncio.StreamReader(limit=1 << 26)
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    context = ssl.create_default_context(cafile=args.authority)
    connector = aiohttp.TCPConnector(limit=0, ssl=context)
    following = set()
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        async for line in reader:
            task = asyncio.create_task(follow(session, json.loads(line)))
            following.add(task)
            task.add_done_callback(following.discard)
    os._exit(0)


parser = argparse.ArgumentParser()
parser.add_argument("--authority")
args = parser.parse_args()
asyncio.run(main())
