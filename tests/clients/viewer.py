#!/usr/bin/env python3
"""The viewer of MCP Apps in a real Chromium, inside a host with the official bridge.

    python3 tests/clients/viewer.py [--keep FOLDER] [--quick] [--install] [--pictures FOLDER] [PROGRAM]

Installs `@modelcontextprotocol/ext-apps` with what it needs into a place of its own (`--keep` keeps it for the next time),
starts the sandbox and `PROGRAM serve --http …` (cargo makes the program if none is named), and opens a host in Chromium:
the official bridge and client, and the page of the server in two frames with the policies that the specification and the
example host have. It plays pictures, sounds and videos (their time has to go on), jobs that run, fail and end, downloads,
links and messages to the chat, texts that try to become markup, what axe-core finds, and a host that declares nothing.

`--quick`, for `.ci/run`, leaves out combinations of revision and policy. `--pictures` writes screenshots.
It ends with status 1 if a check fails; with 3 if the packages or Chromium cannot be had.
"""

import sys

sys.dont_write_bytecode = True

import json
import subprocess
from pathlib import Path

from browser import in_browser, options_of
from matrix import Http
from support import Sandbox, check, ended, failures

HERE = Path(__file__).resolve().parent
PACKAGES = ["@modelcontextprotocol/ext-apps@2.0.4", "@modelcontextprotocol/client@2.4.0", "@modelcontextprotocol/core@2.4.0"]
PACKAGES += ["zod@4.6.7", "esbuild@0.28.2", "playwright-core@1.65.1", "axe-core@4.14.1"]
TOKEN = "host-0123456789abcdef"
LONGEST = 300


def play_all(program, node, home, browser, folder, arguments):
    sandbox = Sandbox(program)
    sandbox.control("pace", {"polls": 4, "seconds": 2})
    settings = {
        "MINIMAX_API_KEY": "sk-viewer",
        "MINIMAX_API_HOST": sandbox.url,
        "MINIMAX_SANDBOX": "true",
        "MINIMAX_POLL_SECONDS": "0.5",
        "MINIMAX_MCP_BASE_PATH": str(folder / "results"),
        "MINIMAX_DATA_DIR": str(folder / "records"),
        "MINIMAX_MCP_TOKEN": TOKEN,
        "MINIMAX_LOG": "off",
    }
    server = Http(program, settings)
    play = {"url": server.url, "token": TOKEN, "chromium": browser, "quick": arguments.quick, "host": str(HERE / "viewer_host.js")}
    if arguments.pictures:
        play["pictures"] = str(arguments.pictures)
    command = [str(node), str(HERE / "viewer.mjs"), str(home), json.dumps(play)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    done = 0
    try:
        for line in process.stdout:
            said = json.loads(line)
            done += 1

            def tell():
                if said.get("problem"):
                    raise AssertionError(said["problem"])

            check(f"{said['name']} ({said['seconds']:.1f} s)", tell)
        process.wait(LONGEST)
    finally:
        process.kill()
        server.stop()
        sandbox.stop()
    if process.returncode or not done:
        failures.append("the host")
        print(f"FAILED  the host ends with {process.returncode} after {done} checks")
    return ended()


def main():
    arguments = options_of(__doc__, "keep the packages here", "fewer combinations", pictures=True).parse_args()

    def play(program, browser, packages, folder):
        node, home = packages
        return play_all(program, node, home, browser, folder, arguments)

    return in_browser(arguments, lambda places: places.node(PACKAGES), play)


if __name__ == "__main__":
    sys.exit(main())
