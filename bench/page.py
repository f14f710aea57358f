"""Writes docs/benchmarks.md, its figure and the lines of both READMEs from docs/benchmarks.json. The values are measured by
`peers.py` and `growth.py`."""

import json
import re
import statistics

import curves
from markdown import shown, table

NAMES = {"this": "this server", "python": "`minimax-mcp`", "javascript": "`minimax-mcp-js`", "hoobnn": "`hoobnn-minimax-mcp`"}
OTHERS = ("python", "javascript", "hoobnn")
COLOURS = {"this": "#0f766e", "python": "#94a3b8", "javascript": "#a8a29e", "hoobnn": "#b4a7c7"}
# What is measured: its key, its name on the page, its unit. Less is always better.
MEASURES = [
    ("start_ms", "Start, to the answer to `initialize`", "ms"),
    ("list_ms", "The first `tools/list`", "ms"),
    ("rss_list", "Resident memory after it", "MB"),
    ("pss_list", "Proportional memory (PSS) after it", "MB"),
    ("rss_100", "Resident memory after 100 calls", "MB"),
    ("pss_100", "Proportional memory after 100 calls", "MB"),
    ("peak_film", "Highest memory while a 200 MB video is saved", "MB"),
    ("growth_film", "Growth by that", "MB"),
    ("rss_film", "Memory after that", "MB"),
    ("overhead_ms", "Overhead of a call: 3 KB of speech", "ms"),
    ("images_s", "16 images at once, 1 s each at MiniMax", "s"),
    ("links_s", "9 images of one call, 0.5 s each to download", "s"),
    ("list_bytes", "The list of tools", "bytes"),
    ("list_bytes_a_tool", "The same for each tool", "bytes"),
]
FIGURE = [
    ("start_ms", "Start", "ms"), ("rss_list", "Memory after tools/list", "MB"), ("peak_film", "Peak, 200 MB video", "MB"),
    ("overhead_ms", "Overhead of a call", "ms"), ("images_s", "16 images of 1 s", "s"), ("links_s", "9 downloads of 0.5 s", "s"),
]
# The sentence of each front page, from the lowest to the highest ratio.
README = {
    "README.md": (
        "[Measured](docs/benchmarks.md) beside {python}, {javascript} and {hoobnn}: they need {start_ms} times as long to start, {rss_list} "
        "times the memory, {peak_film} times the memory to save a 200 MB video, and each call takes {overhead_ms} times as much extra time.",
        "{} to {}",
    ),
    "README.zh-CN.md": (
        "与 {python}、{javascript} 和 {hoobnn} 的[实测对比](docs/benchmarks.md)：它们的启动时间是本服务器的 {start_ms} 倍，内存是 {rss_list} 倍，"
        "保存 200 MB 视频时的内存是 {peak_film} 倍，每次调用增加的时间是 {overhead_ms} 倍。",
        "{} 至 {}",
    ),
}


def read(root):
    path = root / "docs/benchmarks.json"
    return json.loads(path.read_text()) if path.exists() else {}


def derived(values):
    """Adds what is computed for each run: the overhead of a call is its time less that of the request alone."""
    speech = values.get("speech_ms", {})
    floor = speech.get("direct", [])
    over = {
        name: [max(call - least, 0.01) for call, least in zip(times, floor)] for name, times in speech.items() if name != "direct"
    }
    return {**values, "overhead_ms": over}


def ratio(values, what, name):
    """How many times as much as this server another one needs, as text. None if one of them has no value."""
    mine, other = values.get(what, {}).get("this"), values.get(what, {}).get(name)
    if not mine or not other:
        return None
    times = statistics.median(other) / statistics.median(mine)
    return f"{times:.0f}" if times >= 10 else f"{times:.1f}" if times >= 1 else f"{times:.2f}"


def ratios(values):
    """What → the other server → ratio."""
    rows = {what: {name: ratio(values, what, name) for name in OTHERS} for what, _, _ in MEASURES}
    return {what: {name: one for name, one in row.items() if one} for what, row in rows.items()}


