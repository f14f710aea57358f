#!/usr/bin/env python3
"""A thousand videos in flight in one server: does it keep the poll interval, and how much CPU and memory does it use?

    python3 bench/load.py --release

Starts the sandbox as a process of its own, with tasks that do not end; starts one server in front of it, with
limits so high that they are not what is measured; orders the videos, half of them V1 and half V2; keeps them in
flight for a while as it calls `tools/list`, `get_job` and `list_jobs`; lets all of them finish, and
looks whether each was bought once and delivered once. It prints what it measures, at the end as a table in
Markdown, and ends with status 1 if a promise was not kept:

* the other calls are answered within 50 ms at the median,
* the interval between polls of a task is MINIMAX_POLL_SECONDS (within a fifth at the median),
* each video is bought once and saved once,
* resident memory does not grow while nothing new is ordered (by more than 8 MiB).

Takes about three minutes with the defaults, the build not counted. Needs Python 3.9 and nothing else, on Linux or macOS.
"""

import argparse
import collections
import hashlib
import json
import os
import pathlib
import platform
import queue
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent


class Server:
    """The program as a child process, with JSON lines. Several threads may make calls."""

    def __init__(self, program, environment, log):
        self.child = subprocess.Popen(
            [program], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
        )
        self.lock = threading.Lock()
        self.count = 0
        self.answers = {}
        threading.Thread(target=self._read, daemon=True).start()
        client = {"name": "load", "version": "0"}
        self.request(
            "initialize", {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client}
        )
        self._send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def _read(self):
        for line in self.child.stdout:
            message = json.loads(line)
            waiting = self.answers.pop(message.get("id"), None)
            if waiting:
                waiting.put((time.perf_counter(), message))

    def _send(self, message):
        with self.lock:
            self.child.stdin.write(json.dumps(message).encode() + b"\n")
            self.child.stdin.flush()

    def request(self, method, parameters):
        """The result, and how many milliseconds it took."""
        with self.lock:
            self.count += 1
            number = self.count
        self.answers[number] = waiting = queue.Queue()
        start = time.perf_counter()
        self._send({"jsonrpc": "2.0", "id": number, "method": method, "params": parameters})
        end, answer = waiting.get(timeout=120)
        if "error" in answer:
            raise SystemExit(f"{method}: {answer['error']}")
        return answer["result"], (end - start) * 1000

    def call(self, tool, arguments):
        result, took = self.request("tools/call", {"name": tool, "arguments": arguments})
        return result.get("structuredContent") or {}, took


