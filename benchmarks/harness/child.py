# child.mjs for Python: measures one case in a process that does nothing else. Same job, same outcome.
import asyncio
import importlib.util
import json
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
effort = job["effort"]


def timed(n, clock):
    start = clock()
    result = run(program.work(n))
    return clock() - start, result


def speed():
    fixed = job.get("n")
    n = fixed or 64
    warm = time.perf_counter() + effort["warmUpMs"] / 1000
    rounds = 0
    while True:
        seconds, _ = timed(n, time.perf_counter)
        rounds += 1
        filled = rounds > 1 if fixed else seconds >= effort["batchMs"] / 2000
        if filled and time.perf_counter() >= warm:
            break
        if not filled and not fixed:
            n *= 2
    if not fixed:
        n = max(1, round(n * effort["batchMs"] / 1000 / seconds))
    return [batch(n, time.perf_counter, 1e9 / n) for _ in range(effort["batches"])]


def cpu():
    n = job["n"]
    timed(n, time.process_time)
    return [batch(n, time.process_time, 1e3) for _ in range(min(2, effort["batches"]))]


def batch(n, clock, factor):
    seconds, result = timed(n, clock)
    return {"value": seconds * factor, "n": n, "result": result}


print("\n" + json.dumps({"batches": {"speed": speed, "cpu": cpu}[job["kind"]]()}))
