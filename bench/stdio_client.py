"""An MCP server as a child process over stdio, and the memory of its processes. Needs only Linux and Python 3.9."""

import json
import os
import selectors
import signal
import subprocess
import time


class Failed(Exception):
    """A call without a correct answer."""


class Child:
    """One server. Without threads, so that nothing else takes time: it reads only while it waits."""

    def __init__(self, command, environment, folder, patience=120):
        self.patience, self.buffer, self.answers, self.number = patience, b"", {}, 0
        self.log = open(os.path.join(folder, "stderr.log"), "ab")
        self.began = time.perf_counter()
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, env=environment, cwd=folder, bufsize=0
        )
        os.set_blocking(self.process.stdout.fileno(), False)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.process.stdout, selectors.EVENT_READ)

    def _write(self, message):
        self.process.stdin.write(json.dumps(message).encode() + b"\n")

    def _read(self, seconds):
        if not self.selector.select(seconds):
            return
        data = os.read(self.process.stdout.fileno(), 1 << 20)
        if not data:
            raise Failed("the server has ended")
        at = time.perf_counter()
        *lines, self.buffer = (self.buffer + data).split(b"\n")
        for line in lines:
            try:
                message = json.loads(line)
            except ValueError:
                continue
            if "method" in message and "id" in message:
                refusal = {"code": -32601, "message": "not supported"}
                self._write({"jsonrpc": "2.0", "id": message["id"], "error": refusal})
            elif "id" in message:
                self.answers[message["id"]] = (at, message)

    def begin(self, method, parameters):
        """Sends a request and returns its number."""
        self.number += 1
        self._write({"jsonrpc": "2.0", "id": self.number, "method": method, "params": parameters})
        return self.number

    def end(self, number):
        """The result of a request, and when it arrived."""
        limit = time.perf_counter() + self.patience
        while number not in self.answers:
            if time.perf_counter() > limit:
                raise Failed("no answer")
            self._read(0.5)
        at, message = self.answers.pop(number)
        if "error" in message:
            raise Failed(json.dumps(message["error"])[:300])
        return message["result"], at

    def request(self, method, parameters):
        """The result, and how many seconds it took."""
        begun = time.perf_counter()
        result, at = self.end(self.begin(method, parameters))
        return result, at - begun

    def notify(self, method, parameters=None):
        self._write({"jsonrpc": "2.0", "method": method, **({"params": parameters} if parameters else {})})

    def initialize(self):
        """The seconds from the start of the server to its first answer."""
        client = {"name": "bench", "version": "0"}
        number = self.begin("initialize", {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client})
        _, at = self.end(number)
        self.notify("notifications/initialized")
        return at - self.began

    def call(self, tool, arguments):
        """The result of a tool that succeeded, and how many seconds it took."""
        result, took = self.request("tools/call", {"name": tool, "arguments": arguments})
        return checked(result), took

    def listen(self, seconds):
        """Reads messages for a while."""
        limit = time.perf_counter() + seconds
        while (left := limit - time.perf_counter()) > 0:
            self._read(left)

    def memory(self):
        """Resident, proportional and highest resident MB (a million bytes) of the process and its children."""
        rss = pss = peak = 0
        for process in family(self.process.pid):
            try:
                status = dict(
                    line.split(":", 1) for line in open(f"/proc/{process}/status").read().splitlines() if ":" in line
                )
                rss += int(status["VmRSS"].split()[0])
                peak += int(status["VmHWM"].split()[0])
                for line in open(f"/proc/{process}/smaps_rollup"):
                    if line.startswith("Pss:"):
                        pss += int(line.split()[1])
            except (OSError, KeyError):
                continue
        return tuple(kib * 1024 / 1e6 for kib in (rss, pss, peak))

    def close(self):
        for pipe in (self.process.stdin, self.process.stdout):
            pipe.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def family(process):
    """A process and its descendants."""
    found, left = [], [process]
    while left:
        found.append(left.pop())
        try:
            for task in os.listdir(f"/proc/{found[-1]}/task"):
                left += map(int, open(f"/proc/{found[-1]}/task/{task}/children").read().split())
        except OSError:
            continue
    return found


def checked(result):
    """Some servers report a failure as a text."""
    texts = " ".join(part.get("text", "") for part in result.get("content", []))
    if result.get("isError") or texts.startswith(("Failed", "Unexpected", "Error")):
        raise Failed(texts[:500])
    return result
