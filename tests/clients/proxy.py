#!/usr/bin/env python3
"""The server behind a real nginx, and requests that the two might read differently.

    python3 tests/clients/proxy.py [--quick] [--install] [PROGRAM]

Starts the sandbox, `PROGRAM serve --http … --sse` with tokens of two callers (cargo makes the program if none is named)
and nginx in front of it, with the location of `examples/deploy/nginx.conf`. nginx keeps one connection to the server
and sends everybody's requests over it. Each attack comes as raw bytes with a paid call hidden in it. Then another
caller asks three times. An attack has failed if that caller gets its own answers, the attacker gets none of them, and
MiniMax gets no hidden call.

The same again with settings that forward more than the shipped ones. Then: events of a stream arrive as they are made and
the stream lives for longer than the server's comments are apart (`--quick` does not wait for that).

nginx has to be there (Debian: nginx-light); `--install`, or CI_CLIENTS=1, has apt-get install it where that may be done.
It ends with status 1 if an attack came through, with 3 if there is no nginx.
"""

import sys

sys.dont_write_bytecode = True

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from matrix import Http
from places import NotHad, built, ended_without, parser_of, plain
from support import Sandbox, check, ended, failures, holds, same

HERE = Path(__file__).resolve().parent
EXAMPLE = HERE.parents[1] / "examples" / "deploy" / "nginx.conf"
ADA, BOB = "ada-0123456789abcdef", "bob-0123456789abcdef"
TYPES = "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
HIDDEN = "smuggled"

# Replacements for lines of the example, and directives for the whole server.
SETTINGS = {
    "as shipped": ({}, ""),
    "bodies buffered": ({"proxy_request_buffering off;": "proxy_request_buffering on;"}, ""),
    "odd headers handed on": ({}, "ignore_invalid_headers off; underscores_in_headers on;"),
}


def nginx(install):
    """The nginx of this machine."""
    here = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    found = shutil.which("nginx", path=here)
    if not found and install and shutil.which("apt-get") and os.geteuid() == 0:
        quiet = {"check": True, "capture_output": True, "timeout": 300}
        try:
            subprocess.run(["apt-get", "update"], **quiet)
            command = ["apt-get", "install", "--yes", "--no-install-recommends", "nginx-light"]
            subprocess.run(command, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, **quiet)
        except (subprocess.SubprocessError, OSError) as problem:
            raise NotHad(f"nginx cannot be installed: {problem}") from problem
        found = shutil.which("nginx", path=here)
    if not found:
        raise NotHad("there is no nginx on this machine (Debian: nginx-light)")
    return found


def a_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Front:
    """nginx in front of the server."""

    def __init__(self, program, folder, server, replaced, more):
        text = EXAMPLE.read_text(encoding="utf-8")
        location = text[text.index("location /") : text.rindex("}")]
        location = location.replace("http://127.0.0.1:8765", "http://server")
        for old, new in replaced.items():
            holds(old in location, f"the example has no {old}")
            location = location.replace(old, new)
        folder.mkdir(parents=True)
        self.port = a_port()
        (folder / "nginx.conf").write_text(
            f"""
            {"user root;" if os.geteuid() == 0 else ""}
            daemon off; worker_processes 1; pid nginx.pid; error_log error.log info;
            events {{ worker_connections 256; }}
            http {{
                access_log off; {more}
                client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
                uwsgi_temp_path uwsgi; scgi_temp_path scgi;
                upstream server {{ server {server.url.removeprefix("http://")}; keepalive 1; }}
                server {{ listen 127.0.0.1:{self.port}; server_name localhost; {location} }}
            }}""",
            encoding="utf-8",
        )
        self.process = subprocess.Popen([program, "-p", str(folder), "-e", "error.log", "-c", "nginx.conf"])
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError("nginx does not get ready")

    def stop(self):
        self.process.terminate()
        self.process.wait()


def message(identity, method="ping", **params):
    return json.dumps({"jsonrpc": "2.0", "id": identity, "method": method, "params": params})


def buy(prompt):
    return message(prompt, "tools/call", name="text_to_image", arguments={"prompt": prompt, "wait_seconds": 30})


def head(first, token, *lines):
    """A request without its body and without the headers that declare its length."""
    lines = "".join(f"{line}\r\n" for line in lines)
    return f"{first} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n{TYPES}{lines}"


