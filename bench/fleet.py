#!/usr/bin/env python3
"""Three servers with one PostgreSQL: ten thousand videos in flight, and a million finished jobs in the store.

    python3 bench/fleet.py --release

Starts a PostgreSQL of its own (Debian's packages `postgresql`), the sandbox with tasks that do not end, and three servers whose
limits are so high that they are not what is measured. Orders the videos at all three, keeps them in flight for a while
as it calls `tools/list`, `get_job` and `list_jobs` at each, counts the transactions of the database, asks one server to end
(SIGTERM) and measures how soon the others look at its tasks; lets all finish, and looks whether each was bought once and
delivered once. Then it fills the store with finished jobs and measures the start of a server, `list_jobs`, `get_job` and its memory
with a thousand and with a million. Prints what it measures, at the end as tables in Markdown; ends with status 1 if a
promise was not kept.

Takes about fifteen minutes with the defaults, the build not counted. Needs Python 3.9 and nothing else, on Linux.
"""

import argparse
import collections
import json
import os
import pathlib
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from load import Looks, ROOT, Server, control, cpu_ticks, pages, percentile, usage, wait_for

REPLICAS = 3
NOBODY = 65534


class Postgres:
    """A server with its data in a temporary folder."""

    def __init__(self, folder):
        found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        if not found:
            raise SystemExit("PostgreSQL is not installed (Debian: apt install postgresql)")
        self.programs, self.folder = found[-1].parent, folder
        folder.mkdir()
        self.user = {}
        if os.getuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
            self.user = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        self._run("initdb", "-U", "postgres", "--auth=trust", "-E", "UTF8", "--locale=C", "-D", "data")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=100", "shared_buffers=256MB",
                    "max_wal_size=4GB"]
        flags = [flag for setting in settings for flag in ("-c", setting)]
        log = open(folder / "log", "wb")
        self.child = subprocess.Popen(
            [self.programs / "postgres", "-D", "data", "-p", str(self.port), *flags],
            cwd=folder, stdout=log, stderr=log, **self.user,
        )
        while subprocess.run([self.programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]).returncode:
            time.sleep(0.1)

    def _run(self, program, *arguments):
        subprocess.run([self.programs / program, *arguments], cwd=self.folder, check=True, capture_output=True, **self.user)

    def database(self, name):
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", name)
        return f"postgres://postgres@127.0.0.1:{self.port}/{name}"

    def sql(self, url, text):
        out = subprocess.run(
            ["psql", url, "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", text], capture_output=True, text=True
        )
        if out.returncode:
            raise SystemExit(out.stderr)
        return out.stdout.strip()

    def log(self, url):
        """How many bytes were written to the WAL so far, and how often it was synced."""
        time.sleep(1.1)
        written, synced = self.sql(url, "SELECT wal_bytes, wal_sync FROM pg_stat_wal").split("|")
        return int(written), int(synced)

    def transactions(self, url):
        time.sleep(1.1)  # Each connection reports once a second.
        return int(self.sql(url, "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"))


