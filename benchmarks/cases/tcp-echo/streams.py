import asyncio


async def echo(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


def serve(_control):
    return asyncio.start_server(echo, "127.0.0.1", 0)
