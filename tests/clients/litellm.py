#!/usr/bin/env python3
"""The server behind a real LiteLLM proxy.

    python3 tests/clients/litellm.py [--quick] [--keep FOLDER] [PROGRAM]

Starts the sandbox, a LiteLLM proxy whose models are the sandbox's, and `PROGRAM` over stdio with MINIMAX_API_HOST at the
proxy (cargo makes the program if none is named). Then every text tool is called: chat in all protocols, with a
conversation, tools and a model of any name, and the tools whose endpoints LiteLLM does not have. `--quick` tries one
model instead of all.

It ends with status 1 if a check failed, with 3 if LiteLLM cannot be installed here.
"""

import sys

sys.dont_write_bytecode = True

import base64
import json
import os
import socket
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

from places import LATER_INSTALL, NotHad, Places, built, ended_without, parser_of, plain
from support import Sandbox, check, ended, holds, png, same

# The newest release with an installable `proxy` extra.
PACKAGE = "litellm[proxy]==1.108.7"
KEY = "sk-gateway"
WEATHER = {
    "name": "get_weather",
    "description": "The weather in a place.",
    "parameters": {"type": "object", "properties": {"about": {"type": "string"}}, "required": ["about"]},
}
PROTOCOLS = ("openai", "anthropic", "responses")


