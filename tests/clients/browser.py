#!/usr/bin/env python3
"""Web pages in a real Chromium, which call the server from another origin.

    python3 tests/clients/browser.py [--keep FOLDER] [--quick] [--install] [PROGRAM]

Starts the sandbox, `PROGRAM serve --http … --sse` with a token (cargo makes the program if none is named), and a server
for pages under three names: localhost, app.example (in MINIMAX_MCP_ORIGINS) and evil.example. Chromium opens a page under
each name. The page asks the server with `fetch`, with the token in a header, and reports what it could read:

* under the allowed names everything: initialize, a list, a paid call as JSON and as an event stream, an upload, a
  download link, a chosen set of tools, the session of the older transport (not with `--quick`), and refusals with their
  status and `WWW-Authenticate`;
* under the foreign name nothing, and MiniMax gets no request.

Chromium has to be there (Debian: chromium); `--install`, or CI_CLIENTS=1, has apt-get install it where that may be done.
It ends with status 1 if a page could not read what it should, or could what it should not; with 3 without Chromium.
"""

import sys

sys.dont_write_bytecode = True

import json
import os
import queue
import shutil
import subprocess
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from matrix import Http
from places import NotHad, Places, built, ended_without, parser_of, plain
from support import Sandbox, check, ended, holds, same

TOKEN = "page-0123456789abcdef"
NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"]
INSTALL = 420
PAGE_TIME = 90

PAGE = """<!doctype html><meta charset="utf-8"><title>page</title><script type="module">
const server = SERVER, token = TOKEN, quick = QUICK;
const found = {};
let next = 0;
const headers = (more) => ({ "authorization": `Bearer ${token}`, "content-type": "application/json",
  "mcp-protocol-version": "2025-06-18", "accept": "application/json", ...more });
const ask = (method, params, more) => fetch(`${server}/mcp`, { method: "POST", headers: headers(more),
  body: JSON.stringify({ jsonrpc: "2.0", id: ++next, method, params }) });
const call = (name, args, more) => ask("tools/call", { name, arguments: args }, more);
const step = async (name, work) => {
  try { found[name] = await work(); } catch (problem) { found[name] = { failed: String(problem) }; }
};
await step("initialize", async () => (await (await ask("initialize", { protocolVersion: "2025-06-18", capabilities: {},
  clientInfo: { name: "page", version: "0" } })).json()).result.serverInfo.name);
await step("tools", async () => (await (await ask("tools/list")).json()).result.tools.length);
await step("chosen", async () => (await (await ask("tools/list", undefined, { "x-mcp-tools": "chat" })).json())
  .result.tools.map((tool) => tool.name));
let link;
await step("paid", async () => {
  const result = (await (await call("text_to_image", { prompt: "A fox" })).json()).result.structuredContent;
  link = result.files[0].download_url;
  return result.status;
});
await step("stream", async () => {
  const response = await call("text_to_image", { prompt: "A hare" }, { accept: "application/json, text/event-stream" });
  return [response.headers.get("content-type"), (await response.text()).includes("succeeded")];
});
await step("download", async () => {
  const response = await fetch(link ?? `${server}/files/a/b`);
  return [response.status, response.headers.get("etag") !== null, (await response.blob()).size > 1000];
});
await step("upload", async () => {
  const response = await fetch(`${server}/uploads?name=note.txt`, { method: "POST", body: "Good evening.",
    headers: { authorization: `Bearer ${token}` } });
  return [response.status, (await response.json()).uri.startsWith("minimax://uploads/")];
});
await step("wrong token", async () => {
  const response = await ask("ping", undefined, { authorization: "Bearer ${MINIMAX_MCP_TOKEN}" });
  return [response.status, response.headers.get("www-authenticate") !== null, (await response.text()).includes("not filled in")];
});
await step("not JSON", async () => {
  const response = await fetch(`${server}/mcp`, { method: "POST", headers: headers(), body: "{bad" });
  return [response.status, (await response.json()).error.code];
});
await step("not acceptable", async () => (await ask("ping", undefined, { accept: "image/png" })).status);
await step("nowhere", async () => (await fetch(`${server}/nothing`)).status);
await step("health", async () => (await fetch(`${server}/healthz`)).text());
if (!quick) await step("session", async () => {
  const end = new AbortController();
  const response = await fetch(`${server}/sse`, { headers: { authorization: `Bearer ${token}` }, signal: end.signal });
  const text = new TextDecoder().decode((await response.body.getReader().read()).value);
  const address = text.match(/data: (.*)/)[1];
  const posted = await fetch(server + address, { method: "POST", headers: headers(),
    body: JSON.stringify({ jsonrpc: "2.0", method: "notifications/initialized" }) });
  end.abort();
  return posted.status;
});
await fetch("/report", { method: "POST", body: JSON.stringify(found) });
</script>"""

READ = {
    "initialize": "minimax-mcp",
    "chosen": ["chat"],
    "paid": "succeeded",
    "stream": ["text/event-stream", True],
    "download": [200, True, True],
    "upload": [201, True],
    "wrong token": [401, True, True],
    "not JSON": [400, -32700],
    "not acceptable": 406,
    "nowhere": 404,
    "health": "ok\n",
}


