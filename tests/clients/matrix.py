#!/usr/bin/env python3
"""Every client library, over each of its transports, with the same sequence of calls; then a web page and a gateway.

    python3 tests/clients/matrix.py [--keep FOLDER] [--quick] [--only WORD]... [--write-table] [PROGRAM]

Installs each library of clients.json into a place of its own (`--keep` keeps them for the next time), starts the sandbox
and `PROGRAM serve --http … --sse` (cargo makes the program if none is named), and prints a line for each client and
transport, then the same as a table. It ends with status 1 if one failed, with 3 if a library cannot be installed.
`--quick` takes the lines that `.ci/run` plays, `--only ts --only http` those with all these words; `--write-table` puts
the table into docs/compatibility.md. Needs Python 3.10 and package indexes; no Node, no key, and nothing is paid for.

The play: list the tools; a picture, and its bytes; speech, and its bytes; a video whose job outlives the call and is
collected with get_job, and its bytes; the job and the picture once more as resources; and MiniMax was asked to make each
of them once. A client with a time-out of its own loses that call in the middle and finds the job again.

The last rows are scripts with a play of their own: a page in a real Chromium (browser.py), and a LiteLLM proxy between the
server and MiniMax (litellm.py).
"""

import sys

sys.dont_write_bytecode = True

import json
import os
import socket
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

from places import NotHad, Places, built, ended_without, parser_of, plain
from support import Sandbox

HERE = Path(__file__).resolve().parent
PAGE = HERE.parents[1] / "docs" / "compatibility.md"
CLIENTS = json.loads((HERE / "clients.json").read_text(encoding="utf-8"))
TRANSPORTS = {"stdio": "stdio", "http": "HTTP", "sse": "SSE"}

# Rows with scripts of their own, which play_all leaves out, with the transports that they use without --quick.
SCRIPTS = json.loads((HERE / "scripts.json").read_text(encoding="utf-8"))
NOT_HAD = 3

# The call that orders a video waits less than the video takes: a second, or the time limit of the client.
SECONDS, MORE_THAN_PATIENCE = 3, 2
PAID = ["/v1/image_generation", "/v1/t2a_v2", "/v1/video_generation"]
LONGEST = 120
LONGEST_SCRIPT = 1500


class Http:
    """The server, over HTTP and SSE."""

    def __init__(self, program, settings, **more):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
        command = [program, "serve", "--http", address, "--sse"]
        self.process = subprocess.Popen(command, env={**os.environ, **settings, **more})
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
    """What a client reports about its run."""
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


def lines(places, quick, only):
    """One run: a row of clients.json, a transport, and the command."""
    for row in CLIENTS:
        for transport in row.get("quick", []) if quick else row["transports"]:
            words = f"{row['client']} {row['package']} {transport}".lower()
            if not all(word.lower() in words for word in only):
                continue
            if row.get("node"):
                node, folder = places.node(row["install"])
                command = [node, HERE / "matrix_node.mjs", row["client"], row["package"], folder]
            else:
                command = [places.python(row["install"]), "-B", HERE / "matrix_python.py", row["client"], row["package"]]
            yield row, transport, command


def once(sandbox, before, videos):
    """Compares the paid requests since then with the orders."""
    sent = [one["path"] for one in sandbox.sent(before) if one["method"] == "POST"]
    got = [sent.count(path) for path in PAID]
    return None if got == [1, 1, videos] else f"MiniMax got {got} orders of {PAID}, not {[1, 1, videos]}"


