#!/usr/bin/env python3
"""The command lines `claude` and `codex` make an image from a file of the project that they were started in.

    python3 tests/clients/hosts.py [--keep FOLDER] [PROGRAM]

Installs both from npm (`--keep` keeps them for the next time) and starts each in a project folder, with `PROGRAM --sandbox`
as its MCP server (cargo makes the program if none is named). In place of a model answers a server on this machine, which
has one tool called and records what comes back. It ends with status 1 if a check failed, with 3 if a package cannot be
installed. No key is needed, and nothing is paid for.

What it shows: the server reads a file of the project and saves a result in it, by the folders that the host names (its
roots) or by `MINIMAX_ALLOWED_DIRS=.`; and without either, the refusal has the line to add.
"""

import sys

sys.dont_write_bytecode = True

import json
import os
import subprocess
import tempfile
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from places import NotHad, Places, built, ended_without, parser_of, plain
from support import check, ended, holds, png

PACKAGES = ["@anthropic-ai/claude-code@2.1.332", "@openai/codex@0.171.0"]

# The time limit for one run of a host, in seconds.
PATIENCE = 180
SERVER, TOOL = "minimax", "text_to_image"


class StandIn:
    """Answers as both model APIs: the first request with one tool call, the next with a sentence."""

    def __init__(self, arguments):
        self.arguments, self.requests, self.results = arguments, [], []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_HEAD(self):
                self.say(b"", "text/plain")

            def do_GET(self):
                self.say(b'{"data": [], "models": []}', "application/json")

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
                path = self.path.split("?")[0]
                if path.endswith("/count_tokens"):
                    self.say(b'{"input_tokens": 1}', "application/json")
                elif path.endswith("/messages"):
                    self.stream(outer.anthropic(body))
                elif path.endswith("/responses"):
                    self.stream(outer.openai(body))
                else:
                    self.say(b"{}", "application/json")

            def stream(self, events):
                lines = (f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
                self.say("".join(lines).encode(), "text/event-stream")

            def say(self, body, kind):
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def anthropic(self, body):
        """The events of a streamed message."""
        self.requests.append(body)
        blocks = [block for message in body["messages"] for block in message["content"] if isinstance(block, dict)]
        results = [block for block in blocks if block["type"] == "tool_result"]
        self.results += [json.dumps(block["content"]) for block in results]
        name = f"mcp__{SERVER}__{TOOL}"
        has_tool = any(tool.get("name") == name for tool in body.get("tools") or [])
        if has_tool and not results:
            call = {"type": "tool_use", "id": "toolu_1", "name": name, "input": {}}
            delta = {"type": "input_json_delta", "partial_json": json.dumps(self.arguments)}
            block, stop = call, "tool_use"
        else:
            block, delta, stop = {"type": "text", "text": ""}, {"type": "text_delta", "text": "Done."}, "end_turn"
        usage = {"input_tokens": 1, "output_tokens": 1}
        message = {"id": "msg_1", "type": "message", "role": "assistant", "model": body["model"], "content": []}
        return [
            {"type": "message_start", "message": {**message, "stop_reason": None, "stop_sequence": None, "usage": usage}},
            {"type": "content_block_start", "index": 0, "content_block": block},
            {"type": "content_block_delta", "index": 0, "delta": delta},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": None}, "usage": usage},
            {"type": "message_stop"},
        ]

    def openai(self, body):
        """The events of a streamed response."""
        self.requests.append(body)
        items = body["input"] if isinstance(body["input"], list) else []
        results = [item for item in items if item.get("type") == "function_call_output"]
        self.results += [json.dumps(item["output"]) for item in results]
        if results:
            content = [{"type": "output_text", "text": "Done.", "annotations": []}]
            item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": content}
        else:
            item = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "status": "completed", **self.named(body)}
            item["arguments"] = json.dumps(self.arguments)
        response = {"id": "resp_1", "object": "response", "model": body["model"], "output": []}
        usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
        return [
            {"type": "response.created", "response": {**response, "status": "in_progress"}},
            {"type": "response.output_item.done", "output_index": 0, "item": item},
            {"type": "response.completed", "response": {**response, "status": "completed", "output": [item], "usage": usage}},
        ]

    @staticmethod
    def named(body):
        """The tool as the request lists it: in a namespace, or with the server in its name."""
        for tool in body.get("tools") or []:
            if tool.get("type") == "namespace" and tool["name"] == f"mcp__{SERVER}":
                return {"namespace": tool["name"], "name": TOOL}
        return {"name": f"mcp__{SERVER}__{TOOL}"}

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Project:
    """A home folder with a project in it, and how to start a host there."""

    def __init__(self, folder, settings):
        # Temporary folders often lie behind a symbolic link.
        self.home = Path(folder).resolve() / "home"
        self.app = self.home / "code" / "app"
        (self.app / "assets").mkdir(parents=True)
        (self.app / "logo.png").write_bytes(png())
        self.settings = settings

    def environment(self, more):
        keep = ["PATH", "SystemRoot", "LANG", "TEMP", "TMP"]
        kept = {name: os.environ[name] for name in keep if name in os.environ}
        return {**kept, "HOME": str(self.home), "USERPROFILE": str(self.home), **more}

    def run(self, command, more):
        done = subprocess.run(
            [str(word) for word in command],
            cwd=self.app,
            env=self.environment(more),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PATIENCE,
        )
        return done.stdout.decode(errors="replace")[-2000:]

    def made(self):
        return sorted(path.name for path in (self.app / "assets").iterdir())