def post(token, body, *lines):
    return head("POST /mcp", token, f"Content-Length: {len(body.encode())}", *lines) + "\r\n" + body


class Client:
    """A socket, and the answers that come over it."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.file = self.socket.makefile("rb")

    def say(self, text):
        data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
        try:
            self.socket.sendall(data)
        except OSError:
            pass  # the server may close the connection after it has refused the request

    def answer(self):
        """Status, headers in lower case, and body."""
        status, headers = self.file.readline().decode().split(" ")[1], {}
        while line := self.file.readline().decode().strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while length := int(self.file.readline().split(b";")[0], 16):
                body += self.file.read(length)
                self.file.readline()
            self.file.readline()
        else:
            body = self.file.read(int(headers.get("content-length", 0)))
        return int(status), headers, body.decode()

    def rest(self, seconds):
        """The bytes that arrive within this many seconds."""
        self.socket.settimeout(seconds)
        got = b""
        try:
            while piece := self.socket.recv(65536):
                got += piece
        except OSError:
            pass
        return got.decode("utf-8", "replace")

    def close(self):
        self.socket.close()


def attacks():
    """An attack: its name, and the pieces to send with pauses between them."""
    hidden = post(ADA, buy(HIDDEN))
    ended = "0\r\n\r\n" + hidden
    size = len(hidden.encode())
    ping = message("attack")

    def lengths(*lines, body=ended, first="POST /mcp", token=ADA):
        return [head(first, token, *lines) + "\r\n" + body]

    everything = f"Content-Length: {len(ended.encode())}"
    yield "CL.TE", lengths(everything, "Transfer-Encoding: chunked")
    for short in [0, 4]:
        lines = ["Transfer-Encoding: chunked", f"Content-Length: {short}"]
        yield f"TE.CL {short}", lengths(*lines, body=f"{size:x}\r\n{hidden}\r\n0\r\n\r\n")
    for line in [
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding:\tchunked",
        "Transfer-Encoding: \x0bchunked",
        "Transfer-Encoding: chunked\x0c",
        "Transfer-Encoding : chunked",
        " Transfer-Encoding: chunked",
        "X: y\r\n Transfer-Encoding: chunked",
        "X: y\nTransfer-Encoding: chunked",
        "X: y\rTransfer-Encoding: chunked",
        "Transfer-Encoding\r\n : chunked",
        "Transfer_Encoding: chunked",
        "transfer-encoding: CHUNKED",
        'Transfer-Encoding: "chunked"',
        "Transfer-Encoding: identity",
        "Transfer-Encoding: identity, chunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: cow",
        "Transfer-Encoding: cow\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding:",
        "Transfer-Encoding: chunked\0",
        "Connection: Content-Length",
        "Connection: close, Content-Length, Authorization",
        "Trailer: Content-Length",
    ]:
        yield f"TE.TE {line!r}", lengths(everything, line)
        yield f"TE.TE {line!r} first", lengths(line, everything)
    for lines in [
        ("Content-Length: 5", everything),
        (everything, "Content-Length: 5"),
        (everything, everything),
        (f"{everything}, {len(ended.encode())}",),
        (everything, "Content_Length: 5"),
        (everything, "Content-Length : 5"),
        (everything, "Content-Length\x0b: 5"),
        (everything, "X: y\nContent-Length: 5"),
        (f"Content-Length: +{len(ended.encode())}",),
        (f"Content-Length: 0{len(ended.encode())}",),
        (f"Content-Length: {len(ended.encode()):#x}",),
        (f"Content-Length: {2**64 + 5}",),
        (f"Content-Length: {2**32}",),
        ("Content-Length: -1",),
    ]:
        yield f"lengths {lines}", lengths(*lines)
    chunked = "Transfer-Encoding: chunked"
    length = len(ping)
    for name, body in [
        ("an extension", f"{length:x};a={'b' * 40}\r\n{ping}\r\n0\r\n\r\n"),
        ("an extension with a line of its own", f"{length:x};\n{ping}\r\n{size:x}\r\n{hidden}\r\n0\r\n\r\n"),
        ("an extension that ends in a bare CR", f"{length:x};\r{ping}\r\n{size:x}\r\n{hidden}\r\n0\r\n\r\n"),
        ("bare line feeds", f"{length:x}\n{ping}\n{size:x}\n{hidden}\n0\n\n"),
        ("no end after a chunk", f"{length:x}\r\n{ping}{size:x}\r\n{hidden}\r\n0\r\n\r\n"),
        ("two letters for an end", f"{length:x}\r\n{ping}xx{size:x}\r\n{hidden}\r\n0\r\n\r\n"),
        ("a length of many digits", f"{'0' * 40}{size:x}\r\n{hidden}\r\n0\r\n\r\n"),
        ("a length that overflows", f"1{'0' * 15}{size:x}\r\n{hidden}\r\n0\r\n\r\n"),
        ("a length with a sign", f"+{size:x}\r\n{hidden}\r\n0\r\n\r\n"),
        ("a length with 0x", f"0x{size:x}\r\n{hidden}\r\n0\r\n\r\n"),
        ("a length with an underscore", f"{size:x}_0\r\n{hidden}\r\n0\r\n\r\n"),
        ("a blank before the length", f" {size:x}\r\n{hidden}\r\n0\r\n\r\n"),
        ("a blank after the length", f"{size:x} \r\n{hidden}\r\n0\r\n\r\n"),
        ("a trailer", f"{size:x}\r\n{hidden}\r\n0\r\nContent-Length: 5\r\nHost: evil.example\r\n\r\n"),
    ]:
        yield f"chunks with {name}", lengths(chunked, body=body)
    for name, first, token, body in [
        ("no good token", "POST /mcp", "wrong-0123456789abcdef", hidden),
        ("no such path", "POST /nowhere", ADA, hidden),
        ("another method", "DELETE /mcp", ADA, hidden),
        ("a GET with a body", "GET /healthz", ADA, hidden),
        ("a HEAD with a body", "HEAD /healthz", ADA, hidden),
        ("an OPTIONS with a body", "OPTIONS /mcp", ADA, hidden),
        ("a GET of the metadata with a body", "GET /.well-known/oauth-protected-resource", ADA, hidden),
        ("figures with a body", "GET /metrics", "wrong-0123456789abcdef", hidden),
        ("a link with a body", "GET /files/a/b?expires=1&signature=x", ADA, hidden),
        ("no session", "POST /messages?sessionId=1", ADA, hidden),
        ("a form that is none", "POST /uploads", ADA, hidden),
        ("no message", "POST /mcp", ADA, hidden),
    ]:
        said = f"Content-Length: {len(body.encode())}"
        yield f"answered early: {name}", [head(first, token, said) + "\r\n", body]
        yield f"answered early: {name}, in one piece", [head(first, token, said) + "\r\n" + body]
        yield f"answered early: {name}, in chunks", [
            head(first, token, chunked) + "\r\n",
            f"{size:x}\r\n{body}\r\n",
            "0\r\n\r\n",
        ]
        yield f"answered early: {name}, who expects", [head(first, token, said, "Expect: 100-continue") + "\r\n", body]
        yield f"answered early: {name}, who leaves", [head(first, token, f"Content-Length: {size + 9}") + "\r\n", body]
    large = f"Content-Length: {20 * 1024 * 1024}"
    yield "answered early: too large", [head("POST /mcp", ADA, large) + "\r\n", hidden * 40]
    origin = [f"Content-Length: {size}", "Origin: https://evil.example"]
    yield "answered early: a foreign page", [head("POST /mcp", ADA, *origin) + "\r\n", hidden]
    for upgrade in ["h2c", "websocket", "HTTP/2.0", "TLS/1.0"]:
        lines = ["Connection: Upgrade, HTTP2-Settings", f"Upgrade: {upgrade}", "HTTP2-Settings: AAMAAABkAAQAAP__"]
        said = f"Content-Length: {size}"
        yield f"an upgrade to {upgrade}", [head("GET /healthz", ADA, *lines, said) + "\r\n", hidden]
    for version in ["HTTP/1.0", "HTTP/0.9", "HTTP/1.2", "HTTP/2.0"]:
        old = head("POST /mcp", ADA, everything, "Connection: keep-alive").replace("HTTP/1.1", version)
        yield f"{version} with a length", [old + "\r\n" + ended]
        old = head("POST /mcp", ADA, everything, chunked, "Connection: keep-alive").replace("HTTP/1.1", version)
        yield f"{version} with chunks", [old + "\r\n" + ended]
    for target in [
        "http://localhost/mcp",
        "http://evil.example/mcp",
        "http://localhost@evil.example/mcp",
        "//evil.example/mcp",
        "/mcp%20HTTP/1.1%0d%0aHost:%20evil.example",
        "/mcp%0d%0a%0d%0a",
        "/%2e%2e/mcp",
    ]:
        yield f"POST {target}", lengths(everything, first=f"POST {target}")
    odd = ["X_Y: z", "X Y: z", "X\0: z", "X: a\0b", ": nothing", "no colon", "Host: evil.example", "X: y\r\n folded"]
    for line in odd:
        yield f"a header {line!r}", lengths(everything, line)
    for line in [f"X: {'x' * 40_000}", "\r\n".join(["X: y"] * 2_000), f"{'x' * 40_000}: y"]:
        yield f"headers of {len(line)} bytes", lengths(everything, line)
    yield "lines that end in LF alone", [head("POST /mcp", ADA, everything).replace("\r\n", "\n") + "\n" + ended]


class Play:
    def __init__(self, sandbox, front):
        self.sandbox, self.front, self.count = sandbox, front, 0

    def bought(self, word):
        """How many paid requests contain the word."""
        return sum(word in json.dumps(one) for one in self.sandbox.sent() if one["method"] == "POST")

    def bob(self, times=3):
        """Requests of another caller over nginx's connection. Each must get the answer with its own id."""
        client = Client(self.front.port)
        for _ in range(times):
            self.count += 1
            mine = f"bob-{self.count}"
            client.say(post(BOB, message(mine)))
            status, _, body = client.answer()
            same(status, 200, f"the status of {mine}")
            holds(f'"{mine}"' in body, f"{mine} got {body[:300]!r}")
        client.close()

    def attack(self, pieces):
        client = Client(self.front.port)
        for number, piece in enumerate(pieces):
            if number:
                time.sleep(0.03)
            client.say(piece)
        # The next caller sends before the attacker's answer has been read.
        self.bob(1)
        got = client.rest(0.1)
        holds('"bob-' not in got, f"the attacker got another's answer: {got[:300]!r}")
        client.close()
        self.bob(2)
        same(self.bought(HIDDEN), 0, "how often the hidden call was made")

    def in_the_open(self):
        """The hidden call would work: sent as an ordinary request, it is carried out."""
        client = Client(self.front.port)
        client.say(post(ADA, message("first")) + post(ADA, buy("in the open")))
        same([client.answer()[0] for _ in range(2)], [200, 200], "the statuses")
        client.close()
        same(self.bought("in the open"), 1, "a call that is not hidden")

    def two_in_one_go(self):
        """Requests of two callers, pipelined over one connection as by a proxy."""
        client = Client(self.front.port)
        client.say("".join(post(ADA, message(f"a-{n}")) + post(BOB, message(f"b-{n}")) for n in range(20)))
        for number in range(20):
            for who in "ab":
                status, _, body = client.answer()
                holds(status == 200 and f'"{who}-{number}"' in body, f"{who}-{number} got {status} {body[:200]}")
        client.close()

    def whose(self):
        """Each caller sees its own jobs, even after another caller has used the same connection."""
        client = Client(self.front.port)
        client.say(post(ADA, buy("ordinary")))
        status, _, body = client.answer()
        holds(status == 200 and "image · succeeded" in body, body[:400])
        same(self.bought("ordinary"), 1, "an ordinary order")
        for token, sees in [(BOB, False), (ADA, True), (BOB, False)]:
            client.say(post(token, message("list", "tools/call", name="list_jobs", arguments={})))
            holds(("ordinary" in client.answer()[2]) == sees, f"{token[:3]} sees the job: {not sees}")
        client.close()

    def events(self):
        """The progress of a call arrives while it runs, not together with the answer."""
        self.sandbox.control("pace", {"polls": 2, "seconds": 3})
        params = {"name": "generate_video", "arguments": {"prompt": "A fox", "wait_seconds": 30}}
        body = message("video", "tools/call", **params, _meta={"progressToken": "p"})
        client = Client(self.front.port)
        began = time.monotonic()
        client.say(post(ADA, body))
        first = end = None
        client.socket.settimeout(40)
        while end is None:
            line = client.file.readline()
            holds(line, "the stream ended without an answer")
            if b"notifications/progress" in line and first is None:
                first = time.monotonic() - began
            if b'"id":"video"' in line:
                end = time.monotonic() - began
        client.close()
        self.sandbox.control("pace", {"polls": 0, "seconds": 0})
        holds(first is not None and first < end - 1, f"the first word came after {first} s, the answer after {end} s")

    def session(self, seconds):
        """A session of the older transport: events arrive at once, and the session lives after this many seconds."""
        stream = Client(self.front.port)
        stream.say(head("GET /sse", ADA) + "\r\n")
        stream.socket.settimeout(5)
        where = self.data(stream)
        until, comments = time.monotonic() + seconds, 0
        stream.socket.settimeout(30)
        while time.monotonic() < until:
            comments += stream.file.readline().startswith(b":")
        holds(comments >= seconds // 16, f"{comments} comments in {seconds} s")
        client = Client(self.front.port)
        body = message("in a session")
        client.say(head(f"POST {where}", ADA, f"Content-Length: {len(body)}") + "\r\n" + body)
        same(client.answer()[0], 202, "the status of a message")
        stream.socket.settimeout(5)
        holds('"in a session"' in self.data(stream), "the answer comes over the stream")
        client.close()
        stream.close()

    @staticmethod
    def data(stream):
        while line := stream.file.readline():
            if line.startswith(b"data:"):
                return line[5:].decode().strip()
        raise AssertionError("the stream ended")


def play_all(program, found, folder, quick):
    sandbox = Sandbox(program)
    tokens = folder / "tokens.json"
    tokens.write_text(json.dumps([{"name": "ada", "token": ADA}, {"name": "bob", "token": BOB}]))
    tokens.chmod(0o600)
    settings = {
        "MINIMAX_API_KEY": "sk-proxy",
        "MINIMAX_API_HOST": sandbox.url,
        "MINIMAX_SANDBOX": "true",
        "MINIMAX_MCP_BASE_PATH": str(folder / "results"),
        "MINIMAX_DATA_DIR": str(folder / "records"),
        "MINIMAX_MCP_TOKEN_FILE": str(tokens),
        "MINIMAX_POLL_SECONDS": "0.2",
        "MINIMAX_LOG": "off",
    }
    server = Http(program, settings)
    try:
        for name, (replaced, more) in SETTINGS.items():
            front = Front(found, folder / name.replace(" ", "-"), server, replaced, more)
            try:
                play = Play(sandbox, front)
                check(f"{name}: two callers in one go", play.two_in_one_go)
                before, count = len(failures), 0
                for what, pieces in attacks():
                    count += 1
                    try:
                        play.attack(pieces)
                    except Exception as problem:
                        failures.append(what)
                        print(f"FAILED  {name}: {what}: {type(problem).__name__}: {problem}", flush=True)
                harmless = count - (len(failures) - before)
                print(f"{'ok' if harmless == count else 'FAILED':6}  {name}: {harmless} of {count} attacks had no effect", flush=True)
            finally:
                front.stop()
        for name, replaced in [("as shipped", {}), ("answers buffered", {"proxy_buffering off;": ""})]:
            front = Front(found, folder / f"streams-{name.replace(' ', '-')}", server, replaced, "")
            try:
                play = Play(sandbox, front)
                if not replaced:
                    check("each sees its own", play.whose)
                    check("a call that is not hidden is made", play.in_the_open)
                check(f"{name}: progress as it is made", play.events)
                check(f"{name}: a session", lambda: play.session(0 if quick else 70))
            finally:
                front.stop()
        same(Play(sandbox, None).bought(HIDDEN), 0, "how often the hidden call was made")
    finally:
        server.stop()
        sandbox.stop()
    return ended()


def main():
    parser = parser_of(__doc__, keep="unused: nginx is the system's")
    parser.add_argument("--quick", action="store_true", help="do not wait for long streams")
    parser.add_argument("--install", action="store_true", help="install nginx with apt-get if it is missing")
    arguments = parser.parse_args()
    plain()
    if os.name == "nt":
        return ended_without("nginx is not tried on Windows")
    try:
        found = nginx(arguments.install or os.environ.get("CI_CLIENTS") == "1")
    except NotHad as problem:
        return ended_without(problem)
    program = str(Path(arguments.program or built()).resolve())
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        return play_all(program, found, Path(scratch).resolve(), arguments.quick)


if __name__ == "__main__":
    sys.exit(main())
