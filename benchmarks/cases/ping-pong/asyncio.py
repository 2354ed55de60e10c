import asyncio


async def answer(requests, replies, n):
    for _ in range(n):
        await replies.put(await requests.get())


async def work(n):
    requests, replies = asyncio.Queue(), asyncio.Queue()
    answering = asyncio.create_task(answer(requests, replies, n))
    total = 0
    for _ in range(n):
        await requests.put(1)
        total += await replies.get()
    await answering
    return total
