#!/usr/bin/env python3
"""This server beside three others, measured in one run.

    cargo build --release && python3 bench/peers.py

Installs the official Python server, the official JavaScript server and hoobnn's server from PyPI and npm, in the versions below;
runs each of them and the release build against the same stand-in for MiniMax (`fake_minimax.py`), in turn, ten times; and writes
docs/benchmarks.json (every value), docs/benchmarks.md, docs/benchmarks.svg and the lines of both READMEs that name ratios.

It takes about seven minutes. Needs Linux, Python 3.10 with venv, Node.js 20 with npm, and the registries, or `--keep` with a
folder of an earlier run. Nothing is billed, and no key is read.
"""

import argparse
import datetime
import http.client
import json
import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.parse
import urllib.request

import page
from stdio_client import Child, Failed, checked

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Name in the results, installer, package, version.
PEERS = {
    "python": ("pip", "minimax-mcp", "0.0.19"),
    "javascript": ("npm", "minimax-mcp-js", "0.0.18"),
    "hoobnn": ("pip", "hoobnn-minimax-mcp", "0.3.0"),
}
SPEECH_CALLS, IMAGES, IMAGE_SECONDS, LINKS, LINK_SECONDS, CANCEL_SECONDS = 100, 16, 1.0, 9, 0.5, 22
CERTIFICATE = """
import datetime, ipaddress, sys
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.timezone.utc)
name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
made = made.serial_number(x509.random_serial_number()).add_extension(names, False)
made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
made = made.not_valid_before(now - datetime.timedelta(1)).not_valid_after(now + datetime.timedelta(30)).sign(key, hashes.SHA256())
open(sys.argv[1], "wb").write(made.public_bytes(serialization.Encoding.PEM))
form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
open(sys.argv[2], "wb").write(key.private_bytes(*form))
"""


def install(folder):
    """Installs the peers that are missing. Returns the command of each."""
    commands = {}
    for name, (tool, package, version) in PEERS.items():
        place, stamp = folder / name, folder / name / f"{package}-{version}.installed"
        if not stamp.exists():
            print(f"installing {package} {version}", flush=True)
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
            if tool == "pip":
                subprocess.run([sys.executable, "-m", "venv", place], check=True)
                quiet = ["--quiet", "--disable-pip-version-check", f"{package}=={version}"]
                subprocess.run([place / "bin/python", "-m", "pip", "install", *quiet], check=True, timeout=600)
            else:
                (place / "package.json").write_text("{}")
                quiet = ["--silent", "--no-audit", "--no-fund", f"{package}@{version}"]
                subprocess.run(["npm", "install", "--prefix", place, *quiet], check=True, timeout=600)
            stamp.touch()
        if tool == "pip":
            commands[name] = [str(place / "bin" / package)]
        else:
            commands[name] = [shutil.which("node"), str(place / "node_modules" / package / "build/index.js")]
    return commands


