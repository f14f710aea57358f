#!/usr/bin/env python3
"""How well does a model use the tools? 120 wishes of users, played against the simulator: nothing is billed.

    export MINIMAX_API_KEY=...
    python3 bench/wishes/run.py --base-url https://api.minimax.io/v1 --model MiniMax-M3 --key-env MINIMAX_API_KEY
    python3 bench/wishes/run.py --replay answers.jsonl
    python3 bench/wishes/run.py --list > for-a-reader.md

README.md explains the wishes, the score and the files. Needs Python 3.9 and nothing else.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import urllib.error
import urllib.request

sys.dont_write_bytecode = True
from score import Judge, example
from stage import Stage, field

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
MOST_TURNS = 8


class ChatModel:
    """A model at an OpenAI-compatible endpoint."""

    def __init__(self, base_url, model, key, tools):
        self.url, self.model, self.key = base_url.rstrip("/") + "/chat/completions", model, key
        self.tools = [
            {
                "type": "function",
                "function": {
                    "name": tool["name"],
                    "description": tool["description"],
                    "parameters": tool["inputSchema"],
                },
            }
            for tool in tools
        ]

    def answer(self, messages, _):
        """The model's next message, in the form in which it is sent back."""
        headers = {"Content-Type": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        body = json.dumps({"model": self.model, "messages": messages, "tools": self.tools}).encode()
        request = urllib.request.Request(self.url, body, headers)
        with urllib.request.urlopen(request, timeout=600) as answer:
            return json.load(answer)["choices"][0]["message"]


class RecordedModel:
    """Replays the turns of a record. An argument {"earlier": "files.0.uri"} is taken from the previous result."""

    def __init__(self, turns):
        self.turns = list(turns)

    def answer(self, _, results):
        turn = self.turns.pop(0) if self.turns else {"calls": [], "said": ""}
        calls = [call_message(f"call_{index}", filled(call, results)) for index, call in enumerate(turn["calls"])]
        return {"role": "assistant", "content": turn.get("said", ""), "tool_calls": calls}


def filled(call, results):
    def value(argument):
        is_earlier = isinstance(argument, dict) and "earlier" in argument
        return field(results[-1]["fields"], argument["earlier"]) if is_earlier else argument

    return {"tool": call["tool"], "arguments": {name: value(part) for name, part in call["arguments"].items()}}


def call_message(number, call):
    function = {"name": call["tool"], "arguments": json.dumps(call["arguments"], ensure_ascii=False)}
    return {"id": number, "type": "function", "function": function}


def conversation(stage, past):
    """The messages up to the wish: instructions, what happened before, and the wish."""
    messages = [{"role": "system", "content": stage.instructions}]
    for number, call in enumerate(past):
        known = call_message(f"before_{number}", call)
        messages += [
            {"role": "user", "content": call["user"]},
            {"role": "assistant", "content": "", "tool_calls": [known]},
            {"role": "tool", "tool_call_id": known["id"], "content": call["result"]["text"]},
            {"role": "assistant", "content": call["reply"]},
        ]
    return [*messages, {"role": "user", "content": stage.wish["wish"]}]


def play(program, data, wish, make_model):
    """Plays one wish with one model, and returns the record of it."""
    with Stage(program, data, wish) as stage:
        past = stage.set_up()
        messages = conversation(stage, past)
        model, turns, results = make_model(stage.tools), [], [call["result"] for call in past]
        for _ in range(MOST_TURNS):
            message = model.answer(messages, results)
            messages.append(message)
            turn = {"calls": [], "said": message.get("content") or ""}
            turns.append(turn)
            for asked in message.get("tool_calls") or []:
                tool = asked["function"]["name"]
                try:
                    arguments = json.loads(asked["function"]["arguments"] or "{}")
                    result = stage.call(tool, arguments)
                except ValueError as problem:
                    arguments = {}
                    result = {"text": f"The arguments are not JSON: {problem}", "refused": True, "billed": 0, "price": 0}
                results.append(result)
                told = {name: result[name] for name in ["text", "refused", "billed", "price"]}
                turn["calls"].append({"tool": tool, "arguments": arguments, **told})
                messages.append({"role": "tool", "tool_call_id": asked["id"], "content": result["text"]})
            if not turn["calls"]:
                break
        before = "\n".join(call["result"]["text"] for call in past)
        return {"id": wish["id"], "before": before, "turns": turns}


def right_record(wish):
    """The answer of a model that makes the first right call of each step."""
    steps = [wish["right"][0], *[step[0] for step in wish.get("then", [])]]
    calls = [
        {"tool": call["tool"], "arguments": {name: example(part) for name, part in call["arguments"].items()}}
        for call in steps
        if "tool" in call
    ]
    return {"id": wish["id"], "turns": [{"calls": [call]} for call in calls]}


def as_turns(line):
    """A line of an answer file. Readers give only the first calls, without turns."""
    if "turns" not in line:
        line["turns"] = [{"calls": line.get("calls", []), "said": line.get("said", "")}]
    for turn in line["turns"]:
        for call in turn["calls"]:
            call.setdefault("arguments", {})
    return line


def is_played(record):
    """Whether the server has already answered the calls of a record."""
    return all("refused" in call for turn in record["turns"] for call in turn["calls"]) and "before" in record


def reader_text(program, data):
    """What a reader sees: instructions, tools, wishes with the conversation before them, and how to answer."""
    lines = [(HERE / "reader.md").read_text(encoding="utf-8").rstrip(), ""]
    for number, wish in enumerate(data["wishes"]):
        with Stage(program, data, wish) as stage:
            if number == 0:
                lines += ["## Instructions of the server", "", stage.instructions, "", "## Tools", ""]
                for tool in stage.tools:
                    lines += [
                        f"### {tool['name']}",
                        "",
                        tool["description"],
                        "",
                        "```json",
                        json.dumps(tool["inputSchema"], ensure_ascii=False),
                        "```",
                        "",
                    ]
                lines += ["## Wishes", ""]
            lines += [f"### {wish['id']}", ""]
            for call in stage.set_up():
                asked = json.dumps(call["arguments"], ensure_ascii=False)
                result = "\n".join(f"> {line}" for line in call["result"]["text"].splitlines())
                lines += [
                    f"Before, the user said: {call['user']}",
                    "",
                    f"You called `{call['tool']}` with `{asked}` and got:",
                    "",
                    result,
                    "",
                    f"You said: {call['reply']}",
                    "",
                ]
            lines += [f"The user says: **{wish['wish']}**", ""]
    return "\n".join(lines)


def report(data, verdicts, doubts):
    """Prints the score, and returns whether every wish was right at once or after an error without waste."""
    count = len(verdicts)
    by_id = {wish["id"]: wish for wish in data["wishes"]}

    def share(name, chosen=None):
        chosen = verdicts if chosen is None else chosen
        right = sum(bool(verdict[name]) for verdict in chosen.values())
        return f"{right} of {len(chosen)} ({100 * right / max(1, len(chosen)):.1f} %)"

    for wish, verdict in verdicts.items():
        if verdict["why"] or not verdict["first"]:
            state = "late" if verdict["second"] else "right" if verdict["first"] else "WRONG"
            print(f"{state:6} {wish}: {'; '.join(verdict['why'])}")
    trapped = {wish: verdict for wish, verdict in verdicts.items() if by_id[wish].get("trap")}
    wasted = sum(verdict["wasted"] for verdict in verdicts.values())
    money = sum(verdict.get("money", 0) for verdict in verdicts.values())
    print(f"right first call:      {share('first')}")
    print(f"  of those with a trap: {share('first', trapped)}")
    print(f"right after one error: {share('second')}")
    print(f"whole wish done:       {share('done')}")
    print(f"looked something up:   {share('looked')}")
    print(f"needless paid calls:   {wasted} (known prices: {money:.4f} USD)")
    if doubts:
        serious = sum(any(doubt.get("changes") for doubt in said) for said in doubts.values())
        some = sum(bool(said) for said in doubts.values())
        print(f"doubts:                at {some} of {count}; at {serious} ({100 * serious / count:.1f} %) they could change the result or the bill")
    return all((verdict["first"] or verdict["second"]) and not verdict["wasted"] for verdict in verdicts.values())


def newest_program():
    name = "minimax-mcp.exe" if os.name == "nt" else "minimax-mcp"
    built = [path for path in (ROOT / "target").glob(f"*/{name}") if path.is_file()]
    if built:
        return str(max(built, key=lambda path: path.stat().st_mtime))
    subprocess.run(["cargo", "build", "--locked"], cwd=ROOT, check=True)
    return str(ROOT / "target" / "debug" / name)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base-url", help="an OpenAI-compatible endpoint, such as https://api.minimax.io/v1")
    parser.add_argument("--model", help="the model's name there")
    parser.add_argument("--key-env", default="OPENAI_API_KEY", help="the environment variable with the key")
    parser.add_argument("--record", help="write the answers to this file (JSON lines)")
    parser.add_argument("--replay", help="score the answers of this file, without a model")
    parser.add_argument("--right", action="store_true", help="play the right answers of the wishes: a check of the wishes")
    parser.add_argument("--list", action="store_true", help="print what a reader may see: tools, instructions, wishes")
    parser.add_argument("--wish", action="append", help="only this wish; may be repeated")
    parser.add_argument("--wishes", default=HERE / "wishes.json", help="the file of the wishes")
    parser.add_argument("--program", help="the program; default: the newest one below target")
    parser.add_argument("--at-once", type=int, default=4, help="how many wishes are played at once, default 4")
    return parser.parse_args()


def main():
    options = parse()
    # A Windows console may lack characters of the wishes.
    sys.stdout.reconfigure(encoding="utf-8")
    program = str(pathlib.Path(options.program or newest_program()).resolve())
    data = json.loads(pathlib.Path(options.wishes).read_text(encoding="utf-8"))
    if options.wish:
        data["wishes"] = [wish for wish in data["wishes"] if wish["id"] in options.wish]
    if not data["wishes"]:
        sys.exit("no such wish")
    if options.list:
        print(reader_text(program, data))
        return
    answers = {}
    if options.replay:
        lines = pathlib.Path(options.replay).read_text(encoding="utf-8").splitlines()
        answers = {line["id"]: as_turns(line) for line in map(json.loads, filter(str.strip, lines))}
        known = {wish["id"] for wish in data["wishes"]}
        if not options.wish and (unknown := sorted(set(answers) - known)):
            sys.exit(f"there are no wishes with these ids: {', '.join(unknown)}")
        if missing := [wish["id"] for wish in data["wishes"] if wish["id"] not in answers]:
            print(f"{len(missing)} wishes have no answer and are not scored: {', '.join(missing)}")
            data["wishes"] = [wish for wish in data["wishes"] if wish["id"] in answers]
    elif options.right:
        answers = {wish["id"]: right_record(wish) for wish in data["wishes"]}
    elif not (options.base_url and options.model):
        sys.exit("give --base-url and --model, or --replay FILE, or --list")
    key = os.environ.get(options.key_env, "")

    def model_of(wish):
        if wish["id"] in answers:
            return lambda _: RecordedModel(answers[wish["id"]]["turns"])
        return lambda tools: ChatModel(options.base_url, options.model, key, tools)

    def one(wish):
        known = answers.get(wish["id"])
        if known and is_played(known):
            return known
        try:
            return play(program, data, wish, model_of(wish))
        except urllib.error.URLError as problem:
            body = problem.read().decode(errors="replace")[:300] if isinstance(problem, urllib.error.HTTPError) else ""
            sys.exit(f"{wish['id']}: the model's endpoint fails: {problem} {body}")

    with Stage(program, data, {}) as stage:
        judge = Judge(data, stage.tools)
    with concurrent.futures.ThreadPoolExecutor(options.at_once) as pool:
        records = list(pool.map(one, data["wishes"]))
    if options.record:
        text = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        pathlib.Path(options.record).write_text(text, encoding="utf-8")
    verdicts = {wish["id"]: judge.judge(wish, record) for wish, record in zip(data["wishes"], records)}
    doubts = {name: answer["doubts"] for name, answer in answers.items() if "doubts" in answer}
    well = report(data, verdicts, doubts)
    sys.exit(0 if well or not options.right else 1)


if __name__ == "__main__":
    main()
