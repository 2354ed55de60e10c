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


def timed(n):
    start, before = time.perf_counter(), time.process_time()
    result = run(program.work(n))
    return time.process_time() - before, time.perf_counter() - start, result


def speed():
    fixed = job.get("n")
    n = fixed or 64
    warm = time.perf_counter() + effort["warmUpMs"] / 1000
    rounds = 0
    while True:
        cpu_seconds, _, _ = timed(n)
        rounds += 1
        filled = rounds > 1 if fixed else cpu_seconds >= effort["batchMs"] / 2000
        if filled and time.perf_counter() >= warm:
            break
        if not filled and not fixed:
            n *= 2
    if not fixed:
        n = max(1, round(n * effort["batchMs"] / 1000 / cpu_seconds))
    return [batch(n, 1e9 / n) for _ in range(effort["batches"])]


def cpu():
    n = job["n"]
    timed(n)
    return [batch(n, 1e3) for _ in range(min(2, effort["batches"]))]


def batch(n, factor):
    cpu_seconds, wall_seconds, result = timed(n)
    return {"value": cpu_seconds * factor, "wall": wall_seconds * factor, "n": n, "result": result}


print("\n" + json.dumps({"batches": {"speed": speed, "cpu": cpu}[job["kind"]]()}))
