# client.mjs for Python: runs one client in a process that does nothing else. Same job, same words.
import asyncio
import importlib.util
import json
import os
import sys
import time

job = json.loads(sys.argv[1])
spec = importlib.util.spec_from_file_location("program", job["file"])
program = importlib.util.module_from_spec(spec)
spec.loader.exec_module(program)
if job.get("loop") == "uvloop":
    import uvloop

    run = uvloop.run
else:
    run = asyncio.run


class Control:
    def __init__(self, orders):
        self.url, self.at_once, self.orders = job["url"], job["atOnce"], orders

    async def begin(self):
        line = await self.orders.readline()
        if not line:
            os._exit(0)
        order = json.loads(line)
        self.least, self.requests = order.get("atLeast", 0), 0
        self.cpu, self.wall = time.process_time(), time.perf_counter()
        self.until = self.wall + order["request"] / 1000

    def wanted(self):
        return time.perf_counter() < self.until or self.requests < self.least

    def got(self, body):
        if len(body) != job["bytes"]:
            raise RuntimeError(f"{len(body)} of {job['bytes']} bytes came")
        self.requests += 1

    def end(self):
        wall, cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu
        print(json.dumps({"requests": self.requests, "ms": wall * 1000, "cpuMs": cpu * 1000}), flush=True)


async def main():
    orders = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(orders)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    await program.request(Control(orders))


run(main())
