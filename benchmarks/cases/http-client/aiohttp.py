import asyncio

import aiohttp


async def request(control):
    connector = aiohttp.TCPConnector(limit=control.at_once)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def worker():
            while control.wanted():
                async with session.get(control.url) as response:
                    control.got(await response.read())

        while True:
            await control.begin()
            await asyncio.gather(*(worker() for _ in range(control.at_once)))
            control.end()
