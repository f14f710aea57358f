#!/usr/bin/env python3
"""The gallery in a real Chromium, as a person uses it.

    python3 tests/clients/gallery.py [--keep FOLDER] [--quick] [--install] [--pictures FOLDER] [PROGRAM]

Starts the sandbox, `PROGRAM gallery --no-open` for the person at this machine, and `PROGRAM serve --http` with two tokens
(cargo makes the program if none is named), and plays with Playwright against the Chromium of this machine:

* the one-time link opens the gallery once; a running job ends by itself on the page;
* sound and video really decode (`currentTime` moves), and subtitles are on the player;
* search, filters and the language switch; "make again" shows a price and buys once; deleting asks first;
* prompts, names and answers with markup stay text: no script runs, and the console has no complaint about the policy;
* two principals see nothing of each other, a page of another site can neither frame the gallery nor send its forms;
* axe-core finds nothing serious on any page, in both themes and on a phone;
* a store with 100,000 jobs (10,000 with `--quick`) shows its first page, filters and pages; its times and the memory of the
  program are printed, as are the bytes and requests of a page.

With `--pictures` it writes screenshots at phone and desktop width in both themes.

Chromium has to be there (Debian: chromium); `--install`, or CI_CLIENTS=1, has apt-get install it where that may be done.
It ends with status 1 if something is not as it should be; with 3 without Chromium or Playwright.
"""

import sys

sys.dont_write_bytecode = True

import argparse
import json
import os
import sqlite3
import subprocess
import tempfile
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from browser import in_browser, options_of
from matrix import Http
from places import plain
from support import Sandbox, check, ended, holds, same

PLAYWRIGHT = "playwright==1.65.2"
AXE = "axe-core@4.14.1"
ADA, BOB = "ada-0123456789abcdef", "bob-0123456789abcdef"
ATTACK = "\"><script>window.hacked=1</script><img src=x onerror=\"window.hacked=2\"><b>bold</b> </textarea> javascript:window.hacked=3"
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 800}
# The time in milliseconds within which an element must appear.
PATIENCE = 20_000


def call(url, token, tool, arguments):
    """One call of a tool over HTTP."""
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}}
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream",
               "MCP-Protocol-Version": "2025-06-18", "Authorization": f"Bearer {token}"}
    with urllib.request.urlopen(urllib.request.Request(f"{url}/mcp", json.dumps(body).encode(), headers)) as answer:
        text = answer.read().decode()
    lines = [line[5:] for line in text.splitlines() if line.startswith("data:") and '"id"' in line] or [text]
    result = json.loads(lines[-1])["result"]
    holds(not result.get("isError"), f"{tool}: {result}")
    return result["structuredContent"]


def link_of(url, token):
    """A link that opens the gallery once, without the token."""
    headers = {"Authorization": f"Bearer {token}"}
    with urllib.request.urlopen(urllib.request.Request(f"{url}/gallery/link", b"", headers)) as answer:
        return answer.read().decode().strip()


class Owner:
    """`minimax-mcp gallery`, for the person at this machine."""

    def __init__(self, program, settings):
        command = [program, "gallery", "--no-open"]
        environment = {**os.environ, **settings}
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.link = self.process.stdout.readline().decode().strip()
        self.url = self.link.split("/gallery/")[0]

    def memory(self):
        """Resident memory of the program in MiB; 0 if the system does not report it."""
        try:
            lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
            return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) // 1024
        except (OSError, StopIteration):
            return 0

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Watched:
    """A page whose console, errors and requests are counted."""

    def __init__(self, context):
        self.page = context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.complaints, self.requests = [], []
        self.page.on("console", lambda one: self.complaints.append(one.text) if one.type == "error" else None)
        self.page.on("pageerror", lambda one: self.complaints.append(str(one)))
        self.page.on("request", lambda one: self.requests.append(one.url))


