#!/usr/bin/env python3
"""Every client library, over every transport it has, through the same play.

    python3 tests/clients/matrix.py [--keep FOLDER] [--only WORD]... [PROGRAM]

Installs each library into a place of its own (`--keep` keeps them for the next time), starts the sandbox and
`PROGRAM serve --http … --sse` (`cargo build` makes the program if none is named), and prints a line for each client and
transport, then the same as a table. It ends with status 1 if one failed. `--only ts --only http` takes the lines with all
these words. Needs Python 3.10, Node 20 with npm, and package indexes; no key, and nothing is paid for.

The play: list the tools; a picture, and its bytes; speech, and its bytes; a video whose job outlives the call and is
collected with get_job, and its bytes; the job and the picture once more as resources; and MiniMax was asked to make each
of them once. A client with a time-out of its own loses a call in the middle and finds the job again.
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import venv
from pathlib import Path

from check import built
from support import Sandbox

HERE = Path(__file__).resolve().parent

# The name of a line, the package whose version is told, what is installed for it, and its transports.
PYTHON = {
    "Python mcp 2": ("mcp", ["mcp==2.3.0"], ["stdio", "http", "sse"]),
    "Python mcp 2, legacy": ("mcp", ["mcp==2.3.0"], ["stdio", "http"]),
    "Python mcp 1": ("mcp", ["mcp==1.30.0"], ["stdio", "http", "sse"]),
    "FastMCP": ("fastmcp", ["fastmcp==4.1.2"], ["stdio", "http", "sse"]),
    "LangChain adapters": ("langchain-mcp-adapters", ["langchain-mcp-adapters==0.3.2"], ["stdio", "http", "sse"]),
    "OpenAI Agents SDK": ("openai-agents", ["openai-agents==0.24.0"], ["stdio", "http", "sse"]),
    "Pydantic AI": ("pydantic-ai-slim", ["pydantic-ai-slim[mcp]==2.68.0"], ["stdio", "http", "sse"]),
}
NODE = {
    "TS SDK 1": ("@modelcontextprotocol/sdk", ["stdio", "http", "sse"]),
    "TS SDK 2": ("@modelcontextprotocol/client", ["stdio", "http", "sse"]),
    "TS SDK 2, legacy": ("@modelcontextprotocol/client", ["stdio", "http"]),
}
NODE_PACKAGES = ["@modelcontextprotocol/sdk@1.32.2", "@modelcontextprotocol/client@2.4.0"]

# Videos take this long, the call that orders one waits less; the client with a time-out has one of 5 seconds.
VIDEO_SECONDS = {"OpenAI Agents SDK": 7}
PAID = ["/v1/image_generation", "/v1/t2a_v2", "/v1/video_generation"]
LONGEST = 120


class Places:
    """Where the libraries are, each apart from the others: they do not agree on the versions of what they share."""

    def __init__(self, folder):
        self.folder = folder

    def python(self, packages):
        home = self.folder / "".join(c if c.isalnum() else "-" for c in packages[0])
        python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        if not (home / "installed").exists():
            venv.create(home, with_pip=True)
            subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
            (home / "installed").touch()
        return python

    def node(self):
        home = self.folder / "node"
        if not (home / "installed").exists():
            home.mkdir(parents=True, exist_ok=True)
            (home / "package.json").write_text("{}")
            npm = shutil.which("npm")
            subprocess.run([npm, "install", "--no-audit", "--no-fund", "--silent", *NODE_PACKAGES], cwd=home, check=True)
            (home / "installed").touch()
        return home


class Http:
    """The server, over HTTP and SSE."""

    def __init__(self, program, settings):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
        command = [program, "serve", "--http", address, "--sse"]
        self.process = subprocess.Popen(command, env={**os.environ, **settings})
        self.url = f"http://{address}"
        for _ in range(100):
            try:
                urllib.request.urlopen(self.url + "/readyz").read()
                return
            except OSError:
                time.sleep(0.1)
        raise AssertionError("the server does not get ready")

    def stop(self):
        self.process.terminate()
        self.process.wait()


def run(command, play, environment):
    """What a client says of its play."""
    try:
        done = subprocess.run(
            [*map(str, command), json.dumps(play)], env=environment, capture_output=True, timeout=LONGEST, text=True
        )
    except subprocess.TimeoutExpired:
        return {"problem": f"nothing after {LONGEST} s"}
    lines = done.stdout.strip().splitlines()
    try:
        return json.loads(lines[-1])
    except (IndexError, ValueError):
        return {"problem": done.stderr[-600:] or done.stdout[-600:] or "it said nothing"}


def lines(places, only):
    """Name, transport and command of each line."""
    for name, (package, packages, transports) in PYTHON.items():
        for transport in transports:
            if all(word.lower() in f"{name} {transport}".lower() for word in only):
                yield name, transport, [places.python(packages), "-B", HERE / "matrix_python.py", name, package]
    for name, (package, transports) in NODE.items():
        for transport in transports:
            if all(word.lower() in f"{name} {transport}".lower() for word in only):
                yield name, transport, [shutil.which("node"), HERE / "matrix_node.mjs", name, package, places.node()]


def once(sandbox, before, videos):
    """What MiniMax was paid for since then, against what was ordered."""
    sent = [one["path"] for one in sandbox.sent(before) if one["method"] == "POST"]
    got = [sent.count(path) for path in PAID]
    return None if got == [1, 1, videos] else f"MiniMax got {got} orders of {PAID}, not {[1, 1, videos]}"


def play_all(program, places, only, folder):
    sandbox, rows = Sandbox(program), []
    settings = {
        "MINIMAX_API_KEY": "sk-matrix",
        "MINIMAX_API_HOST": sandbox.url,
        "MINIMAX_MCP_BASE_PATH": str(folder / "results"),
        "MINIMAX_DATA_DIR": str(folder / "records"),
        "MINIMAX_LOG": "warn",
    }
    server = Http(program, settings)
    environment = {**os.environ, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", "PYTHONUTF8": "1"}
    addresses = {"http": server.url + "/mcp", "sse": server.url + "/sse"}
    try:
        for name, transport, command in lines(places, only):
            seconds = VIDEO_SECONDS.get(name, 3)
            sandbox.control("pace", {"polls": 1, "seconds": seconds})
            before, began = len(sandbox.sent()), time.monotonic()
            how = {"program": program, "settings": settings} if transport == "stdio" else {"url": addresses[transport]}
            told = run(command, {"transport": transport, **how}, environment)
            problem = told.get("problem") or once(sandbox, before, told["videos"])
            took = f"{time.monotonic() - began:.1f} s"
            what = problem or f"{', '.join(told['did'])} ({took})"
            rows.append((name, transport, told.get("version", "?"), told.get("protocol"), problem or ""))
            print(f"{'FAILED' if problem else 'ok':6}  {name}, {transport}: {what}", flush=True)
    finally:
        server.stop()
        sandbox.stop()
    return rows


def table(rows):
    """For the README."""
    print("\n| Client | Version | stdio | HTTP | SSE |\n|---|---|---|---|---|")
    cells = {}
    for name, transport, version, protocol, problem in rows:
        cells.setdefault((name, version), {})[transport] = "FAILED" if problem else protocol or "ok"
    for (name, version), by in cells.items():
        print(f"| {name} | {version} | " + " | ".join(by.get(one, "–") for one in ("stdio", "http", "sse")) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", nargs="?", help="the minimax-mcp to check")
    parser.add_argument("--keep", help="keep the libraries here")
    parser.add_argument("--only", action="append", default=[], metavar="WORD", help="lines with all these words")
    arguments = parser.parse_args()
    program = str(Path(arguments.program or built()).resolve())
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        places = Places(Path(arguments.keep or scratch).resolve())
        rows = play_all(program, places, arguments.only, Path(scratch).resolve())
    table(rows)
    failed = sum(1 for row in rows if row[-1])
    print(f"\n{failed} of {len(rows)} failed")
    return 1 if failed or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
