import asyncio


async def nap(ms):
    await asyncio.sleep(ms / 1000)
    return 1


async def work(n):
    return sum(await asyncio.gather(*(nap(1 + i % 1000) for i in range(n))))