def control(url, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(f"{url}/_sandbox/{path}", data=data, timeout=60) as answer:
        return json.load(answer)


def usage(pid):
    """Resident memory in MiB, and CPU seconds so far."""
    out = subprocess.run(["ps", "-o", "rss=,cputime=", "-p", str(pid)], capture_output=True, text=True).stdout
    rss, cpu = out.split()
    days, _, clock = cpu.rpartition("-")
    seconds = 0.0
    for part in clock.split(":"):
        seconds = seconds * 60 + float(part)
    return int(rss) / 1024, seconds + 86400 * int(days or 0)


def cpu_ticks(pid):
    """CPU seconds, from /proc if there is one, which is more precise than `ps`."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100
    except OSError:
        return usage(pid)[1]


class Looks:
    """When each task was polled, from the request log of the sandbox, which holds only the latest 10,000."""

    def __init__(self, url):
        self.url, self.since, self.seen, self.times = url, 0, set(), {}

    def fetch(self):
        rows = control(self.url, f"requests?since_ms={self.since}")
        for row in rows:
            key = (row["at_ms"], row["path"])
            if row["method"] != "GET" or "/query/" not in row["path"] or key in self.seen:
                continue
            parts = urllib.parse.urlsplit(row["path"])
            task = urllib.parse.parse_qs(parts.query).get("task_id", [parts.path.rsplit("/", 1)[-1]])[0]
            self.times.setdefault(task, []).append(row["at_ms"] / 1000)
        if rows:
            self.since = rows[-1]["at_ms"]
            self.seen = {(row["at_ms"], row["path"]) for row in rows if row["at_ms"] == self.since}

    def intervals(self, begin, end):
        for times in self.times.values():
            inside = [at for at in times if begin <= at <= end]
            yield from (later - earlier for earlier, later in zip(inside, inside[1:]))


def percentile(values, part):
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def order(server, jobs):
    """Orders all videos, eight at a time. Returns the job ids."""
    numbers, ids, lock = iter(range(jobs)), [], threading.Lock()

    def work():
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            model = "MiniMax-H3" if number % 2 else "MiniMax-Hailuo-2.3"
            arguments = {"prompt": "A fox in the snow", "model": model, "wait_seconds": 0}
            view, _ = server.call("generate_video", arguments)
            if not view.get("job_id"):
                raise SystemExit(f"not ordered: {view}")
            with lock:
                ids.append(view["job_id"])

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return ids


def pages(server, **filters):
    cursor = None
    while True:
        arguments = {"limit": 50, **filters, **({"cursor": cursor} if cursor else {})}
        view, _ = server.call("list_jobs", arguments)
        yield from view["jobs"]
        cursor = view.get("next_cursor")
        if not cursor:
            return


def wait_for(what, done, patience):
    end = time.monotonic() + patience
    while not done():
        if time.monotonic() > end:
            raise SystemExit(f"never: {what}")
        time.sleep(1)


def table(options, rows):
    """Prints the values again as a Markdown table."""
    version = subprocess.run([options.program, "--version"], capture_output=True, text=True).stdout.strip()
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    print(f"\n| {options.jobs} videos in flight, {version}, {machine} | |\n|---|---|")
    for what, value in rows:
        print(f"| {what} | {value} |")
    print(flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=str(ROOT / "target/release/minimax-mcp"))
    parser.add_argument("--release", action="store_true", help="build the program first, as it is released")
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--minutes", type=float, default=1.5)
    parser.add_argument("--poll", type=float, default=10.0)
    options = parser.parse_args()
    if options.release:
        subprocess.run(["cargo", "build", "--release", "--locked"], cwd=ROOT, check=True)

    with tempfile.TemporaryDirectory() as folder:
        sys.exit(measure(options, pathlib.Path(folder)))


def measure(options, folder):
    sandbox = subprocess.Popen(
        [options.program, "sandbox", "--dir", str(folder / "sandbox")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    log = open(folder / "server.log", "wb")
    server = None
    try:
        url = sandbox.stdout.readline().strip()
        control(url, "pace", {"polls": 0, "seconds": 1e6})
        wide = {"count": 1_000_000, "seconds": 60}
        limits = [
            {"group": "video V1", **wide, "in_flight": 64},
            {"group": "video V2", **wide, "in_flight": 1_000_000, "tasks": True},
            {"group": "looks at tasks", **wide, "in_flight": 64, "free": True},
        ]
        (folder / "facts.json").write_text(json.dumps({"limits": limits}))
        environment = {
            "HOME": str(folder),
            "MINIMAX_API_HOST": url,
            "MINIMAX_SANDBOX": "true",
            "MINIMAX_API_KEY": "load",
            "MINIMAX_MCP_BASE_PATH": str(folder / "out"),
            "MINIMAX_DATA_DIR": str(folder / "data"),
            "MINIMAX_POLL_SECONDS": str(options.poll),
            "MINIMAX_RATE_LIMITS": "true",
            "MINIMAX_FACTS_FILE": str(folder / "facts.json"),
        }
        server = Server(options.program, environment, log)
        return report(options, folder, url, server)
    finally:
        for child in (server and server.child, sandbox):
            if child:
                child.terminate()
                child.wait(timeout=30)
        log.close()


def report(options, folder, url, server):
    pid = server.child.pid
    failures, rows = [], []

    def say(what, value, good=True):
        rows.append((what, value if good else f"{value}, **not kept**"))
        print(f"{what:<44} {value}{'' if good else '   <- NOT KEPT'}", flush=True)
        if not good:
            failures.append(what)

    say("memory of the server before", f"{usage(pid)[0]:.1f} MiB")
    start, cpu = time.monotonic(), cpu_ticks(pid)
    # The sandbox draws the first video of each kind and reuses it for the others.
    ids = order(server, 2)
    wait_for("the first two submitted", lambda: not any(pages(server, status="submitting")), 120)
    ids += order(server, options.jobs - 2)
    wait_for("all submitted", lambda: not any(pages(server, status="submitting")), 600)
    say(f"{options.jobs} jobs ordered and submitted in", f"{time.monotonic() - start:.1f} s, {cpu_ticks(pid) - cpu:.1f} s CPU")
    looks = Looks(url)
    # A young job is polled more often; only then does the configured interval apply.
    time.sleep(22)
    looks.fetch()
    steady, cpu, (before, _) = time.time(), cpu_ticks(pid), usage(pid)
    end, latencies, fetched = steady + options.minutes * 60, {}, 0.0
    number = 0
    while time.time() < end:
        calls = {
            "tools/list": lambda: server.request("tools/list", {})[1],
            "get_job": lambda: server.call("get_job", {"job_id": ids[number % len(ids)], "wait_seconds": 0})[1],
            "list_jobs": lambda: server.call("list_jobs", {"limit": 10})[1],
        }
        for name, call in calls.items():
            latencies.setdefault(name, []).append(call())
        number += 37
        if time.time() - fetched > 15:
            looks.fetch()
            fetched = time.time()
        time.sleep(0.2)
    looks.fetch()
    spent, over, (after, _) = cpu_ticks(pid) - cpu, time.time() - steady, usage(pid)
    say("memory with all in flight, at first", f"{before:.1f} MiB")
    say(f"memory {over:.0f} s later", f"{after:.1f} MiB", after - before < 8)
    say("CPU in that time", f"{spent:.1f} s, {100 * spent / over:.1f} % of a core")
    for name, values in latencies.items():
        median = statistics.median(values)
        say(f"{name}: median, p99 of {len(values)}", f"{median:.1f} ms, {percentile(values, 0.99):.1f} ms", median < 50)
    gaps = list(looks.intervals(steady, steady + over))
    median = statistics.median(gaps)
    say(
        f"looks {options.poll:g} s apart: median, p1, p99 of {len(gaps)}",
        f"{median:.2f} s, {percentile(gaps, 0.01):.2f} s, {percentile(gaps, 0.99):.2f} s",
        abs(median - options.poll) < options.poll / 5 and len(looks.times) == options.jobs,
    )

    control(url, "pace", {"polls": 0, "seconds": 0})
    start, cpu = time.monotonic(), cpu_ticks(pid)
    running = lambda: not any(True for _ in pages(server, status="running"))
    wait_for("all delivered", running, 300 + options.poll * 10)
    say("all delivered in", f"{time.monotonic() - start:.1f} s, {cpu_ticks(pid) - cpu:.1f} s CPU")
    jobs = list(pages(server))
    good = [row for row in jobs if row["status"] == "succeeded"]
    files = [path for row in good for path in row["files"]]
    there = {path for path in files if pathlib.Path(path).is_file()}
    bought = len(control(url, "paid"))
    say("bought", bought, bought == options.jobs)
    ends = dict(collections.Counter(job["status"] for job in jobs))
    say("how they ended", ", ".join(f"{count} {word}" for word, count in ends.items()), ends == {"succeeded": options.jobs})
    say("files on disk", len(there), len(there) == options.jobs == len(list((folder / "out").iterdir())))
    whole = {hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest() for path in there}
    say("different contents (V1 and V2)", len(whole))
    time.sleep(5)
    say("memory when all is over", f"{usage(pid)[0]:.1f} MiB")
    start = time.monotonic()
    server.child.stdin.close()
    server.child.wait(timeout=30)
    say("ends after its client in", f"{time.monotonic() - start:.1f} s")
    table(options, rows)
    print("not kept: " + ", ".join(failures) if failures else "all kept")
    return 1 if failures else 0


if __name__ == "__main__":
    main()
