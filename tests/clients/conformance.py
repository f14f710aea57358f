#!/usr/bin/env python3
"""The official conformance suite and the MCP Inspector against the program.

    python3 tests/clients/conformance.py [--keep FOLDER] [--fixtures] [PROGRAM]

Installs both, and Node 22, into a place of their own (`--keep` keeps it for the next time), starts the sandbox and
`PROGRAM serve --http … --sse` (`cargo build` makes the program if none is named), and runs

* every scenario of the suite for each protocol revision, with what is expected to fail in conformance.yml;
* its scenarios of tasks, where a proxy calls our tools instead of those made for the suite: `slow_compute` is a video
  that takes as long, `failing_job` one that fails, `greet` a chat, which answers at once;
* the Inspector on stdio, HTTP and SSE in each era; `--strict` finds fault with schemas that not every client reads.

`--fixtures` is for a program with the feature `conformance-fixtures` (and builds one if none is named), which has the
tools, prompts and resources that the suite knows; what is expected to fail is in conformance-fixtures.yml then, and little.

It ends with status 1 if anything failed that is not expected to, or passed that is.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from check import built
from matrix import Http
from support import Sandbox

HERE = Path(__file__).resolve().parent
PACKAGES = ["node@22", "@modelcontextprotocol/conformance@0.2.0-alpha.12", "@modelcontextprotocol/inspector@2.12.0"]
REVISIONS = ["2025-06-18", "2025-11-25", "2026-07-28"]
TASKS = ["lifecycle", "capability-negotiation", "wire-fields", "request-state-removal", "request-headers"]
TASKS += ["dispatch-and-envelope", "status-notifications"]
METHODS = ["tools/list", "resources/list", "resources/templates/list", "prompts/list", "tools/call"]


def stand_in(sandbox, message, fixtures):
    """Turns a call of a tool made for the suite into one of ours. Returns the names, its own and ours."""
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
    """A proxy in front of the server that lets our tools stand in. Returns it; it serves until shut down."""

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
        self.home = folder / "official"
        if not (self.home / "installed").exists():
            self.home.mkdir(parents=True, exist_ok=True)
            (self.home / "package.json").write_text("{}")
            command = [shutil.which("npm"), "install", "--no-audit", "--no-fund", "--silent", *PACKAGES]
            subprocess.run(command, cwd=self.home, check=True)
            (self.home / "installed").touch()
        found = [self.home / "node_modules" / "node" / "bin" / name for name in ("node", "node.exe")]
        self.node = next((node for node in found if node.exists()), "node")

    def run(self, name, *arguments):
        manifest = self.home / "node_modules" / "@modelcontextprotocol" / name
        script = manifest / json.loads((manifest / "package.json").read_text())["bin"][self.entry(manifest)]
        environment = {**os.environ, "MCP_INSPECTOR_SECRET_STORE": "memory"}
        command = [str(self.node), str(script), *map(str, arguments)]
        return subprocess.run(command, cwd=self.home, env=environment, capture_output=True, text=True, timeout=600)

    @staticmethod
    def entry(manifest):
        names = json.loads((manifest / "package.json").read_text())["bin"]
        return next(name for name in ("conformance", "inspector", "mcp-inspector") if name in names)


def suite(tools, url, results, expected, *arguments):
    """Runs scenarios. Returns whether all is as expected, and what to print."""
    given = ["--url", url, "--expected-failures", expected, "-o", results, *arguments]
    done = tools.run("conformance", "server", *given)
    total = re.findall(r"(?:Total|Passed): .*", done.stdout)
    unexpected = done.stdout.partition("Stale baseline")[2] or done.stdout.partition("Unexpected failures")[2]
    return done.returncode == 0, f"{total[-1] if total else 'no scenario'} {unexpected.strip()[:800] or done.stderr[-400:]}"


def inspect(tools, program, server, folder):
    """What the Inspector has to say, by transport and era: empty if nothing."""
    data = {"MINIMAX_DATA_DIR": folder / "inspected", "MINIMAX_MCP_BASE_PATH": folder / "inspected-results"}
    stdio = [program, *(word for name, value in data.items() for word in ("-e", f"{name}={value}"))]
    places = {
        "stdio": stdio,
        "http": [server.url + "/mcp", "--transport", "http"],
        "sse": [server.url + "/sse", "--transport", "sse"],
    }
    for transport, place in places.items():
        for era in ("legacy", "auto", "modern"):
            faults = []
            for method in METHODS:
                more = {"tools/list": ["--strict"], "tools/call": ["--tool-name", "list_voices", "--tool-args-json", "{}"]}
                how = ["--method", method, "--format", "json", "--protocol-era", era, *more.get(method, [])]
                done = tools.run("inspector", "--cli", *place, *how)
                if done.returncode:
                    faults.append(f"{method} ends with {done.returncode}: {(done.stderr or done.stdout)[-300:]}")
                elif method == "tools/list" and "warning" in done.stderr.lower():
                    faults.append(f"{method}: {done.stderr[-300:]}")
            yield f"Inspector, {transport}, {era}", faults


def check_all(program, tools, folder, fixtures):
    expected = HERE / ("conformance-fixtures.yml" if fixtures else "conformance.yml")
    sandbox, failed = Sandbox(program), 0
    settings = {
        "MINIMAX_API_KEY": "sk-conformance",
        "MINIMAX_API_HOST": sandbox.url,
        "MINIMAX_MCP_BASE_PATH": str(folder / "results"),
        "MINIMAX_DATA_DIR": str(folder / "records"),
        "MINIMAX_LOG": "off",
    }
    os.environ.update(settings)
    server = Http(program, settings)

    def tell(fine, line):
        nonlocal failed
        failed += not fine
        print(f"{'ok' if fine else 'FAILED':6}  {line}", flush=True)

    try:
        for revision in REVISIONS:
            which = ["--suite", "all", "--spec-version", revision]
            fine, line = suite(tools, server.url + "/mcp", folder / revision, expected, *which)
            tell(fine, f"conformance {revision}: {line}")
        through = proxy(sandbox, server, fixtures)
        url = f"http://127.0.0.1:{through.server_port}/mcp"
        for scenario in TASKS:
            fine, line = suite(tools, url, folder / scenario, expected, "--scenario", f"tasks-{scenario}")
            tell(fine, f"conformance tasks-{scenario}: {line}")
        through.shutdown()
        for line, faults in [] if fixtures else inspect(tools, program, server, folder):
            tell(not faults, line + ("" if not faults else ": " + "; ".join(faults)))
    finally:
        server.stop()
        sandbox.stop()
    print(f"{failed} failed")
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", nargs="?", help="the minimax-mcp to check")
    parser.add_argument("--keep", help="keep the suite and the Inspector here")
    parser.add_argument("--fixtures", action="store_true", help="the program has the feature conformance-fixtures")
    arguments = parser.parse_args()
    feature = ["--features", "conformance-fixtures"] if arguments.fixtures else []
    program = str(Path(arguments.program or built(*feature)).resolve())
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        tools = Tools(Path(arguments.keep or scratch).resolve())
        return check_all(program, tools, Path(scratch).resolve(), arguments.fixtures)


if __name__ == "__main__":
    sys.exit(main())
