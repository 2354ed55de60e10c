"""Says what names this CPython has, of those that docs/asyncio-network.md is about. It gets the page's names on stdin."""

import asyncio
import asyncio.subprocess
import concurrent.futures as futures
import inspect
import json
import subprocess
import sys
from asyncio import protocols, streams, threads, transports
from concurrent.futures import process, thread

if not (3, 11) <= sys.version_info < (3, 15):
    sys.exit(1)

# what the page leaves to the core
CORE = """call_at call_exception_handler call_later call_soon call_soon_threadsafe close create_future create_task
    default_exception_handler get_debug get_exception_handler get_task_factory is_closed is_running run_forever
    run_until_complete set_debug set_exception_handler set_task_factory shutdown_asyncgens stop time""".split()
# public by their spelling only
UNDOCUMENTED = ["ThreadPoolExecutor.BROKEN", "ThreadPoolExecutor.prepare_context"]


def public(names):
    return [name for name in names if not name.startswith("_")]


def own(cls):
    return [f"{cls.__name__}.{name}" for name in public(vars(cls))]


names = [*streams.__all__, *asyncio.subprocess.__all__, *threads.__all__, *transports.__all__, *protocols.__all__]
names += ["subprocess." + name for name in ("PIPE", "STDOUT", "DEVNULL")]
names += [name for name in futures.__all__ if name.endswith("Executor")]
for cls in [asyncio.StreamReader, asyncio.StreamWriter, asyncio.Server, asyncio.subprocess.Process, futures.Executor]:
    names += own(cls)
for module in [transports, protocols]:
    for name in module.__all__:
        names += own(getattr(module, name))
shared = public(dir(futures.Executor))
for cls in [futures.ThreadPoolExecutor, futures.ProcessPoolExecutor]:
    names += [name for name in own(cls) if name.split(".")[1] not in shared]
names += ["loop." + name for name in public(dir(asyncio.AbstractEventLoop)) if name not in CORE]
names = [name for name in names if name not in UNDOCUMENTED]

LOOP = asyncio.new_event_loop()
LOOP.close()


class Missing(Exception):
    pass


def found(name):
    head, _, member = name.partition(".")
    if head == "loop":
        if not hasattr(LOOP, member):
            raise Missing
        return getattr(LOOP, member)
    modules = {"subprocess": asyncio.subprocess, "thread": thread, "process": process}
    if head in modules and member:
        value = modules[head]
    else:
        spaces = [asyncio, asyncio.subprocess, futures]
        value = next((getattr(space, head) for space in spaces if hasattr(space, head)), None)
        if value is None:
            raise Missing
    if not member:
        return value
    if hasattr(value, member):
        return getattr(value, member)
    if inspect.isclass(value) and f"self.{member} =" in inspect.getsource(value):
        return None
    raise Missing


def has(name):
    if name.startswith('"'):
        return True  # of get_extra_info
    try:
        found(name)
        return True
    except Missing:
        return False


FORWARDED = {
    "open_connection": "loop.create_connection",
    "open_unix_connection": "loop.create_unix_connection",
    "start_server": "loop.create_server",
    "start_unix_server": "loop.create_unix_server",
}


def parameters(name):
    """Those that may be left out, or can only be given by name."""
    if name in FORWARDED:
        return parameters(FORWARDED[name]) + ["limit"]
    if name.startswith("create_subprocess_"):
        return [name for name in inspect.signature(subprocess.Popen).parameters if name != "args"] + ["limit"]
    value = found(name)
    signature = inspect.signature(value.__init__ if inspect.isclass(value) else value)
    return [
        parameter.name
        for parameter in signature.parameters.values()
        if parameter.default is not parameter.empty or parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_KEYWORD)
        # must be given, and is an option here
        or parameter.name == "sslcontext"
    ]


CALLABLE = [*FORWARDED, "create_subprocess_exec", "create_subprocess_shell", "to_thread", "StreamWriter.start_tls"]
CALLABLE += ["ThreadPoolExecutor", "ProcessPoolExecutor"] + ["Executor." + name for name in shared]
CALLABLE += [
    name
    for name in names
    # these have no counterpart
    if name.startswith("loop.") and not name.startswith(("loop.sock_", "loop.subprocess_", "loop.sendfile"))
]
json.dump({
    "version": sys.version,
    "names": sorted(set(names)),
    "parameters": {name: parameters(name) for name in CALLABLE if has(name) and parameters(name)},
    "known": [name for name in json.load(sys.stdin) if has(name)],
}, sys.stdout)