def chromium(install):
    """The Chromium of this machine."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if not found and install and shutil.which("apt-get") and os.geteuid() == 0:
        quiet = {"check": True, "capture_output": True, "timeout": INSTALL}
        try:
            subprocess.run(["apt-get", "update"], **quiet)
            command = ["apt-get", "install", "--yes", "--no-install-recommends", "chromium"]
            subprocess.run(command, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, **quiet)
        except (subprocess.SubprocessError, OSError) as problem:
            raise NotHad(f"Chromium cannot be installed: {problem}") from problem
        found = shutil.which("chromium")
    if not found:
        raise NotHad("there is no Chromium on this machine (Debian: chromium)")
    return found


def options_of(doc, keep, quick, pictures=False):
    """The arguments of a script that needs a browser, and the rest of the parser's."""
    parser = parser_of(doc, keep)
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--install", action="store_true", help="install Chromium with apt-get if it is missing")
    if pictures:
        parser.add_argument("--pictures", type=Path, help="the folder for screenshots")
    return parser


def in_browser(arguments, prepare, play):
    """Runs the checks with Chromium and what `prepare` installs, in a folder of their own. Returns the exit status."""
    plain()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        try:
            browser = chromium(arguments.install or os.environ.get("CI_CLIENTS") == "1")
            prepared = prepare(Places(arguments.keep or scratch))
        except NotHad as problem:
            return ended_without(problem)
        if getattr(arguments, "pictures", None):
            arguments.pictures = arguments.pictures.resolve()
            arguments.pictures.mkdir(parents=True, exist_ok=True)
        program = str(Path(arguments.program or built()).resolve())
        return play(program, browser, prepared, Path(scratch).resolve())


class Pages:
    """Serves the page, under any name, and takes its reports."""

    def __init__(self):
        self.reports, self.page = queue.Queue(), ""
        pages = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def answer(self, status, body=b""):
                self.send_response(status)
                self.send_header("content-type", "text/html; charset=utf-8")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                self.answer(200, pages.page.encode()) if self.path == "/" else self.answer(404)

            def do_POST(self):
                pages.reports.put(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.answer(204)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def report(browser, pages, name, profile):
    """The findings of a page that Chromium opens under a host name."""
    rules = ", ".join(f"MAP {host} 127.0.0.1" for host in ["app.example", "evil.example"])
    options = ["--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--no-proxy-server"]
    options += [f"--user-data-dir={profile}", f"--host-resolver-rules={rules}", "--disable-background-networking"]
    if os.name != "nt" and os.geteuid() == 0:
        options.append("--no-sandbox")  # Chromium's sandbox does not run as root
    command = [browser, *options, f"http://{name}:{pages.port}/"]
    log = open(profile.with_suffix(".log"), "wb")
    process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        return pages.reports.get(timeout=PAGE_TIME)
    except queue.Empty:
        raise AssertionError(f"no report in {PAGE_TIME} s: {profile.with_suffix('.log').read_text()[-400:]}") from None
    finally:
        process.terminate()
        process.wait()
        log.close()


def play_all(program, browser, folder, quick):
    sandbox = Sandbox(program)
    settings = {
        "MINIMAX_API_KEY": "sk-browser",
        "MINIMAX_API_HOST": sandbox.url,
        "MINIMAX_MCP_BASE_PATH": str(folder / "results"),
        "MINIMAX_DATA_DIR": str(folder / "records"),
        "MINIMAX_MCP_TOKEN": TOKEN,
        "MINIMAX_LOG": "off",
    }
    # The server must know the port of the pages, and the pages that of the server.
    pages = Pages()
    settings["MINIMAX_MCP_ORIGINS"] = f"http://app.example:{pages.port}"
    server = Http(program, settings)
    told = subprocess.run([browser, "--version"], capture_output=True, text=True, timeout=60).stdout.split()
    print("version: " + " ".join(told[:2]), flush=True)
    values = {"SERVER": server.url, "TOKEN": TOKEN, "QUICK": quick}
    pages.page = PAGE
    for name, value in values.items():
        pages.page = pages.page.replace(f"= {name}", f"= {json.dumps(value)}")

    def allowed(name):
        found = report(browser, pages, name, folder / name)
        holds(found.pop("tools") > 20, "a list of tools")
        same(found.pop("session", 202), 202, "a message of a session")
        same(found, READ, "what the page read")

    def foreign():
        before = len(sandbox.sent())
        found = report(browser, pages, "evil.example", folder / "evil")
        read = {name: value for name, value in found.items() if not isinstance(value, dict)}
        same(read, {}, "what the foreign page read")
        same(len(sandbox.sent()), before, "requests to MiniMax")

    try:
        check("a page of localhost", lambda: allowed("localhost"))
        check("a page of a named origin", lambda: allowed("app.example"))
        check("a page of a foreign origin", foreign)
    finally:
        server.stop()
        sandbox.stop()
    return ended()


def main():
    arguments = options_of(__doc__, "unused: Chromium is the system's", "without the older transport").parse_args()
    play = lambda program, browser, _, folder: play_all(program, browser, folder, arguments.quick)
    return in_browser(arguments, lambda _: None, play)


if __name__ == "__main__":
    sys.exit(main())
