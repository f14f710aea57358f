#!/usr/bin/env python3
"""Real clients against the sandbox, and this server in place of the official one.

    python3 tests/clients/check.py [--keep FOLDER] [PROGRAM]

Installs the packages below into a place of their own (`--keep` keeps it for the next time), starts `PROGRAM sandbox`
(cargo makes the program if none is named), and prints a line for each check. It ends with status 1 if one failed, with
3 if a package cannot be installed. Needs Python 3.10 or newer and a package index; no key, and nothing is paid for.

What it shows: the sandbox takes what real clients send and answers what they can read; and a configuration of the
official server works with ours, tool by tool and parameter by parameter, with the same requests to MiniMax.
"""

import sys

sys.dont_write_bytecode = True

import argparse
import asyncio
import subprocess
import tempfile
from pathlib import Path

from places import NotHad, Places, built, ended_without, parser_of, plain
from support import Sandbox, ended

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
    return ended()


def main():
    parser = parser_of(__doc__, keep="keep the packages here")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        return inside(arguments.program)
    plain()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        try:
            python = Places(Path(arguments.keep or scratch).resolve()).python(PACKAGES)
        except NotHad as problem:
            return ended_without(problem)
        program = str(Path(arguments.program or built()).resolve())
        return subprocess.run([python, "-B", "-X", "utf8", __file__, "--inside", program]).returncode


if __name__ == "__main__":
    sys.exit(main())
