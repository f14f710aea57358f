#!/usr/bin/env python3
"""Real clients against the sandbox, and this server in the place of the official one.

    python3 tests/clients/check.py [--venv FOLDER] [PROGRAM]

Installs the packages below into a new virtual environment (`--venv` keeps it for the next time), starts
`PROGRAM sandbox` (`cargo build` makes the program if none is named), and prints a line for each check. It ends with
status 1 if one failed. Needs Python 3.10 or newer and a package index; no key, and nothing is paid for.

What it shows: the sandbox takes what real clients send and answers what they can read; and a configuration of the
official server works with ours, tool by tool and parameter by parameter, with the same requests to MiniMax.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from support import Sandbox, failures

# The official server 0.0.19 needs mcp 2: it imports `MCPServer`, which mcp 1 does not have.
PACKAGES = ["openai==3.54.0", "anthropic==2.12.0", "minimax-mcp==0.0.19", "mcp==2.3.0"]



def inside(program):
    """The checks, with the packages at hand."""
    from mcp_servers import mcp_checks
    from text_clients import anthropic_checks, openai_checks

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        sandbox = Sandbox(program)
        try:
            openai_checks(sandbox)
            anthropic_checks(sandbox)
            asyncio.run(mcp_checks(sandbox, program, Path(folder)))
        finally:
            sandbox.stop()
    print(f"{len(failures)} failed")
    return 1 if failures else 0


def built(*more):
    """The program, built from this repository, with more words for cargo."""
    root = Path(__file__).resolve().parents[2]
    command = ["cargo", "build", "--message-format=json-render-diagnostics", "--manifest-path", str(root / "Cargo.toml"), *more]
    lines = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.splitlines()
    programs = [json.loads(line).get("executable") for line in lines]
    return next(program for program in reversed(programs) if program)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", nargs="?", help="the minimax-mcp to check")
    parser.add_argument("--venv", help="keep the virtual environment here")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        return inside(arguments.program)
    program = str(Path(arguments.program or built()).resolve())
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        home = Path(arguments.venv or scratch).resolve()
        python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        if not python.exists():
            venv.create(home, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
        environment = {**os.environ, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
        return subprocess.run([python, "-B", "-X", "utf8", __file__, "--inside", program], env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
