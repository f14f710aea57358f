#!/usr/bin/env python3
"""What a call costs as the work grows: jobs in flight, rows in the records, callers over HTTP, bytes of a prompt.

    cargo build --release && python3 bench/growth.py

Against the same stand-in for MiniMax as `peers.py`. Writes its values to docs/benchmarks.json, and its curves into docs/benchmarks.md
and docs/benchmarks-growth.svg. It takes about five minutes; `--quick` stops at a tenth of the work and writes nothing. `--only` measures
one of the four again. Needs Linux and Python 3.9; nothing is billed.
"""

import argparse
import asyncio
import datetime
import json
import os
import pathlib
import re
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

import page
from curves import SUBJECTS, TIMES
from stdio_client import Child, Failed

ROOT = pathlib.Path(__file__).resolve().parent.parent


class Growth:
    def __init__(self, program, folder, url):
        self.program, self.folder, self.url, self.number = program, folder, url, 0

    def home(self, **more):
        """A folder and an environment for one server."""
        self.number += 1
        home = self.folder / str(self.number)
        (home / "out").mkdir(parents=True)
        return home, {
            "HOME": str(home), "PATH": os.environ["PATH"], "MINIMAX_API_KEY": "growth", "MINIMAX_API_HOST": self.url,
            "MINIMAX_MCP_BASE_PATH": str(home / "out"), "MINIMAX_DATA_DIR": str(home / "data"), "MINIMAX_RATE_LIMITS": "false",
            "RUST_LOG": "off", **more,
        }

    def control(self, **settings):
        data = json.dumps({"answer_seconds": 0, "link_seconds": 0, "task_seconds": 0, **settings}).encode()
        urllib.request.urlopen(self.url + "/control", data=data).close()

    def jobs(self, levels):
        """One server with more and more videos that do not end."""
        self.control(task_seconds=1e6)
        home, environment = self.home()
        with Child([self.program], environment, str(home), 600) as child:
            child.initialize()
            # Opens the records.
            child.call("list_jobs", {"limit": 1})
            job, so_far = None, 0
            for level in levels:
                begun = time.perf_counter()
                for first in range(so_far, level, 50):
                    batch = range(first, min(first + 50, level))
                    calls = [child.begin("tools/call", {"name": "generate_video", "arguments": {
                        "prompt": f"Fox {n}", "model": "MiniMax-Hailuo-2.3", "wait_seconds": 0}}) for n in batch]
                    job = [child.end(call)[0] for call in calls][-1]["structuredContent"]["job_id"]
                took, so_far, added = time.perf_counter() - begun, level, level - so_far
                # Young jobs are polled more often.
                child.listen(25 if level >= 1000 else 3)
                before, at = cpu(child.process.pid), time.perf_counter()
                child.listen(5)
                busy = 100 * (cpu(child.process.pid) - before) / (time.perf_counter() - at)
                yield {
                    "at": level, "order_ms": 1000 * took / added,
                    "get_job_ms": median(lambda: child.call("get_job", {"job_id": job, "wait_seconds": 0})[1]),
                    "list_jobs_ms": median(lambda: child.call("list_jobs", {"limit": 10})[1]),
                    "cpu_percent": busy, "rss_mb": child.memory()[0],
                }

    def rows(self, levels):
        """A server with more and more ended jobs in its records."""
        self.control()
        home, environment = self.home()
        with Child([self.program], environment, str(home)) as child:
            child.initialize()
            child.call("text_to_audio", {"text": "A fox in the snow."})
        so_far = 1
        for level in levels:
            multiply(home / "data/jobs.sqlite3", so_far, level)
            so_far = level
            with Child([self.program], environment, str(home), 600) as child:
                started = child.initialize()
                child.call("list_jobs", {"limit": 1})
                job = child.call("list_jobs", {"limit": 1})[0]["structuredContent"]["jobs"][0]["job_id"]
                yield {
                    "at": level, "start_ms": 1000 * started,
                    "get_job_ms": median(lambda: child.call("get_job", {"job_id": job, "wait_seconds": 0})[1]),
                    "list_jobs_ms": median(lambda: child.call("list_jobs", {"limit": 10})[1]),
                    "search_ms": median(lambda: child.call("list_jobs", {"limit": 10, "query": "no such words"})[1], 5),
                    "call_ms": median(lambda: child.call("text_to_audio", {"text": "A fox in the snow."})[1]),
                    "rss_mb": child.memory()[0],
                }
                so_far += TIMES

    def callers(self, levels):
        """A new server for each number of callers. Each has a connection and a session, and all call at once."""
        self.control()
        for level in levels:
            home, environment = self.home()
            tokens = [{"name": f"caller{number}", "token": f"the token of {number:08}"} for number in range(level)]
            (home / "tokens.json").write_text(json.dumps(tokens))
            environment["MINIMAX_MCP_TOKEN_FILE"] = str(home / "tokens.json")
            with open(home / "log", "wb") as log:
                command = [self.program, "serve", "--http", "127.0.0.1:0"]
                server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=log)
            try:
                port = await_port(home / "log")
                took, seconds = asyncio.run(converse(port, [token["token"] for token in tokens]))
                yield {
                    "at": level, "answer_ms": 1000 * statistics.median(took), "answers_a_second": len(took) / seconds,
                    "rss_mb": memory(server.pid),
                }
            finally:
                server.terminate()
                server.wait(60)

    def prompt(self, levels):
        """A new server for each size."""
        self.control()
        for level in levels:
            home, environment = self.home()
            text = ("word " * (level // 5 + 1))[:level]
            with Child([self.program], environment, str(home), 600) as child:
                child.initialize()
                dry = median(lambda: child.call("chat", {"prompt": text, "dry_run": True})[1])
                took = median(lambda: child.call("chat", {"prompt": text})[1])
                yield {"at": level, "chat_ms": took, "dry_run_ms": dry, "peak_mb": child.memory()[2]}


def median(call, times=TIMES):
    """The median of some calls, in milliseconds."""
    return 1000 * statistics.median(call() for _ in range(times))


def cpu(process):
    fields = open(f"/proc/{process}/stat").read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(process):
    status = open(f"/proc/{process}/status").read()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024 / 1e6


def await_port(log):
    """The port that the server's log names."""
    for _ in range(200):
        if found := re.search(r"http://127\.0\.0\.1:(\d+)", log.read_text()):
            return int(found.group(1))
        time.sleep(0.05)
    raise Failed("the server does not listen")


def multiply(path, present, wanted):
    """Fills the records up with copies of their last job, a second apart, each with its purchase."""
    if wanted <= present:
        return
    database = sqlite3.connect(path)
    with database:
        database.execute("PRAGMA synchronous = OFF")
        database.execute("CREATE TEMP TABLE last AS SELECT * FROM jobs ORDER BY created_at DESC LIMIT 1")
        (old,) = database.execute("SELECT id FROM last").fetchone()
        (paid,) = database.execute("SELECT id FROM spending WHERE id = ?", (old,)).fetchone()
        number = "WITH RECURSIVE numbers(n) AS (SELECT ?1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?2) "
        new = "printf('speech-%026d', n)"
        # Below the age at which records are removed.
        at = "created_at - 1000 - n * 1000"
        database.execute(
            number + "INSERT INTO jobs (id, principal, account, kind, status, is_open, search, body, lease_owner, lease_until, "
            f"created_at, updated_at) SELECT {new}, principal, account, kind, status, is_open, "
            f"replace(search, id, {new}), replace(body, id, {new}), lease_owner, lease_until, {at}, {at} FROM numbers, last",
            (present + 1, wanted),
        )
        database.execute(
            number + f"INSERT INTO spending SELECT {new}, principal, account, process, tool, model, currency, estimate, actual, "
            f"state, NULL, {at}, {at} FROM numbers, (SELECT * FROM spending WHERE id = ?3)",
            (present + 1, wanted, paid),
        )
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()


async def ask(line, token, number, method, parameters):
    """Sends one message over the connection `line`. Returns the seconds until the answer, including the waits when the server asks to
    come back later or closes the connection, as it does with the oldest idle ones."""
    message = {"jsonrpc": "2.0", "method": method, "params": parameters, **({"id": number} if number else {})}
    body = json.dumps(message).encode()
    head = (
        f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2025-06-18\r\nAuthorization: Bearer {token}\r\n\r\n"
    )
    begun = time.perf_counter()
    while True:
        reader, writer = line[0]
        try:
            writer.write(head.encode() + body)
            answer = (await reader.readuntil(b"\r\n\r\n")).decode()
        except (asyncio.IncompleteReadError, ConnectionError):
            line[0] = await asyncio.open_connection(*writer.get_extra_info("peername"))
            continue
        status, fields = int(answer.split(" ")[1]), {}
        for field in answer.split("\r\n")[1:]:
            name, _, value = field.partition(":")
            fields[name.lower()] = value.strip()
        if fields.get("transfer-encoding") == "chunked":
            while size := int(await reader.readuntil(b"\r\n"), 16):
                await reader.readexactly(size + 2)
            await reader.readexactly(2)
        else:
            await reader.readexactly(int(fields.get("content-length") or 0))
        if status < 300:
            return time.perf_counter() - begun
        if status not in (429, 503):
            raise Failed(answer.split("\r\n")[0])
        await asyncio.sleep(float(fields.get("retry-after") or 1))


async def converse(port, tokens):
    """All callers connect, then each sends some requests without a pause."""
    start, took, connected = asyncio.Event(), [], []
    room, times = asyncio.Semaphore(50), max(5, 200 // len(tokens))

    async def caller(token):
        async with room:
            line = [await asyncio.open_connection("127.0.0.1", port)]
            client = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "growth", "version": "0"}}
            await ask(line, token, 1, "initialize", client)
        connected.append(token)
        await start.wait()
        for number in range(times):
            call = {"name": "list_jobs", "arguments": {"limit": 1}}
            took.append(await ask(line, token, number + 2, "tools/call", call))
        line[0][1].close()

    tasks = [asyncio.ensure_future(caller(token)) for token in tokens]
    while len(connected) < len(tokens):
        await asyncio.sleep(0.02)
        for task in tasks:
            if task.done():
                task.result()
    begun = time.perf_counter()
    start.set()
    await asyncio.gather(*tasks)
    return took, time.perf_counter() - begun


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=str(ROOT / "target/release/minimax-mcp"))
    parser.add_argument("--only", choices=list(SUBJECTS))
    parser.add_argument("--quick", action="store_true", help="a tenth of the work at most; writes nothing")
    options = parser.parse_args()
    levels = {
        "jobs": [1, 10, 100, 1000, 10_000], "rows": [1, 100, 10_000, 100_000, 1_000_000],
        "callers": [1, 10, 100, 500, 1000], "prompt": [1000, 10_000, 100_000, 1_000_000],
    }
    # Each caller needs a file descriptor here and one in the server.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 8192) if most > 0 else 8192, most))
    values = {}
    with tempfile.TemporaryDirectory(prefix="growth-", dir=os.environ.get("BENCH_DIR")) as folder:
        fake = subprocess.Popen([sys.executable, ROOT / "bench/fake_minimax.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            url = json.loads(fake.stdout.readline())["http"]
            growth = Growth(str(pathlib.Path(options.program).resolve()), pathlib.Path(folder), url)
            for subject in SUBJECTS if not options.only else [options.only]:
                steps = levels[subject][:-1] if options.quick else levels[subject]
                for row in getattr(growth, subject)(steps):
                    row = {column: round(value, 3) for column, value in row.items()}
                    values.setdefault(subject, []).append(row)
                    print(subject, json.dumps(row), flush=True)
        finally:
            fake.stdin.close()
            fake.wait(10)
    if not options.quick:
        results = page.read(ROOT)
        known = results.get("growth", {}).get("values", {})
        results["growth"] = {"measured": datetime.date.today().isoformat(), "cores": os.cpu_count(), "values": {**known, **values}}
        page.write(ROOT, results)


if __name__ == "__main__":
    main()