def play_all(program, played, folder):
    sandbox, rows = Sandbox(program), []
    settings = {
        "MINIMAX_API_KEY": "sk-matrix",
        "MINIMAX_API_HOST": sandbox.url,
        "MINIMAX_SANDBOX": "true",
        "MINIMAX_MCP_BASE_PATH": str(folder / "results"),
        "MINIMAX_DATA_DIR": str(folder / "records"),
        "MINIMAX_LOG": "warn",
    }
    server = Http(program, settings)
    environment = {**os.environ, "PYTHONUTF8": "1"}
    addresses = {"http": server.url + "/mcp", "sse": server.url + "/sse"}
    try:
        for row, transport, command in played:
            name, patience = row["client"], row.get("patience")
            seconds = patience + MORE_THAN_PATIENCE if patience else SECONDS
            sandbox.control("pace", {"polls": 1, "seconds": seconds})
            before, began = len(sandbox.sent()), time.monotonic()
            how = {"program": program, "settings": settings} if transport == "stdio" else {"url": addresses[transport]}
            told = run(command, {"transport": transport, **how}, environment)
            problem = told.get("problem") or once(sandbox, before, told["videos"])
            took = f"{time.monotonic() - began:.1f} s"
            what = problem or f"{', '.join(told['did'])} ({took})"
            rows.append((row, transport, told.get("version", "?"), told.get("protocol"), problem))
            print(f"{'FAILED' if problem else 'ok':6}  {name}, {transport}: {what}", flush=True)
    finally:
        server.stop()
        sandbox.stop()
    return rows


def play_scripts(program, quick, only, keep):
    """Rows like those of play_all, and the number of scripts that lack what they need."""
    rows, without = [], 0
    for row in SCRIPTS:
        words = f"{row['client']} {row['script']} {' '.join(row['transports'])}".lower()
        if not all(word.lower() in words for word in only):
            continue
        command = [sys.executable, HERE / row["script"], *(["--quick"] if quick else []), *keep, program]
        done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=LONGEST_SCRIPT)
        version = next((line.split(": ", 1)[1] for line in done.stdout.splitlines() if line.startswith("version: ")), "?")
        failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
        if done.returncode == NOT_HAD:
            without += 1
            print(f"skipped {row['client']}: {done.stdout.strip().splitlines()[-1]}", flush=True)
            continue
        problem = None
        if done.returncode:
            problem = "; ".join(failed) or done.stderr[-600:] or f"status {done.returncode}"
        print(f"{'FAILED' if problem else 'ok':6}  {row['client']}: {problem or version}", flush=True)
        rows += [(row, transport, version, None, problem) for transport in row["transports"]]
    return rows, without


def table(rows):
    """The table for docs/compatibility.md: the protocol revision of each client, if it reports one."""
    text = "| Client | Version | stdio | HTTP | SSE |\n|---|---|---|---|---|\n"
    cells = {}
    for row, transport, version, protocol, problem in rows:
        client = row["client"] + (f", with its time-out of {row['patience']} s" if "patience" in row else "")
        cells.setdefault((client, version), {})[transport] = "FAILED" if problem else protocol or "yes"
    for (client, version), by in cells.items():
        text += f"| {client} | {version} | " + " | ".join(by.get(one, "–") for one in TRANSPORTS) + " |\n"
    return text


def write_table(text):
    begin, end = "<!-- clients -->\n", "<!-- /clients -->"
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(begin)
    PAGE.write_text(before + begin + text + end + rest.split(end)[1], encoding="utf-8", newline="\n")


def main():
    parser = parser_of(__doc__, keep="keep the libraries here")
    parser.add_argument("--quick", action="store_true", help="the lines that .ci/run plays")
    parser.add_argument("--only", action="append", default=[], metavar="WORD", help="lines with all these words")
    parser.add_argument("--write-table", action="store_true", help="put the table into docs/compatibility.md")
    arguments = parser.parse_args()
    if arguments.write_table and (arguments.quick or arguments.only):
        parser.error("--write-table needs every line")
    plain()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        try:
            places = Places(Path(arguments.keep or scratch).resolve())
            played = list(lines(places, arguments.quick, arguments.only))
        except NotHad as problem:
            return ended_without(problem)
        program = str(Path(arguments.program or built()).resolve())
        rows = play_all(program, played, Path(scratch).resolve()) if played else []
        keep = ["--keep", arguments.keep] if arguments.keep else []
        more, without = play_scripts(program, arguments.quick, arguments.only, keep)
        rows += more
    failed = sum(1 for row in rows if row[-1])
    print("\n" + table(rows))
    if arguments.write_table and not failed and not without:
        write_table(table(rows))
    print(f"{len(rows) - failed} passed, {failed} failed")
    if without and not failed:
        return NOT_HAD
    return 1 if failed or not rows else 0


if __name__ == "__main__":
    sys.exit(main())