def a_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Gateway:
    """A LiteLLM proxy in front of the sandbox."""

    def __init__(self, python, folder, sandbox):
        prices = "input_cost_per_token: 0.0001, output_cost_per_token: 0.0002"
        upstream = f"api_base: {sandbox.url}/v1, api_key: sk-sandbox, {prices}"
        (folder / "config.yaml").write_text(
            f"""
model_list:
  - model_name: MiniMax-M3.1-Flash
    litellm_params: {{model: openai/MiniMax-M3.1-Flash, {upstream}}}
  - model_name: MiniMax-M3
    litellm_params: {{model: openai/MiniMax-M3, {upstream}}}
  - model_name: fox/any:1
    litellm_params: {{model: openai/MiniMax-M3, {upstream}}}
litellm_settings:
  include_cost_in_streaming_usage: true
  use_chat_completions_url_for_anthropic_messages: true
general_settings: {{master_key: {KEY}}}
""",
            encoding="utf-8",
        )
        port = a_port()
        self.url = f"http://127.0.0.1:{port}"
        self.log = open(folder / "litellm.log", "wb")
        program = Path(python).parent / ("litellm.exe" if os.name == "nt" else "litellm")
        command = [program, "--config", folder / "config.yaml", "--host", "127.0.0.1", "--port", str(port)]
        environment = {**os.environ, "LITELLM_TELEMETRY": "False", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
        self.process = subprocess.Popen(
            [str(word) for word in command], stdout=self.log, stderr=self.log, env=environment, cwd=folder
        )
        until = time.monotonic() + 120
        while time.monotonic() < until:
            try:
                urllib.request.urlopen(self.url + "/health/liveliness", timeout=5).read()
                return
            except OSError:
                time.sleep(0.5)
        self.stop()
        raise AssertionError("LiteLLM does not get ready:\n" + (folder / "litellm.log").read_text()[-2000:])

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.log.close()


class Server:
    """The program over stdio."""

    def __init__(self, program, folder, gateway):
        settings = {
            "MINIMAX_API_KEY": KEY,
            "MINIMAX_API_HOST": gateway.url,
            "MINIMAX_MCP_BASE_PATH": str(folder / "results"),
            "MINIMAX_DATA_DIR": str(folder / "records"),
            "MINIMAX_LOG": "off",
        }
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen([program], env={**os.environ, **settings}, text=True, encoding="utf-8", **pipes)
        self.count = 0
        client = {"name": "litellm.py", "version": "1"}
        self.request("initialize", protocolVersion="2025-06-18", capabilities={}, clientInfo=client)
        self.say({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def say(self, message):
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def request(self, method, **params):
        self.count += 1
        self.say({"jsonrpc": "2.0", "id": self.count, "method": method, "params": params})
        for line in self.process.stdout:
            answer = json.loads(line)
            if answer.get("id") == self.count and "method" not in answer:
                holds("error" not in answer, answer)
                return answer["result"]
        raise AssertionError("the server has ended")

    def make(self, tool, **arguments):
        result = self.request("tools/call", name=tool, arguments=arguments)
        holds(not result.get("isError"), result["content"][0]["text"])
        return result["structuredContent"]

    def refusal(self, tool, **arguments):
        result = self.request("tools/call", name=tool, arguments=arguments)
        holds(result.get("isError"), f"{tool} succeeded: {result}")
        return result["content"][0]["text"]

    def stop(self):
        self.process.stdin.close()
        self.process.wait(30)


class Play:
    def __init__(self, server, sandbox):
        self.server, self.sandbox = server, sandbox

    def chat(self, api, model):
        view = self.server.make("chat", prompt="Hello", api=api, model=model)
        same(view["text"], "**You said:** Hello (message 1)", "the text")
        holds("<think>" not in json.dumps(view), f"thinking in {view}")
        holds(view["cost"].get("actual", 0) > 0, f"no cost in {view}")
        holds("gateway" in view["cost"]["basis"], view["cost"])
        more = self.server.make("chat", prompt="And?", conversation_id=view["conversation_id"])
        holds("message 1" not in more["text"], f"the conversation is not continued: {more['text']}")

    def thinking_in_tags(self, api):
        view = self.server.make("chat", prompt="Hello #tags", api=api, model="MiniMax-M3")
        holds("<think>" not in view["text"] and "</think>" not in view["text"], view["text"])

    def tools(self, api, model):
        called = self.server.make("chat", prompt="Fox weather #tool", api=api, model=model, tools=[WEATHER])
        same(called["finish_reason"], "tool_calls", "the reason")
        call = called["tool_calls"][0]
        same(call["name"], "get_weather", "the function")
        result = {"role": "tool", "tool_call_id": call["id"], "content": "Sunny"}
        view = self.server.make("chat", messages=[result], conversation_id=called["conversation_id"])
        holds("Sunny" in view["text"], view["text"])

    def fields(self):
        before = len(self.sandbox.sent())
        self.server.make("chat", prompt="Hello")
        body = self.sandbox.sent(before)[-1]["body"]
        holds("reasoning_effort" not in body and "reasoning_split" not in body, body)

    def count(self, api):
        view = self.server.make("count_tokens", prompt="Hello", api=api)
        holds(view["input_tokens"] > 0, view)

    def models(self):
        ids = [row["model"] for row in self.server.make("list_models", kind="text")["models"]]
        holds("fox/any:1" in ids, ids)

    def picture(self):
        url = "data:image/png;base64," + base64.b64encode(png()).decode()
        view = self.server.make("understand_image", prompt="What is this?", image_url=url)
        holds(view["text"], view)
        holds(view["model"] == "MiniMax-M3", view)

    def missing(self, tool, **arguments):
        said = self.server.refusal(tool, **arguments)
        for word in ("gateway", "does not have", "api: openai"):
            holds(word in said, f"no {word!r} in {said}")
        holds("report" not in said, said)


def play_all(program, python, folder, quick):
    sandbox = Sandbox(program)
    print("version: litellm " + PACKAGE.split("==")[1], flush=True)
    try:
        gateway = Gateway(python, folder, sandbox)
        try:
            server = Server(program, folder, gateway)
            try:
                play = Play(server, sandbox)
                models = ["fox/any:1"] if quick else ["fox/any:1", "MiniMax-M3", "MiniMax-M3.1-Flash"]
                for api in PROTOCOLS:
                    for model in models:
                        check(f"{api}, {model}: chat", lambda: play.chat(api, model))
                        check(f"{api}, {model}: tools", lambda: play.tools(api, model))
                    check(f"{api}: thinking in tags", lambda: play.thinking_in_tags(api))
                    check(f"{api}: count_tokens", lambda: play.count(api))
                check("chat sends what the caller gave", play.fields)
                check("list_models", play.models)
                check("understand_image", play.picture)
                check("native: what is missing", lambda: play.missing("chat", prompt="x", api="native"))
                check("web_search: what is missing", lambda: play.missing("web_search", query="foxes"))
                check("generate_lyrics: what is missing", lambda: play.missing("generate_lyrics", prompt="foxes"))
                check("text_to_image: what is missing", lambda: play.missing("text_to_image", prompt="A fox"))
            finally:
                server.stop()
        finally:
            gateway.stop()
    finally:
        sandbox.stop()
    return ended()


def main():
    parser = parser_of(__doc__, keep="install into this folder, and use what is there")
    parser.add_argument("--quick", action="store_true", help="try one model")
    arguments = parser.parse_args()
    plain()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        scratch = Path(scratch).resolve()
        places = Places(arguments.keep or scratch / "places")
        # It installs about sixty packages.
        places.timeout = LATER_INSTALL
        try:
            python = places.python([PACKAGE])
        except NotHad as problem:
            return ended_without(problem)
        program = str(Path(arguments.program or built()).resolve())
        return play_all(program, python, scratch, arguments.quick)


if __name__ == "__main__":
    sys.exit(main())
