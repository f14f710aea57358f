#!/usr/bin/env python3
"""How many instructions the program executes: for its start, the list of tools, a dry run and a paid call.

    cargo test --no-run && python3 bench/instructions.py

Counts with callgrind, so the speed of the machine and what else it does hardly matter. Each case starts the program, makes its call and
closes stdin; the sandbox is a process of its own that is not counted. Every case is run twice, and the lower count is compared with
bench/instructions.json: more than the tolerance above it is a regression, and the script ends with status 1. Far below it, the
script asks for new numbers. `--update` writes them.

The numbers hold for the unoptimized build that the tests have, because CI has it anyway. They differ between
compilers and architectures: on another architecture, the script says so and ends with status 3, as it does without valgrind.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile

from stdio_client import Child, Failed

ROOT = pathlib.Path(__file__).resolve().parent.parent
NUMBERS = ROOT / "bench/instructions.json"
SKIPPED = 3
# The cases, in the order of the output. A call includes the start.
CASES = {
    "start": lambda server: None,
    "tools/list": lambda server: server.request("tools/list", {}),
    "dry run": lambda server: server.call("text_to_image", {"prompt": "A fox in the snow", "dry_run": True}),
    "paid call": lambda server: server.call("text_to_audio", {"text": "A fox in the snow."}),
}


def count(program, url, case, folder):
    """The number of instructions of one run."""
    home = pathlib.Path(tempfile.mkdtemp(dir=folder))
    (home / "out").mkdir()
    environment = {
        "HOME": str(home), "PATH": os.environ["PATH"], "MINIMAX_API_HOST": url, "MINIMAX_API_KEY": "instructions",
        "MINIMAX_SANDBOX": "true", "MINIMAX_MCP_BASE_PATH": str(home / "out"), "MINIMAX_DATA_DIR": str(home / "data"),
        "RUST_LOG": "off",
    }
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={home / 'counted'}", program]
    with Child(command, environment, str(home), 300) as server:
        server.initialize()
        CASES[case](server)
    return int(re.search(r"^(?:totals|summary): (\d+)", (home / "counted").read_text(), re.MULTILINE).group(1))


def measured(program):
    """The lower of two counts for each case, measured in parallel."""
    with tempfile.TemporaryDirectory() as folder:
        sandbox = subprocess.Popen(
            [program, "sandbox", "--dir", str(pathlib.Path(folder) / "sandbox")],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )
        try:
            url = sandbox.stdout.readline().strip()
            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                runs = {case: [pool.submit(count, program, url, case, folder) for _ in range(2)] for case in CASES}
                return {case: min(run.result() for run in both) for case, both in runs.items()}
        finally:
            sandbox.terminate()
            sandbox.wait(30)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=str(ROOT / "target/debug/minimax-mcp"))
    parser.add_argument("--update", action="store_true", help="write the counts to bench/instructions.json")
    options = parser.parse_args()
    if not shutil.which("valgrind"):
        print("skipped: valgrind is not installed")
        return SKIPPED
    if not pathlib.Path(options.program).exists():
        print(f"skipped: there is no {options.program}")
        return SKIPPED
    numbers = json.loads(NUMBERS.read_text())
    if platform.machine() != numbers["architecture"] and not options.update:
        print(f"skipped: the numbers are for {numbers['architecture']}, and this machine is {platform.machine()}")
        return SKIPPED
    try:
        counts = measured(options.program)
    except Failed as error:
        print(f"{error}: {options.program} must be the build that the tests use: `cargo test --no-run` makes it")
        return 1
    tolerance, failed = numbers["tolerance_percent"], False
    for case, counted in counts.items():
        known = numbers["instructions"].get(case, counted)
        change = 100 * (counted - known) / known
        note = ""
        if change > tolerance:
            failed, note = True, f"  <- more than {tolerance} % above bench/instructions.json"
        elif change < -tolerance:
            note = "  <- an improvement; `--update` keeps it"
        print(f"{case:<12} {counted:>13,} instructions, {change:+.1f} %{note}")
    if options.update:
        NUMBERS.write_text(json.dumps({**numbers, "architecture": platform.machine(), "instructions": counts}, indent=2) + "\n")
        return 0
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
