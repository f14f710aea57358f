"""The environment of a wish: the simulator of MiniMax, the real program in front of it, and a user's files."""

import json
import os
import pathlib
import queue
import shutil
import struct
import subprocess
import tempfile
import threading
import urllib.request
import wave
import zlib

# The home folder as models see it. Real names differ between machines, so answers could not be compared.
SHOWN_HOME = "/home/ana"


def png(width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = (b"\0" + bytes([200, 90, 30]) * width) * height
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def write_file(path, content):
    """Writes one of the user's files: {"png": [width, height]}, {"wav": seconds} or {"text": repetitions of a sentence}."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if "png" in content:
        path.write_bytes(png(*content["png"]))
    elif "wav" in content:
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, 8000, 0, "NONE", ""))
            file.writeframes(struct.pack("<h", 1000) * (content["wav"] * 8000))
    else:
        path.write_text("The sea was calm. " * content["text"], encoding="utf-8")


def field(value, path):
    """`files.0.uri` of a structured result."""
    for part in path.split("."):
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value


class Stage:
    """A simulator and a server with folders of their own. Use it as a context manager."""

    def __init__(self, program, data, wish):
        self.program, self.data, self.wish = program, data, wish
        self.names = []  # (the real text, what a model sees)
        self.count = 0

    def __enter__(self):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="wishes-")).resolve()
        self.names.append((str(self.home), SHOWN_HOME))
        for name, content in self.data["files"].items():
            write_file(self.home / name.removeprefix("~/"), content)
        self.simulator = subprocess.Popen(
            [self.program, "sandbox"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.url = self.simulator.stdout.readline().strip()
        self.names.append((self.url, "https://api.minimax.io"))
        self.names.append((self.url.removeprefix("http://"), "api.minimax.io"))
        self.control("pace", self.wish.get("pace", {"polls": 1, "seconds": 0}))
        self.control("script", self.wish.get("faults", []))
        self.server = subprocess.Popen(
            [self.program],
            env=self.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.messages = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()
        client = {"name": "wishes", "version": "1"}
        parameters = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client}
        self.instructions = self.request("initialize", parameters)["instructions"]
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        self.tools = self.request("tools/list", {})["tools"]
        return self

    def __exit__(self, *_):
        for process in [self.server, self.simulator]:
            process.terminate()
            process.wait()
        shutil.rmtree(self.home, ignore_errors=True)

    def environment(self):
        environment = {
            "HOME": str(self.home),
            "USERPROFILE": str(self.home),
            "PATH": os.environ["PATH"],
            "MINIMAX_API_HOST": self.url,
            "MINIMAX_API_KEY": "sk-api-wishes",
            "MINIMAX_POLL_SECONDS": "0.2",
        }
        if os.name == "nt":
            # Programs on Windows do not start without this variable.
            environment["SystemRoot"] = os.environ["SystemRoot"]
            return environment
        # A silent audio player, so that `speak` works on every machine.
        player = self.home / ".player" / "mpv"
        player.parent.mkdir()
        player.write_text("#!/bin/sh\nexec /bin/cat > /dev/null\n")
        player.chmod(0o755)
        environment["PATH"] = str(player.parent)
        return environment

    def read(self):
        for line in self.server.stdout:
            self.messages.put(json.loads(line))
        self.messages.put(None)

    def send(self, message):
        self.server.stdin.write(json.dumps(message).encode() + b"\n")
        self.server.stdin.flush()

    def request(self, method, parameters):
        self.count += 1
        self.send({"jsonrpc": "2.0", "id": self.count, "method": method, "params": parameters})
        while True:
            message = self.messages.get(timeout=300)
            if message is None:
                raise RuntimeError("the server ended")
            if message.get("id") == self.count and "method" not in message:
                return message.get("result", message)

    def control(self, what, body=None):
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(f"{self.url}/_sandbox/{what}", data, timeout=60) as answer:
            return json.load(answer)

    def shown(self, text):
        """A text of the server as a model sees it, with the same ids and folders in every run."""
        for real, name in self.names:
            text = text.replace(real, name)
        return text

    def real(self, value):
        """The arguments of a model, with the real ids and folders."""
        text = json.dumps(value, ensure_ascii=False)
        for real, name in self.names:
            text = text.replace(name, json.dumps(real)[1:-1])
        return json.loads(text)

    def remember(self, keep, result):
        """From now on, models see the ids of `keep` instead of those of the result: {"video-7c2q": "job_id"}."""
        for name, path in keep.items():
            self.names.insert(0, (str(field(result, path)), name))

    def order(self, path, body):
        """A request that another program sends to MiniMax."""
        headers = {"Authorization": "Bearer sk-api-wishes", "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def call(self, tool, arguments, keep=None):
        """Plays a call."""
        billed = len(self.control("paid"))
        answer = self.request("tools/call", {"name": tool, "arguments": self.real(arguments)})
        content = answer.get("structuredContent") or {}
        self.remember(keep or {}, content)
        if "content" not in answer:
            text = answer.get("error", {}).get("message", "")
        else:
            blocks = [block.get("text", f"[{block['type']}]") for block in answer["content"]]
            text = "\n".join(block for block in blocks if block != "[resource_link]")
        cost = content.get("cost", {})
        return {
            "text": self.shown(text),
            "fields": json.loads(self.shown(json.dumps(content, ensure_ascii=False))),
            "refused": bool(answer.get("isError")) or "content" not in answer,
            "billed": len(self.control("paid")) - billed,
            "price": cost.get("actual", cost.get("estimated", 0)) or 0,
        }

    def set_up(self):
        """Plays what happened before the wish and returns the conversation so far."""
        for order in self.wish.get("elsewhere", []):
            self.remember(order["keep"], self.order(order["path"], order["body"]))
        past = []
        for call in self.wish.get("before", []):
            result = self.call(call["tool"], call["arguments"], call.get("keep"))
            past.append({**call, "result": result})
        return past