def versioned(results, names):
    return [f"{NAMES[name]} {results['versions'][name]}" for name in names]


def cell(values):
    if not values:
        return "–"
    middle, least, most = statistics.median(values), min(values), max(values)
    return shown(middle) if least == most else f"{shown(middle)} ({shown(least)} to {shown(most)})"


def peers(results):
    values, found = derived(results["values"]), ratios(derived(results["values"]))
    where = results["machine"]
    head = ["", *versioned(results, OTHERS)]
    first = [[title, *(f"{one} ×" if (one := found[what].get(name)) else "–" for name in OTHERS)] for what, title, _ in MEASURES]
    names = ("this", *OTHERS)
    second = [
        [f"{title}, {unit}", *(cell(values.get(what, {}).get(name)) for name in names)] for what, title, unit in MEASURES
    ]
    second.append(["Tools", *(f"{tools[0]:.0f}" if (tools := values.get("tools", {}).get(name)) else "–" for name in names)])
    second.append(["Status requests in 22 s after a cancelled call", *(
        f"{looks[0]:.0f}" if (looks := values.get("cancel_looks", {}).get(name)) else "–" for name in names
    )])
    second.append(["The paid image of a cancelled call is saved", *(
        ("yes" if saved[0] else "no") if (saved := values.get("cancel_saved", {}).get(name)) else "–" for name in names
    )])
    floor = statistics.median(values["speech_ms"]["direct"])
    reasons = [
        f"* {NAMES[name]} has no value for `{what}`: {reason}"
        for what, row in results.get("reasons", {}).items() for name, reason in row.items()
    ]
    return f"""# Benchmarks

This server beside three others, measured in one run on {results['measured']}. The figures of this page are written by the programs in
`bench`; [Repeat it](#repeat-it) says how.

Machine: {where['cores']} cores, {where['memory_gib']} GiB of memory, {where['kernel']} on {where['architecture']}; results on {where['file_system']}, where a
synced write of 4 KiB takes {where['sync_ms']} ms. Python {where['python']}, Node.js {where['node']}. {results['runs']} runs of each server, in turn.

![Bars: start, memory, overhead of a call, images at once and downloads, of four servers](benchmarks.svg)

## Ratios

How many times as much as this server each of the others needs, by the medians. Below 1, the other needs less.

{table(head, first)}

## Values

Medians, with the lowest and the highest value of the runs where they differ.

{table(["", "this server " + results["versions"]["this"], *versioned(results, OTHERS)], second)}

{chr(10).join(reasons) + chr(10) if reasons else ""}
## How it is measured

* The servers are started with their defaults, with a key, and told to save files. This server runs without MiniMax's rate limits
  (`MINIMAX_RATE_LIMITS=false`), because the others keep none.
* MiniMax is `bench/fake_minimax.py`, which answers with fixed bytes. The same request without a server, the file included, takes
  {shown(floor)} ms at the median. `hoobnn-minimax-mcp` accepts an API only with TLS, so its API requests have TLS; links are plain for all.
* Memory is that of the process and its children, in MB of a million bytes. Proportional memory divides shared pages among the processes that share them.
  This server was built right after `linker/first.txt` was written for its code. A build of slightly later code, from a clone in another folder, had
  11.4 MB resident and 10.1 MB proportional after `tools/list` on 2026-11-30; `bench/first_code.py` writes the file again.
* Start is the time from the start of the process. Memory is resident where nothing else is said; "growth" is the highest less that after `tools/list`.
* The overhead is the median of 95 calls, one after another, less the time of the request without a server; five calls come before them. This server and `hoobnn-minimax-mcp` sync a record before
  the paid request leaves, and the file and its record before they report success. The official servers sync nothing: after a
  crash, their file may be empty.
* The list of tools is the JSON of `tools/list` without spaces.
* A cancelled call ends, but the paid task continues at MiniMax. This server continues to poll it, so that the result is saved; `cancel_job` ends
  that. The official servers continue until their time is over, and `hoobnn-minimax-mcp` stops.
"""


