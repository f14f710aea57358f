"""Functions for the checks of all clients."""

import json
import struct
import subprocess
import urllib.request
import wave
import zlib

failures = []


def check(name, function):
    """Runs one check and prints its outcome."""
    try:
        function()
        print(f"ok      {name}", flush=True)
    except Exception as problem:  # any exception of a client is a finding
        failures.append(name)
        print(f"FAILED  {name}: {type(problem).__name__}: {str(problem)[:600]}", flush=True)


def ended():
    """Prints how many checks failed, and returns the exit status."""
    print(f"{len(failures)} failed")
    return 1 if failures else 0


def same(got, expected, what=""):
    if got != expected:
        raise AssertionError(f"{what} is {got!r}, not {expected!r}")


def holds(truth, what):
    if not truth:
        raise AssertionError(what)


def raises(kind, function, *words):
    try:
        function()
    except kind as problem:
        for word in words:
            holds(word in str(problem), f"no {word!r} in {problem}")
        return problem
    raise AssertionError(f"no {kind.__name__}")


class Sandbox:
    """The sandbox of the program, in a process of its own."""

    def __init__(self, program):
        # stderr has instructions for a person.
        self.process = subprocess.Popen([program, "sandbox"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.url = self.process.stdout.readline().decode().strip()
        self.control("pace", {"polls": 0, "seconds": 0})

    def control(self, what, body=None):
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(f"{self.url}/_sandbox/{what}", data) as answer:
            return json.load(answer)

    def ask(self, path, body):
        """Sends one request."""
        headers = {"Authorization": "Bearer sk-check", "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def refuse(self, path, code, times=1):
        """Makes the next request to the path fail, in the error format of the path."""
        self.control("script", [{"path": path, "times": times, "act": {"refuse": {"code": code}}}])

    def sent(self, since=0):
        return self.control("requests")[since:]

    def stop(self):
        self.process.terminate()
        self.process.wait()


def png():
    """A picture of 400 by 400 pixels: MiniMax requires more than 300 on the shorter side of a first frame."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 400, 400, 8, 2, 0, 0, 0)
    rows = (b"\0" + bytes([200, 90, 30]) * 400) * 400
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def recording(path):
    """A recording of twelve seconds: MiniMax needs at least ten to clone a voice."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(b"".join(struct.pack("<h", (i % 80) * 200 - 8000) for i in range(12 * 8000)))
