#!/usr/bin/env python3
"""Writes docs/demo.svg, the picture on the front page, from what `minimax-mcp demo` prints.

    python3 docs/demo.py PROGRAM [--out FILE]

Needs Python 3.10 and `pip install rich==15.0.0`. The picture leaves out the lines that repeat a path as a link, and cuts
long lines. Ids differ in each run; the test `the_picture_of_the_demo_equals_its_output` compares the rest.
"""

import argparse
import io
import os
import re
import subprocess
import tempfile
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

WIDTH = 112
THEME = TerminalTheme((22, 27, 34), (201, 209, 217), [(0, 0, 0), (255, 123, 114), (126, 231, 135), (242, 204, 96), (121, 192, 255), (210, 168, 255), (118, 227, 234), (201, 209, 217)])
# The look of a terminal, with fonts of the reader's machine: the picture loads nothing.
FORMAT = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<!-- Written by docs/demo.py. -->
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: {char_height}px; line-height: {line_height}px; }}
.{unique_id}-title {{ font-family: ui-sans-serif, system-ui, sans-serif; font-size: 18px; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal"><rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" /></clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def printed(program):
    """What the demo prints, with `~` for the folder that it ran in."""
    with tempfile.TemporaryDirectory() as home:
        home = Path(home).resolve()
        environment = {**os.environ, "HOME": str(home), "USERPROFILE": str(home)}
        done = subprocess.run([program, "demo"], cwd=home, env=environment, check=True, capture_output=True, text=True)
        return done.stdout.replace(str(home), "~").replace(program, "minimax-mcp")


def shown(line):
    return not line.startswith(("  link: ", "    minimax://", "  task_id ", "  Done."))


def colored(line):
    text = Text(line)
    text.highlight_regex(r"^\w+(?= \{)", "bold cyan")
    text.highlight_regex(r"^  … .*", "dim")
    text.highlight_regex(r"^  Cost: .*", "yellow")
    text.highlight_regex(r"~/\S+|^~$", "blue")
    text.highlight_regex(r"\bsucceeded\b(?= ·)", "green")
    text.truncate(WIDTH, overflow="ellipsis")
    return text


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--out", default=Path(__file__).with_suffix(".svg"), type=Path)
    asked = parser.parse_args()
    lines = [line for line in printed(str(Path(asked.program).resolve())).splitlines() if shown(line)]
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text("$ minimax-mcp demo", style="bold green"))
    for line in lines:
        console.print(colored(line), no_wrap=True, overflow="ellipsis", soft_wrap=False)
    picture = console.export_svg(title="minimax-mcp demo", theme=THEME, code_format=FORMAT, unique_id="demo")
    asked.out.write_text(re.sub(r"[ \t]+$", "", picture, flags=re.MULTILINE), encoding="utf-8")


if __name__ == "__main__":
    main()
