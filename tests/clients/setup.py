#!/usr/bin/env python3
"""`minimax-mcp setup`, checked with the `claude` and `codex` command lines.

    python3 tests/clients/setup.py [--keep FOLDER] [PROGRAM]

Installs both from npm (`--keep` keeps them for the next time), runs `PROGRAM setup` in an empty home folder (cargo makes the
program if none is named), and lets each list its servers. It ends with status 1 if a check failed, with 3 if a package
cannot be installed. No key is needed, and nothing is paid for.

What it shows: the real programs read the entry and, for claude, connect to the server; and after `--remove` it is gone.
"""

import sys

sys.dont_write_bytecode = True

import os
import subprocess
import tempfile
from functools import partial
from pathlib import Path

from hosts import PACKAGES, PATIENCE
from places import NotHad, Places, built, ended_without, parser_of, plain
from support import check, ended, holds

# Each host with its name in `setup`, and what its list shows for a working server.
HOSTS = [("claude", "claude-code", "Connected"), ("codex", "codex", "enabled")]


def run(home, command):
    keep = ["PATH", "SystemRoot", "LANG", "TEMP", "TMP"]
    environment = {name: os.environ[name] for name in keep if name in os.environ}
    environment |= {"HOME": str(home), "USERPROFILE": str(home)}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=home,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=PATIENCE,
    )
    return done.stdout.decode(errors="replace")


def listed(host, client, works, bin_folder, program):
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        home = Path(folder).resolve()
        said = run(home, [program, "setup", client, "--yes"])
        rows = [row for row in run(home, [bin_folder / host, "mcp", "list"]).splitlines() if "minimax" in row]
        holds(any(program in row and works in row for row in rows), f"{said}{rows}")
        run(home, [program, "setup", client, "--remove", "--yes"])
        after = run(home, [bin_folder / host, "mcp", "list"])
        holds("minimax" not in after, after)


def main():
    parser = parser_of(__doc__, keep="keep the packages here")
    arguments = parser.parse_args()
    plain()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        try:
            _, home = Places(Path(arguments.keep or scratch).resolve()).node(PACKAGES)
        except NotHad as problem:
            return ended_without(problem)
        program = str(Path(arguments.program or built()).resolve())
        for host, client, works in HOSTS:
            check(f"{host} mcp list", partial(listed, host, client, works, home / "node_modules" / ".bin", program))
    return ended()


if __name__ == "__main__":
    sys.exit(main())
