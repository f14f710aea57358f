#!/usr/bin/env python3
"""The official conformance suite and the MCP Inspector against the program.

    python3 tests/clients/conformance.py [--keep FOLDER] [--quick] [PROGRAM]

Installs both, and a Node for them, into a place of their own (`--keep` keeps it for the next time), starts the sandbox and
`PROGRAM serve --http … --sse` (cargo makes the program if none is named), as it is and with the tools, prompts and
resources that the suite knows by name (the example `conformance`, whose source is the folder of that name), and runs

* every scenario of the suite for each protocol revision, with what is expected to fail in the folder `expected`: a file
  for each revision, and an entry that passes fails the run;
* its scenarios of tasks, where a proxy calls our tools instead of those made for the suite: `slow_compute` is a video
  that takes as long, `failing_job` one that fails, `greet` a chat, which answers at once;
* the Inspector on stdio, HTTP and SSE in each era; `--strict` reports schemas that some clients cannot read.
  `--quick`, for `.ci/run`, lists the tools and calls one; without it the other lists are asked for, too.

It ends with status 1 if anything failed that is not expected to, or passed that is; with 3 if nothing can be installed.
"""

import sys

sys.dont_write_bytecode = True

import argparse
import json
import os
import re
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from matrix import Http
from places import NotHad, Places, built, built_example, ended_without, plain
from support import Sandbox

HERE = Path(__file__).resolve().parent
PACKAGES = ["@modelcontextprotocol/conformance@0.2.0-alpha.12", "@modelcontextprotocol/inspector@2.12.0"]
REVISIONS = ["2025-06-18", "2025-11-25", "2026-07-28"]
TASKS = ["lifecycle", "capability-negotiation", "wire-fields", "request-state-removal", "request-headers"]
TASKS += ["dispatch-and-envelope", "status-notifications"]
METHODS = ["tools/list", "tools/call", "resources/list", "resources/templates/list", "prompts/list"]
QUICK = 2
ERAS = ["legacy", "auto", "modern"]


def stand_in(sandbox, message, fixtures):
    """Turns a call of a tool of the suite into one of our tools. Returns both names."""
    params = message.get("params") or {}
    name, arguments = params.get("name"), params.get("arguments") or {}
    if message.get("method") != "tools/call":
        return None
    if name == "greet" and not fixtures:
        params.update(name="chat", arguments={"prompt": f"Hello, {arguments.get('name')}!"})
    elif name == "slow_compute":
        sandbox.control("pace", {"polls": 1, "seconds": arguments.get("seconds", 0)})
        params.update(name="generate_video", arguments={"prompt": "A fox walks"})
    elif name == "confirm_delete":
        sandbox.control("pace", {"polls": 1, "seconds": 2})
        params.update(name="generate_video", arguments={"prompt": "A fox walks"})
    elif name == "failing_job":
        sandbox.control("pace", {"polls": 1, "seconds": 0})
        params.update(name="generate_video", arguments={"prompt": "A fox walks #failtask"})
    else:
        return None
    return name, params["name"]


