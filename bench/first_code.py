#!/usr/bin/env python3
"""Finds the code that a server executes, in the order of its first use, and writes linker/first.txt, which tells the linker to use that order.

    cargo rustc --release --bin minimax-mcp -- -C strip=none && python3 bench/first_code.py

A server executes a seventh of its code in a start and the usual calls, a little in every part of the file. The system loads 64 KiB
around each place that is touched, so without an order most of the program is in memory. build.rs gives the file to the linker of a
release on Linux on x86_64. The names hold for one compiler, one Cargo.lock and, in part, one state of the code: what they do not
name any more lies where it would lie anyway, so an old file does no harm, and less good. Write it last, before a release. `--check`
says how much of what is executed the file names. (A profile without `strip` would change the names, so the compiler is told instead.)

Runs the program in QEMU (Debian: `apt install qemu-user`), which lists what it translates, against the same stand-in for MiniMax as
`peers.py`. Needs Linux on x86_64, `nm`, and a program with its symbols.
"""

import argparse
import bisect
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

from stdio_client import Child

ROOT = pathlib.Path(__file__).resolve().parent.parent
ORDER = ROOT / "linker/first.txt"
# Where QEMU puts the program.
BASE = 0x4000000000


def use(server):
    """The calls that most servers get in their first minutes."""
    server.initialize()
    server.request("tools/list", {})
    for number in range(3):
        server.call("text_to_audio", {"text": f"A fox in the snow, {number}."})
    server.call("text_to_image", {"prompt": "A fox"})
    server.call("generate_video", {"prompt": "A fox", "model": "MiniMax-Hailuo-2.3", "wait_seconds": 50})
    server.call("list_jobs", {})


def executed(program, folder):
    """The offsets of all executed code, in the order of its first use."""
    fake = subprocess.Popen([sys.executable, ROOT / "bench/fake_minimax.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    url, home = json.loads(fake.stdout.readline())["http"], pathlib.Path(folder)
    (home / "out").mkdir()
    environment = {
        "HOME": str(home), "PATH": os.environ["PATH"], "MINIMAX_API_KEY": "bench", "MINIMAX_API_HOST": url,
        "MINIMAX_MCP_BASE_PATH": str(home / "out"), "MINIMAX_DATA_DIR": str(home / "data"), "MINIMAX_RATE_LIMITS": "false",
        "MINIMAX_POLL_SECONDS": "0.5",
    }
    log = home / "translated"
    try:
        # Without a fixed base, QEMU would place the program anywhere.
        command = ["qemu-x86_64", "-B", "0x10000000000", "-d", "in_asm", "-D", str(log), str(program)]
        with Child(command, environment, str(home), 300) as server:
            use(server)
    finally:
        fake.stdin.close()
        fake.wait(10)
    with open(log, errors="replace") as lines:
        found = (re.match(r"0x([0-9a-f]+):", line) for line in lines)
        return list(dict.fromkeys(int(match[1], 16) - BASE for match in found if match))


def functions(program):
    """Start, size and name of each function."""
    table = subprocess.run(["nm", "-S", "--defined-only", str(program)], capture_output=True, text=True, check=True).stdout
    rows = (line.split() for line in table.splitlines())
    return sorted((int(row[0], 16), int(row[1], 16), row[3]) for row in rows if len(row) == 4 and row[2] in "tTwW")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "target/release/minimax-mcp")
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args()
    table = functions(options.program)
    if not table:
        sys.exit(f"{options.program} has no symbols: build it as the help says")
    with tempfile.TemporaryDirectory() as folder:
        addresses = executed(options.program.resolve(), folder)
    starts, first = [start for start, _, _ in table], {}
    for address in addresses:
        index = bisect.bisect_right(starts, address) - 1
        # Functions with the same code share an address.
        while index >= 0 and table[index][0] <= address < table[index][0] + table[index][1]:
            _, size, name = table[index]
            first.setdefault(name, size)
            index -= 1
    size = sum(first.values())
    print(f"{len(first):,} functions with {size:,} bytes were executed, of {sum(row[1] for row in table):,} bytes")
    named = set(ORDER.read_text().split()) if ORDER.exists() else set()
    known = sum(bytes for name, bytes in first.items() if name in named)
    print(f"{ORDER.name} names {100 * known / size:.0f} % of these bytes")
    if not options.check:
        ORDER.parent.mkdir(exist_ok=True)
        ORDER.write_text("\n".join(first) + "\n")


if __name__ == "__main__":
    main()
