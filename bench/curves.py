"""The section of docs/benchmarks.md about growth, and its figure, from what `growth.py` has measured."""

from math import ceil, floor, log10

from markdown import shown, table

# Calls of which the median is taken.
TIMES = 21
# What grows, its name on the page, and the columns that are drawn.
SUBJECTS = {
    "jobs": "Jobs in flight",
    "rows": "Jobs in the records",
    "callers": "Callers over HTTP",
    "prompt": "Bytes of a prompt",
}
COLUMNS = {
    "answer_ms": "an answer, ms", "answers_a_second": "answers a second", "order_ms": "an order, ms",
    "get_job_ms": "`get_job`, ms", "list_jobs_ms": "`list_jobs`, ms", "search_ms": "`list_jobs` with `query`, ms",
    "start_ms": "start, ms", "call_ms": "paid call, ms", "cpu_percent": "CPU while idle, % of a core", "rss_mb": "memory, MB",
    "chat_ms": "`chat`, ms", "dry_run_ms": "the same, dry run, ms",
    "peak_mb": "highest memory, MB",
}


def section(growth):
    """The section of docs/benchmarks.md about growth."""
    lines = [
        "## As the work grows", "",
        f"This server alone, measured on {growth['measured']} on {growth['cores']} cores; medians of {TIMES} calls, one after another, except as said.", "",
        "![Curves: time and memory by jobs in flight, rows, callers and bytes](benchmarks-growth.svg)", "",
    ]
    notes = {
        "jobs": "Videos that do not end, ordered 50 at a time. The CPU is that of status requests every 10 s for each.",
        "rows": "Ended jobs with their purchases, in SQLite. `query` has words that no job has, so that as many rows are read as a page may.",
        "callers": "Each caller has a token and a connection. All call `list_jobs` at once, five times or more, and share the cores with the program that measures.",
        "prompt": "`chat` with a text of this size, and its dry run.",
    }
    for subject, title in SUBJECTS.items():
        rows = growth["values"].get(subject)
        if not rows:
            continue
        columns = [column for column in COLUMNS if column in rows[0]]
        lines += [f"### {title}", "", notes[subject], ""]
        lines.append(table(
            [title, *(COLUMNS[column] for column in columns)],
            [[f"{row['at']:,}", *(shown(row[column]) for column in columns)] for row in rows],
        ))
        lines.append("")
    return "\n".join(lines)


def figure(growth):
    """Four charts with logarithmic axes: a curve for each column of times, and a dashed one for memory."""
    colours = ["#0f766e", "#b45309", "#7c3aed", "#be123c", "#1d4ed8"]
    width, height, parts = 430, 260, []
    present = [subject for subject in SUBJECTS if growth["values"].get(subject)]
    for index, subject in enumerate(present):
        rows = growth["values"][subject]
        columns = [column for column in COLUMNS if column in rows[0] and column not in ("cpu_percent", "answers_a_second")]
        values = [max(row[column], 0.01) for row in rows for column in columns]
        low, high = floor(log10(min(values))), max(ceil(log10(max(values))), floor(log10(min(values))) + 1)
        first, last = log10(rows[0]["at"]), log10(rows[-1]["at"])
        left, top = 46 + (index % 2) * width, 34 + (index // 2) * height
        wide, tall = width - 190, height - 80

        def place(at, value):
            x = left + wide * (log10(at) - first) / ((last - first) or 1)
            return x, top + tall * (high - log10(max(value, 0.01))) / (high - low)

        parts.append(f'<text x="{left}" y="{top - 12}" class="title">{SUBJECTS[subject]}</text>')
        for power in range(low, high + 1):
            _, y = place(rows[0]["at"], 10.0**power)
            parts.append(f'<path d="M{left} {y:.1f}h{wide}" stroke="#e5e7eb"/>')
            parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{10.0**power:g}</text>')
        for row in rows:
            x, _ = place(row["at"], 1)
            label = f"{row['at']:,}" if row["at"] < 10000 else f"{row['at'] / 1000:g}k" if row["at"] < 1e6 else "1M"
            parts.append(f'<text x="{x:.1f}" y="{top + tall + 14}" text-anchor="middle">{label}</text>')
        for number, column in enumerate(columns):
            colour = colours[number % len(colours)]
            points = " ".join("{:.1f},{:.1f}".format(*place(row["at"], row[column])) for row in rows)
            dash = ' stroke-dasharray="4 3"' if column.endswith("_mb") else ""
            parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"{dash}/>')
            parts.append(f'<path d="M{left + wide + 8} {top + 8 + 14 * number}h12" stroke="{colour}" stroke-width="2"{dash}/>')
            parts.append(f'<text x="{left + wide + 24}" y="{top + 12 + 14 * number}">{COLUMNS[column].replace("`", "")}</text>')
    tall = 20 + height * ((len(present) + 1) // 2)
    style = "text{font:9px sans-serif;fill:#374151}.title{font-size:11px;font-weight:bold}"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * width + 20} {tall}" role="img">'
    return "\n".join([head, f"<style>{style}</style>", f'<rect width="{2 * width + 20}" height="{tall}" fill="#fff"/>', *parts, "</svg>\n"])