def proxy(sandbox, server, fixtures):
    """Starts a proxy that maps calls of the suite's tools to ours. It serves until it is shut down."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name: value for name, value in self.headers.items() if name.lower() != "content-length"}
            message = json.loads(body)
            names = stand_in(sandbox, message, fixtures) if isinstance(message, dict) else None
            if names:
                headers = {name: names[1] if value == names[0] else value for name, value in headers.items()}
                body = json.dumps(message).encode()
            request = urllib.request.Request(server.url + self.path, body, headers, method="POST")
            try:
                answer = urllib.request.urlopen(request)
            except urllib.error.HTTPError as refused:
                answer = refused
            with answer:
                data = answer.read()
                self.send_response(answer.status)
                self.send_header("content-type", answer.headers.get("content-type", "text/plain"))
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

    serving = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving.daemon_threads = True
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    return serving


class Tools:
    """The suite and the Inspector, in a folder of their own."""

    def __init__(self, folder):
        self.node, self.home = Places(folder).node(PACKAGES)

    def run(self, name, *arguments):
        manifest = self.home / "node_modules" / "@modelcontextprotocol" / name
        scripts = json.loads((manifest / "package.json").read_text())["bin"]
        script = next(scripts[entry] for entry in ("conformance", "inspector", "mcp-inspector") if entry in scripts)
        environment = {**os.environ, "MCP_INSPECTOR_SECRET_STORE": "memory"}
        command = [str(self.node), str(manifest / script), *map(str, arguments)]
        return subprocess.run(command, cwd=self.home, env=environment, capture_output=True, text=True, timeout=600)


class Tally:
    """Counts and prints the results."""

    def __init__(self):
        self.passed, self.failed, self.began = 0, 0, time.monotonic()

    def tell(self, fine, line):
        self.passed, self.failed = self.passed + fine, self.failed + (not fine)
        print(f"{'ok' if fine else 'FAILED':6}  {time.monotonic() - self.began:5.1f} s  {line}", flush=True)


def suite(tools, url, results, expected, *arguments):
    """Runs scenarios. Returns whether all results are as expected, and what to print."""
    given = ["--url", url, "--expected-failures", expected, "-o", results, *arguments]
    done = tools.run("conformance", "server", *given)
    total = re.findall(r"(?:Total|Passed): .*", done.stdout)
    unexpected = done.stdout.partition("Stale baseline")[2] or done.stdout.partition("Unexpected failures")[2]
    return done.returncode == 0, f"{total[-1] if total else 'no scenario'} {unexpected.strip()[:800] or done.stderr[-400:]}"


def conform(program, settings, tools, sandbox, folder, fixtures, tally):
    """The whole suite against one kind of server."""
    kind = "fixtures" if fixtures else "plain"
    server = Http(built_example("conformance") if fixtures else program, settings)
    try:
        for revision in REVISIONS:
            expected = HERE / "expected" / f"{kind}-{revision}.yml"
            which = ["--suite", "all", "--spec-version", revision]
            fine, line = suite(tools, server.url + "/mcp", folder / revision, expected, *which)
            tally.tell(fine, f"conformance, {kind}, {revision}: {line}")
        through = proxy(sandbox, server, fixtures)
        url = f"http://127.0.0.1:{through.server_port}/mcp"
        for scenario in TASKS:
            expected = HERE / "expected" / f"{kind}-tasks.yml"
            fine, line = suite(tools, url, folder / scenario, expected, "--scenario", f"tasks-{scenario}")
            tally.tell(fine, f"conformance, {kind}, tasks-{scenario}: {line}")
        through.shutdown()
    finally:
        server.stop()


def inspect(tools, place, era, methods):
    """The complaints of the Inspector about one transport and revision. Empty if there are none."""
    faults = []
    for method in methods:
        more = {"tools/list": ["--strict"], "tools/call": ["--tool-name", "list_voices", "--tool-args-json", "{}"]}
        how = ["--method", method, "--format", "json", "--protocol-era", era, *more.get(method, [])]
        done = tools.run("inspector", "--cli", *place, *how)
        if done.returncode:
            faults.append(f"{method} ends with {done.returncode}: {(done.stderr or done.stdout)[-300:]}")
        elif method == "tools/list" and "warning" in done.stderr.lower():
            faults.append(f"{method}: {done.stderr[-300:]}")
    return faults


def inspect_all(program, settings, tools, folder, quick, tally):
    server = Http(program, settings)
    data = {"MINIMAX_DATA_DIR": folder / "inspected", "MINIMAX_MCP_BASE_PATH": folder / "inspected-results"}
    places = {
        "stdio": [program, *(word for name, value in data.items() for word in ("-e", f"{name}={value}"))],
        "HTTP": [server.url + "/mcp", "--transport", "http"],
        "SSE": [server.url + "/sse", "--transport", "sse"],
    }
    methods = METHODS[:QUICK] if quick else METHODS
    try:
        with ThreadPoolExecutor(2) as two:
            running = [
                (f"{transport}, {era}", two.submit(inspect, tools, place, era, methods))
                for transport, place in places.items()
                for era in ERAS
            ]
            for name, faults in running:
                found = faults.result()
                tally.tell(not found, f"Inspector, {name}" + "".join(f"; {fault}" for fault in found))
    finally:
        server.stop()


def check_all(program, tools, folder, quick):
    sandbox, tally = Sandbox(program), Tally()
    settings = {
        "MINIMAX_API_KEY": "sk-conformance",
        "MINIMAX_API_HOST": sandbox.url,
        "MINIMAX_SANDBOX": "true",
        "MINIMAX_MCP_BASE_PATH": str(folder / "results"),
        "MINIMAX_DATA_DIR": str(folder / "records"),
        "MINIMAX_LOG": "off",
    }
    # The Inspector hands on what it finds.
    os.environ.update(settings)
    try:
        for fixtures in (False, True):
            conform(program, settings, tools, sandbox, folder, fixtures, tally)
        inspect_all(program, settings, tools, folder, quick, tally)
    finally:
        sandbox.stop()
    print(f"{tally.passed} passed, {tally.failed} failed")
    return 1 if tally.failed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", nargs="?", help="the minimax-mcp to check, as `cargo test` builds it")
    parser.add_argument("--keep", help="keep the suite and the Inspector here")
    parser.add_argument("--quick", action="store_true", help="fewer questions of the Inspector's")
    arguments = parser.parse_args()
    plain()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        try:
            tools = Tools(Path(arguments.keep or scratch).resolve())
        except NotHad as problem:
            return ended_without(problem)
        program = str(Path(arguments.program or built()).resolve())
        return check_all(program, tools, Path(scratch).resolve(), arguments.quick)


if __name__ == "__main__":
    sys.exit(main())