class Bench:
    """The servers, the stand-in, and the values measured so far: what → server → one value a run."""

    def __init__(self, options, folder):
        self.options, self.folder, self.values, self.reasons = options, folder, {}, {}
        kept = pathlib.Path(options.keep).resolve() if options.keep else folder / "installed"
        self.commands = {"this": [str(pathlib.Path(options.program).resolve())], **install(kept)}
        if options.only:
            self.commands = {name: self.commands[name] for name in ("this", *PEERS) if name in options.only}
        self.certificate, key = folder / "certificate.pem", folder / "key.pem"
        subprocess.run([kept / "hoobnn/bin/python", "-c", CERTIFICATE, self.certificate, key], check=True)
        self.fake = subprocess.Popen(
            [sys.executable, ROOT / "bench/fake_minimax.py", self.certificate, key], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self.addresses = json.loads(self.fake.stdout.readline())

    def control(self, **settings):
        """Sets the pace of the stand-in and forgets its counts."""
        data = json.dumps({"answer_seconds": 0, "link_seconds": 0, "task_seconds": 0, **settings}).encode()
        urllib.request.urlopen(self.addresses["http"] + "/control", data=data).close()

    def told(self, what):
        """What the stand-in knows about the tasks: their ids (`tasks`), or the times at which each was polled (`looks`)."""
        with urllib.request.urlopen(self.addresses["http"] + "/control") as answer:
            return json.load(answer)[what]

    def child(self, name, **more):
        """A server with a home folder of its own. It is configured to save files, and has defaults otherwise."""
        home = pathlib.Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.folder))
        out = home / "out"
        out.mkdir()
        environment = {
            "HOME": str(home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "MINIMAX_API_KEY": "bench",
            "MINIMAX_API_HOST": self.addresses["https" if name == "hoobnn" else "http"],
            "MINIMAX_MCP_BASE_PATH": str(out), "MINIMAX_API_RESOURCE_MODE": "local", "MINIMAX_RESOURCE_MODE": "local",
            "MINIMAX_OUT_DIR": str(out), "MINIMAX_JOB_DIR": str(home / "jobs"), "SSL_CERT_FILE": str(self.certificate),
        }
        if name == "this":
            # With rate limits the measurement would show MiniMax's limits; the other servers keep none.
            environment.update(MINIMAX_DATA_DIR=str(home / "data"), MINIMAX_RATE_LIMITS="false", **more)
            del environment["MINIMAX_RESOURCE_MODE"], environment["SSL_CERT_FILE"]
        child = Child(self.commands[name], environment, str(home))
        child.out = out
        return child

    def note(self, name, **values):
        for what, value in values.items():
            self.values.setdefault(what, {}).setdefault(name, []).append(round(value, 4))

    def attempt(self, name, what, measure):
        """Measures one thing. A server that cannot do it has no value, and the page says why."""
        try:
            measure(name)
        except (Failed, OSError, KeyError, ValueError) as error:
            # Without folder names of this machine, because the text goes into a page.
            self.reasons.setdefault(what, {})[name] = re.sub(r"/[^\s:'\"]+", "…", str(error))[:200]
            print(f"  {name}: {what}: {error}", file=sys.stderr)
            if self.options.verbose:
                traceback.print_exc()

    # The measurements, each with new processes.

    def start_and_calls(self, name):
        self.control()
        with self.child(name) as child:
            started = child.initialize()
            listing, took = child.request("tools/list", {})
            tools = listing["tools"]
            while listing.get("nextCursor"):
                listing, more = child.request("tools/list", {"cursor": listing["nextCursor"]})
                tools, took = tools + listing["tools"], took + more
            listed = child.memory()
            size = len(json.dumps({"tools": tools}, ensure_ascii=False, separators=(",", ":")).encode())
            self.note(name, start_ms=started * 1000, list_ms=took * 1000, rss_list=listed[0], pss_list=listed[1])
            self.note(name, list_bytes=size, list_bytes_a_tool=size / len(tools), tools=len(tools))
            took = [child.call("text_to_audio", {"text": f"A fox in the snow, {n}."})[1] for n in range(SPEECH_CALLS)]
            after = child.memory()
            files = len({path.read_bytes() for path in child.out.rglob("*.mp3")})
            if not files:
                raise Failed("no speech was saved")
            # The first calls open connections and load code.
            self.note(name, speech_ms=statistics.median(took[5:]) * 1000, rss_100=after[0], pss_100=after[1])

    def direct(self, _):
        """The same without a server: the request, the hex decoded, the file."""
        self.control()
        address, took = urllib.parse.urlsplit(self.addresses["http"]), []
        connection = http.client.HTTPConnection(address.hostname, address.port)
        body = json.dumps({"model": "speech-2.8-hd", "text": "A fox in the snow.", "voice_setting": {"voice_id": "v"}})
        for number in range(SPEECH_CALLS):
            begun = time.perf_counter()
            connection.request("POST", "/v1/t2a_v2", body, {"Content-Type": "application/json"})
            answer = json.load(connection.getresponse())
            (self.folder / f"direct-{number}.mp3").write_bytes(bytes.fromhex(answer["data"]["audio"]))
            took.append(time.perf_counter() - begun)
        connection.close()
        self.note("direct", speech_ms=statistics.median(took[5:]) * 1000)

    def images(self, name):
        """Many calls at once, and one call with many links."""
        with self.child(name) as child:
            child.initialize()
            self.control(answer_seconds=IMAGE_SECONDS)
            begun, ends = time.perf_counter(), []
            calls = [
                child.begin("tools/call", {"name": "text_to_image", "arguments": {"prompt": f"Fox {n}"}}) for n in range(IMAGES)
            ]
            for call in calls:
                result, at = child.end(call)
                checked(result)
                ends.append(at)
            self.note(name, images_s=max(ends) - begun)
            self.control(link_seconds=LINK_SECONDS)
            before = pictures(child.out)
            _, took = child.call("text_to_image", {"prompt": "A fox", "n": LINKS})
            saved = len(pictures(child.out) - before)
            if saved != LINKS:
                raise Failed(f"{saved} of {LINKS} images were saved")
            self.note(name, links_s=took)

    def film(self, name):
        self.control()
        # This server polls a task after some seconds, the others at once.
        with self.child(name, MINIMAX_POLL_SECONDS="0.5") as child:
            child.initialize()
            child.request("tools/list", {})
            before = child.memory()
            child.call("generate_video", {"prompt": "A fox", **waiting(name)})
            rss, pss, peak = child.memory()
            films = [path for path in child.out.rglob("*.mp4") if path.stat().st_size == 200_000_000]
            if len(films) != 1:
                raise Failed("the video was not saved")
            self.note(name, rss_film=rss, pss_film=pss, peak_film=peak, growth_film=peak - before[0])
        shutil.rmtree(child.out)

    def cancel(self):
        """How often a task is polled after its call was cancelled. All servers wait at the same time."""
        self.control(task_seconds=3600)
        children, cancelled = [], {}

        def begin(name):
            known = set(self.told("tasks"))
            children.append(child := self.child(name))
            child.initialize()
            call = {"name": "generate_video", "arguments": {"prompt": "A fox", **waiting(name)}}
            number, tasks, limit = child.begin("tools/call", call), set(), time.monotonic() + 10
            while not tasks and time.monotonic() < limit:
                child.listen(0.1)
                tasks = set(self.told("tasks")) - known
            if len(tasks) != 1:
                raise Failed("no task was begun")
            child.listen(1.0)
            child.notify("notifications/cancelled", {"requestId": number, "reason": "bench"})
            cancelled[name] = (tasks.pop(), time.monotonic() + 0.5)

        for name in self.commands:
            self.attempt(name, "cancel_looks", begin)
        time.sleep(CANCEL_SECONDS + 1)
        looks = self.told("looks")
        for name, (task, since) in cancelled.items():
            self.note(name, cancel_looks=sum(since < at < since + CANCEL_SECONDS for at in looks.get(task, [])))
        for child in children:
            child.close()

    def cancel_image(self, name):
        """Whether a paid image is saved although its call was cancelled."""
        self.control(answer_seconds=1.0)
        with self.child(name) as child:
            child.initialize()
            number = child.begin("tools/call", {"name": "text_to_image", "arguments": {"prompt": "A fox"}})
            child.listen(0.7)
            child.notify("notifications/cancelled", {"requestId": number, "reason": "bench"})
            child.listen(1.5)
            self.note(name, cancel_saved=len(pictures(child.out)))

    def run(self):
        plan = [("start", self.start_and_calls), ("images", self.images), ("film", self.film)]
        for number in range(self.options.runs + 1):
            begun = time.monotonic()
            # The first run fills caches, such as those of the disk and of compiled Python code. It is short and not counted.
            for what, measure in plan[:1] if number == 0 else plan:
                for name in rotated(list(self.commands), number):
                    self.attempt(name, what, measure)
                if what == "start":
                    self.direct(None)
            if number == 0:
                self.values.clear()
                self.reasons.clear()
            print(f"run {number} of {self.options.runs}: {time.monotonic() - begun:.0f} s", flush=True)
        self.cancel()
        for name in self.commands:
            self.attempt(name, "cancel_saved", self.cancel_image)

    def close(self):
        self.fake.stdin.close()
        self.fake.wait(10)


def pictures(folder):
    return {path for path in folder.rglob("*") if path.suffix in (".jpg", ".jpeg", ".png")}


def rotated(names, number):
    """Rotates the order, so that each server is the first one equally often."""
    number %= len(names)
    return names[number:] + names[:number]


def waiting(name):
    """The arguments that make a server wait for its video."""
    return {
        "this": {"model": "MiniMax-Hailuo-2.3", "wait_seconds": 50},
        "javascript": {"model": "MiniMax-Hailuo-02"},
        "hoobnn": {"model": "MiniMax-H3", "wait": 60},
    }.get(name, {})


def machine(folder):
    """The machine that the figures depend on, without its name."""
    memory = int(open("/proc/meminfo").readline().split()[1]) / 2**20
    kind = subprocess.run(["stat", "-f", "-c", "%T", folder], capture_output=True, text=True).stdout.strip()
    syncs = []
    for _ in range(30):
        begun = time.perf_counter()
        with open(folder / "sync", "wb") as file:
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
        syncs.append(time.perf_counter() - begun)
    release = ".".join(platform.release().split(".")[:2])
    return {
        "cores": os.cpu_count(), "memory_gib": round(memory), "kernel": f"Linux {release}", "architecture": platform.machine(),
        "file_system": kind, "sync_ms": round(statistics.median(syncs) * 1000, 2), "python": platform.python_version(),
        "node": subprocess.run(["node", "--version"], capture_output=True, text=True).stdout.strip().lstrip("v"),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=str(ROOT / "target/release/minimax-mcp"))
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--only", nargs="+", choices=["this", *PEERS], help="these servers; the pages are then not written")
    parser.add_argument("--keep", help="a folder in which the installed servers stay for the next run")
    parser.add_argument("--pages", action="store_true", help="measure nothing: write the pages from docs/benchmarks.json again")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    if options.pages:
        return page.write(ROOT, page.read(ROOT))
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="bench-", dir=os.environ.get("BENCH_DIR")) as folder:
        folder = pathlib.Path(folder)
        bench = Bench(options, folder)
        try:
            bench.run()
        finally:
            bench.close()
        where = machine(folder)
    version = subprocess.run([options.program, "--version"], capture_output=True, text=True).stdout.split()[1]
    results = {
        "measured": datetime.date.today().isoformat(), "runs": options.runs, "machine": where,
        "versions": {"this": version, **{name: version for name, (_, _, version) in PEERS.items()}},
        "values": bench.values, "reasons": bench.reasons,
    }
    print(f"measured in {time.monotonic() - begun:.0f} s")
    if options.only:
        print(json.dumps(bench.values, indent=1))
        return
    page.write(ROOT, {**page.read(ROOT), **results})


if __name__ == "__main__":
    main()
