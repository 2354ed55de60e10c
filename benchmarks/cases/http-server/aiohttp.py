import asyncio

from aiohttp import web


async def hello(_request):
    return web.Response(text="hello")


async def serve(_control):
    app = web.Application()
    app.add_routes([web.get("/", hello)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    return await asyncio.get_running_loop().create_server(runner.server, "127.0.0.1", 0, backlog=512)
