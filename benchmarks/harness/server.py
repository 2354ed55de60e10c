# server.mjs for Python: runs one server in a process that does nothing else. Same job, same words.
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


def say(value):
    print(json.dumps(value), flush=True)


class Control:
    def connected(self):
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def ended(self, lines, size):
        wall, cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu
        say({"lines": lines, "bytes": size, "ms": wall * 1000, "cpuMs": cpu * 1000})


def answer(over):
    questions = os.read(0, 1024)
    if not questions:
        over.set()
        return
    for _ in questions.splitlines():
        say({"cpuMs": time.process_time() * 1000})


async def main():
    over = asyncio.Event()
    asyncio.get_running_loop().add_reader(0, answer, over)
    server = await program.serve(Control())
    say({"port": server.sockets[0].getsockname()[1]})
    await over.wait()
    os._exit(0)


run(main())