def claude(bin_folder, program, project, model):
    servers = {"mcpServers": {SERVER: {"command": program, "args": ["--sandbox"], "env": project.settings}}}
    config = project.home / "mcp.json"
    config.write_text(json.dumps(servers))
    command = [bin_folder / "claude", "-p", "Make it.", "--strict-mcp-config", "--mcp-config", config]
    command += ["--allowedTools", f"mcp__{SERVER}__{TOOL}"]
    more = {
        "ANTHROPIC_BASE_URL": model.url,
        "ANTHROPIC_API_KEY": "sk-ant-check",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
        # The first request lists the tools, instead of a tool that searches them.
        "ENABLE_TOOL_SEARCH": "false",
    }
    return project.run(command, more)


def codex(bin_folder, program, project, model):
    home = project.home / ".codex"
    home.mkdir()
    settings = "".join(f"{name} = {json.dumps(value)}\n" for name, value in project.settings.items())
    (home / "config.toml").write_text(f"""
model = "stand-in"
model_provider = "here"

[model_providers.here]
name = "here"
base_url = "{model.url}/v1"
wire_api = "responses"
env_key = "HERE_KEY"

[mcp_servers.{SERVER}]
command = {json.dumps(program)}
args = ["--sandbox"]

[mcp_servers.{SERVER}.env]
{settings}""")
    command = [bin_folder / "codex", "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "Make it."]
    return project.run(command, {"CODEX_HOME": str(home), "HERE_KEY": "sk-check"})


HOSTS = {"claude": claude, "codex": codex}


def play(host, bin_folder, program, settings, allowed):
    """One run of a host. The file and the folder are named as a person would: in the project."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        project = Project(folder, settings)
        model = StandIn({})
        model.arguments = {
            "prompt": "A fox as a logo",
            "subject_reference": "logo.png",
            "output_directory": str(project.app / "assets"),
        }
        try:
            said = HOSTS[host](bin_folder, program, project, model)
        finally:
            model.stop()
        holds(model.results, f"the tool was not called: {said}")
        result = model.results[-1]
        if allowed:
            holds(len(project.made()) == 1, f"{project.made()} was made: {result}")
            # Both pass on the structured content, so the model knows the address, the price and the next step.
            holds(all(f'"{part}"' in result.replace("\\", "") for part in ("uri", "path", "cost", "next")), result)
        else:
            # The result is text in JSON in JSON, so the quotes are escaped.
            line = f'"MINIMAX_ALLOWED_DIRS": "{project.app}"'
            holds(not project.made() and line in result.replace("\\", ""), result)


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
        bin_folder = home / "node_modules" / ".bin"
        for host in HOSTS:
            for what, settings, allowed in CASES[host]:
                check(f"{host}: {what}", partial(play, host, bin_folder, program, settings, allowed))
    return ended()


# What a host needs to allow the project's files: claude declares its roots, codex does not.
DOT = {"MINIMAX_ALLOWED_DIRS": "."}
CASES = {
    "claude": [("by its roots", {}, True), ("with `.`", DOT, True)],
    "codex": [("without a setting", {}, False), ("with `.`", DOT, True)],
}

if __name__ == "__main__":
    sys.exit(main())
