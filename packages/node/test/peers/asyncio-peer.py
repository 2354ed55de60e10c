"""The other end of a connection, on CPython's asyncio.

    asyncio-peer.py server SCENARIO [--tls] [--certificate FILE --key FILE]   prints its port, serves one connection
    asyncio-peer.py client SCENARIO --port PORT [--tls] [--authority FILE]    connects to localhost

It prints "done" when all went as it should.
"""

import argparse
import asyncio
import hashlib
import os
import ssl

SIZE = 16 * 1024 * 1024
PIECE = 64 * 1024
LINES = 200


def line(n):
    return (f"{n} " + "äöü€" * (n * 7 % 50) + "\n").encode()


async def ask(reader, writer):
    for n in range(LINES):
        writer.write(line(n))
        await writer.drain()
        answer = await reader.readline()
        assert answer == line(n)[::-1][1:] + b"\n", answer


async def answer(reader, writer):
    async for received in reader:
        writer.write(received[::-1][1:] + b"\n")
        await writer.drain()


async def exchange(reader, writer):
    """Both send SIZE bytes at once, then tell each other the checksum of what came."""
    sent, received = hashlib.sha256(), hashlib.sha256()

    async def send():
        for _ in range(SIZE // PIECE):
            piece = os.urandom(PIECE)
            sent.update(piece)
            writer.write(piece)
            await writer.drain()

    async def receive():
        left = SIZE
        while left > 0:
            piece = await reader.read(min(left, PIECE))
            assert piece, f"ended {left} bytes early"
            received.update(piece)
            left -= len(piece)

    await asyncio.gather(send(), receive())
    writer.write(received.hexdigest().encode() + b"\n")
    assert await reader.readline() == sent.hexdigest().encode() + b"\n"


async def end_then_listen(reader, writer):
    writer.write(b"half")
    writer.write_eof()
    assert await reader.read() == b"other-half"


async def listen_then_answer(reader, writer):
    assert await reader.read() == b"half"
    writer.write(b"other-half")


async def listen_to_end(reader, writer):
    assert await reader.read() == b"half"


async def upgrade_and_ask(reader, writer):
    writer.write(b"STARTTLS\n")
    assert await reader.readline() == b"go ahead\n"
    await writer.start_tls(client_context(), server_hostname="localhost")
    await ask(reader, writer)


async def upgrade_and_answer(reader, writer):
    assert await reader.readline() == b"STARTTLS\n"
    writer.write(b"go ahead\n")
    await writer.drain()
    await writer.start_tls(server_context())
    await answer(reader, writer)


def client_context():
    context = ssl.create_default_context(cafile=args.authority)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def server_context():
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(args.certificate, args.key)
    return context


async def play(reader, writer):
    await globals()[args.scenario](reader, writer)
    writer.close()
    await writer.wait_closed()
    print("done", flush=True)


async def client():
    context = client_context() if args.tls else None
    await play(*await asyncio.open_connection("localhost", args.port, ssl=context))


async def server():
    played = asyncio.get_running_loop().create_future()

    async def serve(reader, writer):
        try:
            await play(reader, writer)
            played.set_result(None)
        except Exception as error:
            played.set_exception(error)

    context = server_context() if args.tls else None
    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    print("listening on", listening.sockets[0].getsockname()[1], flush=True)
    await played
    listening.close()


parser = argparse.ArgumentParser()
parser.add_argument("side", choices=["client", "server"])
parser.add_argument("scenario")
parser.add_argument("--tls", action="store_true")
for name in "authority", "certificate", "key":
    parser.add_argument(f"--{name}")
parser.add_argument("--port", type=int)
args = parser.parse_args()
asyncio.run(server() if args.side == "server" else client())