def figure(results):
    """A bar chart as SVG, a group for each measure, scaled to its longest bar."""
    values = derived(results["values"])
    names, width, left, top = ("this", *OTHERS), 760, 230, 44
    parts, y = [], top
    for what, title, unit in FIGURE:
        medians = {name: statistics.median(values[what][name]) for name in names if values.get(what, {}).get(name)}
        if not medians:
            continue
        parts.append(f'<text x="{left - 12}" y="{y + 29}" text-anchor="end" class="title">{title}</text>')
        for name in names:
            if name in medians:
                long = max(1.5, 400 * medians[name] / max(medians.values()))
                parts.append(f'<rect x="{left}" y="{y}" width="{long:.1f}" height="10" rx="1" fill="{COLOURS[name]}"/>')
                parts.append(f'<text x="{left + long + 6:.1f}" y="{y + 9}" class="value">{shown(medians[name])} {unit}</text>')
            y += 12
        y += 14
    legend, x = [], 20
    for name in names:
        label = f"{NAMES[name].strip('`')} {results['versions'][name]}"
        legend.append(f'<rect x="{x:.0f}" y="14" width="10" height="10" fill="{COLOURS[name]}"/><text x="{x + 14:.0f}" y="23">{label}</text>')
        x += 28 + 6.2 * len(label)
    style = "text{font:11px sans-serif;fill:#1f2937}.title{font-weight:bold}.value{font-size:10px}"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y}" role="img">'
    return "\n".join([head, f"<style>{style}</style>", f'<rect width="{width}" height="{y}" fill="#fff"/>', *legend, *parts, "</svg>\n"])


def readme(results, page):
    """The sentence of a front page."""
    sentence, both = README[page]
    found = ratios(derived(results["values"]))
    ends = {}
    for what, row in found.items():
        ordered = sorted(row.values(), key=float)
        if ordered:
            ends[what] = ordered[0] if ordered[0] == ordered[-1] else both.format(ordered[0], ordered[-1])
    return sentence.format(**ends, **{name: f"{NAMES[name]} {results['versions'][name]}" for name in OTHERS})


def write(root, results):
    """All pages, without what one of the two programs has not measured yet."""
    if "values" in results:
        results["ratios"] = ratios(derived(results["values"]))
    docs = root / "docs"
    lists = re.compile(r"\[\s+([^\[\]{}]*?)\s+\]")
    text = json.dumps(results, indent=1, ensure_ascii=False)
    text = lists.sub(lambda found: "[" + re.sub(r"\s*\n\s*", " ", found.group(1)) + "]", text)
    (docs / "benchmarks.json").write_text(text + "\n")
    if "values" not in results:
        return
    parts = [peers(results)]
    if "growth" in results:
        parts.append(curves.section(results["growth"]))
        (docs / "benchmarks-growth.svg").write_text(curves.figure(results["growth"]))
    parts.append(REPEAT)
    (docs / "benchmarks.md").write_text("\n".join(parts))
    (docs / "benchmarks.svg").write_text(figure(results))
    for page in README:
        path = root / page
        before, rest = path.read_text().split("<!-- benchmarks -->")
        _, after = rest.split("<!-- /benchmarks -->")
        path.write_text(f"{before}<!-- benchmarks -->{readme(results, page)}<!-- /benchmarks -->{after}")


REPEAT = """## Repeat it

```sh
cargo build --release
python3 bench/peers.py     # seven minutes
python3 bench/growth.py    # five minutes
```

Needs Linux, Python 3.10, Node.js 20 and the package registries; no key, and nothing is billed. Both write this page, its figures,
[benchmarks.json](benchmarks.json) with every value, and the sentence with ratios in both READMEs. `--help` lists the options. The machine
should do nothing else.
"""