def order(servers, jobs):
    """Orders all videos, four at a time at each server. Returns the job ids by server."""
    numbers, lock = iter(range(jobs)), threading.Lock()
    ids = [[] for _ in servers]

    def work(which):
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            # One prompt for all, because the sandbox draws a video for each new prompt, which takes longer than what is measured.
            arguments = {"prompt": "A fox in the snow", "wait_seconds": 0}
            view, _ = servers[which].call("generate_video", arguments)
            if not view.get("job_id"):
                raise SystemExit(f"not ordered: {view}")
            ids[which].append(view["job_id"])

    threads = [threading.Thread(target=work, args=(which % len(servers),)) for which in range(4 * len(servers))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return ids


class Report:
    def __init__(self, title):
        self.title, self.rows, self.failures = title, [], []

    def say(self, what, value, good=True):
        self.rows.append((what, value if good else f"{value}, **not kept**"))
        print(f"{what:<60} {value}{'' if good else '   <- NOT KEPT'}", flush=True)
        if not good:
            self.failures.append(what)

    def table(self):
        print(f"\n| {self.title} | |\n|---|---|")
        for what, value in self.rows:
            print(f"| {what} | {value} |")
        print(flush=True)


def in_flight(options, folder, postgres):
    report = Report(f"{options.jobs} videos in flight at {REPLICAS} servers, {os.cpu_count()} cores for everything")
    url = postgres.database("flight")
    sandbox = subprocess.Popen(
        [options.program, "sandbox", "--dir", str(folder / "sandbox")],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )
    address = sandbox.stdout.readline().strip()
    control(address, "pace", {"polls": 0, "seconds": 1e6})
    wide = {"count": 1_000_000, "seconds": 60}
    limits = [
        {"group": "video V1", **wide, "in_flight": 64},
        {"group": "looks at tasks", **wide, "in_flight": 64, "free": True},
    ]
    (folder / "facts.json").write_text(json.dumps({"limits": limits}))

    def start(number):
        environment = {
            "HOME": str(folder),
            "MINIMAX_API_HOST": address,
            "MINIMAX_SANDBOX": "true",
            "MINIMAX_API_KEY": "load",
            "MINIMAX_MCP_BASE_PATH": str(folder / "out"),
            "MINIMAX_DATA_DIR": str(folder / f"data{number}"),
            "MINIMAX_STORE_URL": url,
            "MINIMAX_POLL_SECONDS": str(options.poll),
            "MINIMAX_RATE_LIMITS": "true",
            "MINIMAX_FACTS_FILE": str(folder / "facts.json"),
        }
        return Server(options.program, environment, open(folder / f"server{number}.log", "wb"))

    servers = [start(number) for number in range(REPLICAS)]
    memory = lambda: ", ".join(f"{usage(server.child.pid)[0]:.0f}" for server in servers) + " MiB"
    cpu = lambda: sum(cpu_ticks(server.child.pid) for server in servers)
    try:
        for server in servers:
            server.call("list_jobs", {})
        report.say("memory of each server before", memory())
        idle = postgres.transactions(url)
        time.sleep(10)
        report.say("transactions a second, nothing to do", f"{(postgres.transactions(url) - idle) / 11.1:.1f}")
        start_at, used, count, log = time.monotonic(), cpu(), postgres.transactions(url), postgres.log(url)
        ids = order(servers[:1], 1)
        wait_for("the first submitted", lambda: not any(pages(servers[0], status="submitting")), 120)
        more = order(servers, options.jobs - 1)
        all_ids = [job for part in (*ids, *more) for job in part]
        wait_for("all submitted", lambda: not any(pages(servers[0], status="submitting")), 1200)
        took = time.monotonic() - start_at
        report.say(f"{options.jobs} jobs ordered and submitted in", f"{took:.0f} s, {cpu() - used:.0f} s CPU of the servers")
        report.say("transactions for each job", f"{(postgres.transactions(url) - count) / options.jobs:.1f}")
        written, synced = (after - before for after, before in zip(postgres.log(url), log))
        report.say("written to the log of the database for each job", f"{written / options.jobs / 1024:.1f} KiB, {synced / options.jobs:.2f} syncs")
        report.say("memory of each server with all in flight", memory())
        looks = Looks(address)
        time.sleep(max(22, options.poll))  # A young job is polled more often.
        looks.fetch()
        steady, used, count = time.time(), cpu(), postgres.transactions(url)
        latencies, number, fetched = collections.defaultdict(list), 0, 0.0
        while time.time() < steady + options.minutes * 60:
            server = servers[number % REPLICAS]
            job = all_ids[(number * 37) % len(all_ids)]
            latencies["tools/list"].append(server.request("tools/list", {})[1])
            latencies["get_job"].append(server.call("get_job", {"job_id": job, "wait_seconds": 0})[1])
            latencies["list_jobs"].append(server.call("list_jobs", {"limit": 10})[1])
            number += 1
            if time.time() - fetched > 10:
                looks.fetch()
                fetched = time.time()
            time.sleep(0.2)
        looks.fetch()
        over = time.time() - steady
        gaps = list(looks.intervals(steady, steady + over))
        report.say("transactions a second", f"{(postgres.transactions(url) - count) / (over + 1.1):.0f}")
        report.say("looks a second", f"{sum(1 for times in looks.times.values() for at in times if at >= steady) / over:.0f}")
        report.say("CPU of the servers", f"{100 * (cpu() - used) / over:.0f} % of a core")
        for name, values in latencies.items():
            report.say(f"{name}: median, p99 of {len(values)}", f"{statistics.median(values):.1f} ms, {percentile(values, 0.99):.0f} ms",
                       statistics.median(values) < 100)
        median = statistics.median(gaps)
        report.say(f"looks {options.poll:g} s apart: median, p1, p99 of {len(gaps)}",
                   f"{median:.1f} s, {percentile(gaps, 0.01):.1f} s, {percentile(gaps, 0.99):.1f} s",
                   abs(median - options.poll) < options.poll / 5)
        report.say("memory of each server later", memory())

        leaving = servers.pop()
        owned = lambda: int(postgres.sql(url, "SELECT count(*) FROM jobs WHERE is_open = 1 AND lease_owner IN "
                                              "(SELECT name FROM processes WHERE alive_until = 0)"))
        asked = time.monotonic()
        leaving.child.send_signal(signal.SIGTERM)
        leaving.child.wait(timeout=60)
        ended = time.monotonic()
        wait_for("its jobs are taken over", lambda: owned() == 0, 300)
        report.say("one server asked to end: ended after", f"{ended - asked:.1f} s")
        report.say("all of its jobs at the others after", f"{time.monotonic() - ended:.1f} s more")

        control(address, "pace", {"polls": 0, "seconds": 0})
        begun, used, count, log = time.monotonic(), cpu(), postgres.transactions(url), postgres.log(url)
        open_jobs = lambda: int(postgres.sql(url, "SELECT count(*) FROM jobs WHERE is_open = 1"))
        wait_for("all delivered", lambda: open_jobs() == 0, 1200 + options.poll * 10)
        report.say("all delivered in", f"{time.monotonic() - begun:.0f} s, {cpu() - used:.0f} s CPU of the servers")
        report.say("transactions for each of these deliveries", f"{(postgres.transactions(url) - count) / options.jobs:.1f}")
        written, synced = (after - before for after, before in zip(postgres.log(url), log))
        report.say("written to the log for each of them", f"{written / options.jobs / 1024:.1f} KiB, {synced / options.jobs:.2f} syncs")
        sizes = ", ".join(f"{table} {int(postgres.sql(url, f'SELECT pg_total_relation_size({chr(39)}{table}{chr(39)})')) / options.jobs:.0f}"
                          for table in ("jobs", "spending", "remote_ids"))
        report.say("bytes of a job's rows with their indexes", sizes)
        ends = postgres.sql(url, "SELECT string_agg(word, ', ') FROM (SELECT count(*) || ' ' || status AS word FROM jobs GROUP BY status) AS w")
        report.say("how they ended", ends, ends == f"{options.jobs} succeeded")
        bought = len(control(address, "paid"))
        # The sandbox keeps only the latest 10,000 requests.
        report.say("bought", bought, bought == min(options.jobs, 10_000))
        files = sum(1 for _ in (folder / "out").iterdir())
        report.say("files on disk", files, files == options.jobs)
    finally:
        for child in (*(server.child for server in servers), sandbox):
            child.terminate()
            child.wait(timeout=60)
    report.table()
    return report.failures


def many_rows(options, folder, postgres):
    report = Report(f"finished jobs in the store, one server, {os.cpu_count()} cores")
    sandbox = subprocess.Popen(
        [options.program, "sandbox", "--dir", str(folder / "sandbox2")],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )
    address = sandbox.stdout.readline().strip()
    url = postgres.database("rows")
    environment = {
        "HOME": str(folder), "MINIMAX_API_HOST": address, "MINIMAX_SANDBOX": "true", "MINIMAX_API_KEY": "load",
        "MINIMAX_MCP_BASE_PATH": str(folder / "out2"), "MINIMAX_DATA_DIR": str(folder / "rows"), "MINIMAX_STORE_URL": url,
    }
    log = open(folder / "rows.log", "wb")
    start = lambda: Server(options.program, environment, log)
    server = start()
    server.call("text_to_image", {"prompt": "Template", "width": 512, "height": 512})
    server.child.terminate()
    server.child.wait()
    have = 0
    try:
        for rows in (1_000, options.rows):
            postgres.sql(url, f"""
                INSERT INTO jobs (id, principal, account, kind, status, is_open, search, body, created_at, updated_at)
                SELECT 'image-' || n, principal, account, kind, status, 0, 'image-' || n || ' fox number ' || n,
                       CAST(CAST(body AS jsonb) || jsonb_build_object('id', 'image-' || n, 'prompt', 'Fox number ' || n) AS text),
                       created_at - n, updated_at - n
                FROM (SELECT * FROM jobs WHERE search LIKE '%template%' LIMIT 1) AS template, generate_series({have + 1}, {rows}) AS n""")
            postgres.sql(url, "VACUUM ANALYZE")
            have = rows
            begun = time.perf_counter()
            server = start()
            server.call("list_jobs", {"limit": 10})
            first = (time.perf_counter() - begun) * 1000
            calls = {
                "get_job": lambda number: server.call("get_job", {"job_id": f"image-{1 + number * 7919 % rows}", "wait_seconds": 0}),
                "list_jobs": lambda number: server.call("list_jobs", {"limit": 50}),
                "list_jobs of one kind": lambda number: server.call("list_jobs", {"limit": 50, "kind": "image", "status": "succeeded"}),
                "list_jobs with a query": lambda number: server.call("list_jobs", {"limit": 10, "query": f"number {1 + number * 7919 % rows}"}),
            }
            report.say(f"{rows:,}: start and first list_jobs", f"{first:.0f} ms", first < 2000)
            for name, call in calls.items():
                values = [call(number)[1] for number in range(10 if "query" in name else 60)]
                report.say(f"{rows:,}: {name}, median and worst", f"{statistics.median(values):.1f} ms, {max(values):.0f} ms",
                           "query" in name or statistics.median(values) < 100)
            report.say(f"{rows:,}: memory", f"{usage(server.child.pid)[0]:.0f} MiB")
            server.child.terminate()
            server.child.wait()
        report.say("size of the table and its indexes", postgres.sql(url, "SELECT pg_size_pretty(pg_total_relation_size('jobs'))"))
        plans = {
            "get_job": "SELECT body FROM jobs WHERE principal = 'local' AND id = 'image-77'",
            "list_jobs": "SELECT body FROM jobs WHERE principal = 'local' ORDER BY created_at DESC, id DESC LIMIT 51",
            "list_jobs of one kind and status": "SELECT body FROM jobs WHERE principal = 'local' AND kind = 'image' AND status = 'succeeded' "
                                                "ORDER BY created_at DESC, id DESC LIMIT 51",
            "due jobs": "SELECT id FROM jobs WHERE is_open = 1 AND account = 'a' AND lease_owner = 'gone' LIMIT 100",
        }
        for name, query in plans.items():
            plan = postgres.sql(url, "EXPLAIN (ANALYZE, TIMING OFF, SUMMARY OFF, COSTS OFF) " + query).splitlines()
            report.say(f"plan of {name}", "; ".join(line.strip(" ->") for line in plan[:4]), "Seq Scan on jobs" not in "".join(plan))
    finally:
        sandbox.terminate()
        sandbox.wait(timeout=60)
    report.table()
    return report.failures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=str(ROOT / "target/release/minimax-mcp"))
    parser.add_argument("--release", action="store_true", help="build the program first, as it is released")
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--poll", type=float, default=60)
    parser.add_argument("--only", choices=["flight", "rows"])
    options = parser.parse_args()
    if options.release:
        subprocess.run(["cargo", "build", "--release", "--locked"], cwd=ROOT, check=True)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        postgres = Postgres(folder / "postgres")
        try:
            failures = [] if options.only == "rows" else in_flight(options, folder, postgres)
            failures += [] if options.only == "flight" else many_rows(options, folder, postgres)
        finally:
            postgres.child.send_signal(signal.SIGINT)
            postgres.child.wait(timeout=60)
    print("not kept: " + ", ".join(failures) if failures else "all kept")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