def many_jobs(folder, count):
    """Adds this many copies of the first image job to a store. Ids and times differ."""
    base = sqlite3.connect(folder / "jobs.sqlite3")
    columns = [row[1] for row in base.execute("PRAGMA table_info(jobs)")]
    row = dict(zip(columns, base.execute("SELECT * FROM jobs WHERE kind = 'image' AND status = 'succeeded' LIMIT 1").fetchone()))
    words = ["lighthouse", "fox", "harbour", "meadow", "observatory"]

    def copies():
        for number in range(count):
            body = json.loads(row["body"])
            prompt = f"{words[number % len(words)]} number {number}"
            kind = "image" if number % 10 else "music"
            at = row["created_at"] - 1000 * (number + 1)
            body.update(id=f"copy-{number:06}", prompt=prompt, kind=kind, created_at=at, updated_at=at)
            one = {**row, "id": body["id"], "kind": kind, "idempotency_key": None, "task_id": None, "created_at": at,
                   "updated_at": at, "search": f"{body['id']} text_to_image image-01 {prompt}", "body": json.dumps(body)}
            yield [one[name] for name in columns]

    with base:
        base.executemany(f"INSERT INTO jobs ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})", copies())
    base.close()


def serious(page, axe):
    """What axe-core finds that is serious or worse."""
    # Through the debugger, which the page's content security policy does not restrict.
    found = page.evaluate(axe + "; axe.run({ resultTypes: ['violations'] })")
    bad = [one for one in found["violations"] if one["impact"] in ("serious", "critical")]
    return [(one["id"], [node["html"][:120] for node in one["nodes"][:3]]) for one in bad]


def plays(page, selector):
    """Whether a player decodes: its time advances, and it knows its length."""
    return page.evaluate(
        """async (selector) => {
            const player = document.querySelector(selector);
            player.muted = true;
            await player.play();
            for (let i = 0; i < 100 && player.currentTime < 0.1; i++) await new Promise((done) => setTimeout(done, 100));
            return [player.currentTime >= 0.1, player.duration > 0, player.error && player.error.message];
        }""",
        selector,
    )


class Foreign:
    """A page of another site that frames the gallery and sends its forms."""

    def __init__(self, target):
        page = f"""<!doctype html><title>evil</title><iframe id=f src="{target}/gallery"></iframe>
            <form id=g method=post action="{target}/gallery/logout"><input name=form_token value=x></form>
            <img id=i src="{target}/gallery/assets/icon.svg">""".encode()

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                self.send_response(200)
                self.send_header("content-type", "text/html")
                self.end_headers()
                self.wfile.write(page)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://localhost:{self.server.server_port}/"


