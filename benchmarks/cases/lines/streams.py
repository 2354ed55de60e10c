import asyncio


def serve(control):
    async def count(reader, writer):
        control.connected()
        lines = size = 0
        async for line in reader:
            lines += 1
            size += len(line)
        control.ended(lines, size)
        writer.close()

    return asyncio.start_server(count, "127.0.0.1", 0)