def play_all(playwright, program, browser, axe, folder, quick, pictures):
    sandbox = Sandbox(program)
    settings = {
        "MINIMAX_API_KEY": "sk-gallery",
        "MINIMAX_API_HOST": sandbox.url,
        "MINIMAX_MCP_BASE_PATH": str(folder / "results"),
        "MINIMAX_DATA_DIR": str(folder / "records"),
        "MINIMAX_POLL_SECONDS": "1",
        "MINIMAX_LOG": "off",
    }
    tokens = folder / "tokens.json"
    tokens.write_text(json.dumps([{"name": "ada", "token": ADA}, {"name": "bob", "token": BOB}]))
    tokens.chmod(0o600)
    server = Http(program, settings, MINIMAX_MCP_TOKEN_FILE=str(tokens))
    chrome = playwright.chromium.launch(
        executable_path=browser, args=["--no-sandbox"] if os.name != "nt" and os.geteuid() == 0 else []
    )

    def visitor(link, **more):
        context = chrome.new_context(viewport=DESK, locale="en-GB", **more)
        watched = Watched(context)
        if link:
            watched.page.goto(link)
            watched.page.wait_for_url("**/gallery")
        return watched

    made = {}

    def make(name, tool, arguments):
        made[name] = call(server.url, ADA, tool, arguments)
        return made[name]

    def opens_once():
        link = link_of(server.url, ADA)
        ada = visitor(link)
        holds(ada.page.get_by_role("navigation", name="Main").is_visible(), "the navigation")
        again = visitor(None)
        again.page.goto(link)
        holds(again.page.get_by_text("already used").is_visible(), "the link opened twice")
        holds(link.split("code=")[1] not in ada.page.url, "the code is still in the address")
        same(ada.page.evaluate("document.cookie"), "", "cookies that a script can read")

    def with_a_token():
        bob = visitor(None)
        bob.page.goto(f"{server.url}/gallery")
        bob.page.get_by_label("Token of this server").fill("wrong-0123456789abcdef")
        bob.page.get_by_role("button", name="Log in").click()
        holds(bob.page.get_by_role("alert").is_visible(), "a wrong token is said to be wrong")
        bob.page.get_by_label("Token of this server").fill(BOB)
        bob.page.get_by_role("button", name="Log in").click()
        bob.page.wait_for_url("**/gallery")
        holds(bob.page.get_by_text("No matching jobs").is_visible(), "Bob has no jobs")
        holds(ATTACK not in bob.page.content() and "observatory" not in bob.page.content(), "Bob sees jobs of Ada")
        job = made["image"]["job_id"]
        same(bob.page.goto(f"{server.url}/gallery/jobs/{job}").status, 404, "Ada's job for Bob")

    def running():
        sandbox.control("pace", {"polls": 1000, "seconds": 0})
        job = make("video", "generate_video", {"prompt": "A fox runs over a meadow", "model": "MiniMax-H3", "async_mode": True})
        ada = visitor(link_of(server.url, ADA))
        card = ada.page.locator(f"#job-{job['job_id']}")
        card.get_by_text("Running").wait_for()
        sandbox.control("pace", {"polls": 0, "seconds": 0})
        card.get_by_text("Succeeded").wait_for()
        same(ada.complaints, [], "complaints of the console")

    def players():
        ada = visitor(link_of(server.url, ADA))
        shown = ada.page.evaluate(
            """async () => {
                const all = [...document.querySelectorAll('.picture img')];
                await Promise.all(all.map((one) => { one.loading = 'eager'; return one.decode().catch(() => 0); }));
                return all.map((one) => one.naturalWidth > 0);
            }"""
        )
        # Two images of jobs, a frame of the video, and the waveforms of speech and music.
        same((len(shown) >= 4, all(shown)), (True, True), "thumbnails, frames and waveforms")
        for name, selector in [("video", "video"), ("speech", "video.sound"), ("music", "audio")]:
            ada.page.goto(f"{server.url}/gallery/jobs/{made[name]['job_id']}")
            same(plays(ada.page, selector), [True, True, None], f"the player of {name}")
        ada.page.goto(f"{server.url}/gallery/jobs/{made['speech']['job_id']}")
        cues = ada.page.evaluate(
            """async () => {
                const track = document.querySelector('track').track;
                track.mode = 'showing';
                for (let i = 0; i < 50 && !(track.cues && track.cues.length); i++) await new Promise((d) => setTimeout(d, 100));
                return track.cues.length;
            }"""
        )
        holds(cues > 0, "subtitles on the player")
        same(ada.complaints, [], "complaints of the console")

    def searching():
        ada = visitor(link_of(server.url, ADA))
        ada.page.get_by_label("Search").fill("observatory")
        ada.page.get_by_role("button", name="Show").click()
        same(ada.page.locator("article").count(), 1, "jobs that fit")
        ada.page.goto(f"{server.url}/gallery?kind=music")
        same(ada.page.locator("article").count(), 1, "pieces of music")
        ada.page.goto(f"{server.url}/gallery")
        order = ada.page.get_by_label("Order")
        # With the keyboard alone: the fourth choice, then the button after it.
        order.focus()
        for _ in range(3):
            ada.page.keyboard.press("ArrowDown")
        ada.page.keyboard.press("Tab")
        ada.page.keyboard.press("Enter")
        ada.page.wait_for_url("**sort=length**")
        first = ada.page.locator("article").first.get_attribute("id")
        holds(first in [f"job-{made[name]['job_id']}" for name in ["video", "music"]], "the longest job is the first")
        ada.page.get_by_role("link", name="中文").click()
        ada.page.goto(f"{server.url}/gallery?sort=size")
        same(ada.page.get_by_label("排序").input_value(), "size", "the chosen order, in Chinese")
        holds(ada.page.get_by_role("button", name="显示").is_visible(), "Chinese")
        ada.page.keyboard.press("Tab")
        same(ada.page.evaluate("document.activeElement.className"), "skip", "the first stop of the keyboard")

    def again():
        before = len(sandbox.sent())
        ada = visitor(link_of(server.url, ADA))
        ada.page.goto(f"{server.url}/gallery/jobs/{made['image']['job_id']}")
        ada.page.get_by_role("link", name="Make again").click()
        ada.page.get_by_label("prompt", exact=False).first.fill("An observatory at dawn")
        ada.page.get_by_role("button", name="Show the price").click()
        holds("USD" in ada.page.locator(".price").inner_text(), "a price")
        same(len(sandbox.sent()), before, "requests before the purchase")
        ada.page.get_by_role("button", name="Buy").click()
        ada.page.get_by_text("Succeeded").wait_for()
        holds(ada.page.get_by_role("heading", name="An observatory at dawn").is_visible(), "the new job")
        bought = [one["path"] for one in sandbox.sent(before) if "image_generation" in one["path"]]
        same(len(bought), 1, "purchases")
        ada.page.get_by_role("link", name="Use as first frame").first.click()
        holds("minimax://files/" in ada.page.locator("[name='field.first_frame_image']").input_value(), "the file as an argument")
        same(ada.complaints, [], "complaints of the console")

    def deleting():
        job = make("gone", "text_to_image", {"prompt": "To be deleted"})
        ada = visitor(link_of(server.url, ADA))
        ada.page.goto(f"{server.url}/gallery/jobs/{job['job_id']}")
        ada.page.locator(".acts").get_by_role("link", name="Delete…").click()
        ada.page.get_by_role("button", name="Delete the record and the files").click()
        ada.page.wait_for_url("**/gallery")
        same(ada.page.get_by_text("To be deleted").count(), 0, "deleted jobs on the page")

    def attacks():
        ada = visitor(link_of(server.url, ADA))
        pages = ["", f"/jobs/{made['attack']['job_id']}", f"/make?job={made['attack']['job_id']}", "/chats",
                 f"/chats/{made['chat']['conversation_id']}", "/money", "?q=%22%3E%3Cscript%3Ewindow.hacked=4%3C/script%3E"]
        for path in pages:
            ada.page.goto(f"{server.url}/gallery{path}")
            ada.page.wait_for_timeout(300)
            same(ada.page.evaluate("window.hacked"), None, f"a script ran at {path}")
            same(ada.page.locator("b").count(), 0, f"markup of a prompt at {path}")
        same(ada.complaints, [], "complaints of the console")
        elsewhere = [url for url in ada.requests if not url.startswith(server.url)]
        same(elsewhere, [], "requests to others")

    def other_sites():
        ada = visitor(link_of(server.url, ADA))
        foreign = Foreign(server.url)
        other = ada.page.context.new_page()
        other.goto(foreign.url)
        other.wait_for_timeout(500)
        frame = other.frames[1]
        holds("minimax" not in frame.content(), "the gallery is in a frame of another site")
        same(other.evaluate("document.querySelector('#i').naturalWidth"), 0, "a picture of the gallery on another site")
        other.evaluate("document.querySelector('#g').submit()")
        other.wait_for_timeout(500)
        same(ada.page.goto(f"{server.url}/gallery").status, 200, "Ada's session")
        holds(ada.page.get_by_role("navigation", name="Main").is_visible(), "Ada is logged in")

    def for_everybody():
        for theme in ["light", "dark"]:
            for size in [DESK, PHONE]:
                ada = visitor(link_of(server.url, ADA), color_scheme=theme)
                ada.page.set_viewport_size(size)
                for path in ["", f"/jobs/{made['image']['job_id']}", f"/jobs/{made['speech']['job_id']}",
                             f"/make?job={made['image']['job_id']}", "/chats", f"/chats/{made['chat']['conversation_id']}",
                             "/money", f"/delete/{made['image']['job_id']}"]:
                    ada.page.goto(f"{server.url}/gallery{path}")
                    same(serious(ada.page, axe), [], f"axe-core at {path} ({theme}, {size['width']})")
                    wide = ada.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
                    holds(wide <= 0, f"{path} is {wide} pixels too wide at {size['width']}")

    def weight():
        ada = visitor(link_of(server.url, ADA))
        debugger, sizes = ada.page.context.new_cdp_session(ada.page), []
        debugger.send("Network.enable")
        debugger.send("Network.setCacheDisabled", {"cacheDisabled": True})
        debugger.on("Network.loadingFinished", lambda one: sizes.append(int(one["encodedDataLength"])))
        ada.page.goto(f"{server.url}/gallery")
        ada.page.wait_for_load_state("networkidle")
        print(f"        a page with {ada.page.locator('article').count()} jobs: {len(sizes)} requests, {sum(sizes):,} bytes")

    def pictures_of():
        for theme in ["light", "dark"]:
            for name, size in [("desktop", {"width": 1100, "height": 680}), ("phone", PHONE)]:
                ada = visitor(link_of(server.url, ADA), color_scheme=theme)
                ada.page.set_viewport_size(size)
                paths = {"jobs": "", "job": f"/jobs/{made['image']['job_id']}"}
                # The list in all four combinations, and one picture of a job.
                for page, path in paths.items():
                    if page == "job" and (name, theme) != ("desktop", "dark"):
                        continue
                    ada.page.goto(f"{server.url}/gallery{path}")
                    ada.page.wait_for_load_state("networkidle")
                    ada.page.screenshot(path=str(pictures / f"gallery-{page}-{name}-{theme}.png"))

    def large():
        count = 10_000 if quick else 100_000
        own = folder / "many"
        more = {**settings, "MINIMAX_DATA_DIR": str(own), "MINIMAX_MCP_BASE_PATH": str(folder / "many-results")}
        subprocess.run([program, "call", "text_to_image", "prompt=The first"], check=True, capture_output=True,
                       env={**os.environ, **more})
        many_jobs(own, count)
        owner = Owner(program, more)
        try:
            someone = visitor(owner.link)
            for what, path in [("first page", ""), ("first page again", ""), ("search", "?q=number+77"), ("one kind", "?kind=music"),
                               ("oldest first", "?sort=oldest"), ("by price", "?sort=price"), ("by length", "?sort=length"),
                               ("by size", "?sort=size"), ("music by size", "?kind=music&sort=size"), ("nothing fits", "?q=no+such+job"), ("rare state", "?state=failed")]:
                start = time.monotonic()
                someone.page.goto(f"{owner.url}/gallery{path}", wait_until="domcontentloaded")
                ready = time.monotonic() - start
                paint = someone.page.evaluate(
                    "new Promise((done) => requestAnimationFrame(() => setTimeout(() => done("
                    "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? -1), 50)))"
                )
                print(f"        {count:,} jobs, {what}: {ready * 1000:.0f} ms, first paint {paint:.0f} ms")
                holds(ready < 5, f"{what} took {ready:.1f} s")
            someone.page.goto(f"{owner.url}/gallery")
            same(someone.page.locator("article").count(), 60, "jobs on a page")
            for _ in range(5):
                someone.page.get_by_role("link", name="Next page").click()
            same(someone.page.locator("article").count(), 60, "jobs on the sixth page")
            print(f"        the program holds {owner.memory()} MiB")
        finally:
            owner.stop()

    try:
        make("image", "text_to_image", {"prompt": "An observatory above the clouds, oil on canvas", "aspect_ratio": "16:9", "n": 2})
        make("speech", "text_to_audio", {"text": "Good evening. The night is clear, and the stars are out.", "subtitles": "srt"})
        make("music", "music_generation", {"prompt": "Calm piano", "lyrics": "[Verse]\nThe night is clear"})
        check("a link opens the gallery once", opens_once)
        check("a token logs in, and two principals see nothing of each other", with_a_token)
        check("a running job ends by itself on the page", running)
        if pictures:
            check("pictures", pictures_of)
        make("attack", "text_to_image", {"prompt": ATTACK})
        make("chat", "chat", {"prompt": f"Say something. {ATTACK}"})
        check("sound and video play, and subtitles are shown", players)
        check("search, filters, language and keyboard", searching)
        check("make again shows a price and buys", again)
        check("deleting asks first", deleting)
        check("prompts, names and answers stay text", attacks)
        check("another site can neither frame nor act", other_sites)
        check("axe-core finds nothing serious", for_everybody)
        check("bytes and requests", weight)
        check("a large store", large)
    finally:
        chrome.close()
        server.stop()
        sandbox.stop()
    return ended()


def main():
    parser = options_of(__doc__, "where Playwright is installed; a temporary folder by default",
                        "with 10,000 jobs in place of 100,000", pictures=True)
    parser.add_argument("--inside", nargs=2, metavar=("CHROMIUM", "AXE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        from playwright.sync_api import sync_playwright

        plain()
        browser, axe = arguments.inside
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch, sync_playwright() as playwright:
            return play_all(playwright, arguments.program, browser, Path(axe).read_text(), Path(scratch).resolve(),
                            arguments.quick, arguments.pictures)

    def play(program, browser, packages, _):
        python, (_, modules) = packages
        # This script again, with the Python that has Playwright.
        command = [python, "-B", __file__, program, "--inside", browser, modules / "node_modules/axe-core/axe.min.js"]
        command += ["--quick"] if arguments.quick else []
        command += ["--pictures", arguments.pictures] if arguments.pictures else []
        return subprocess.run([str(word) for word in command]).returncode

    return in_browser(arguments, lambda places: (places.python([PLAYWRIGHT]), places.node([AXE])), play)


if __name__ == "__main__":
    sys.exit(main())
