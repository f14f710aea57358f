#!/usr/bin/env python3
"""The first hour on a machine without Rust: from a package to a picture in the chat.

    python3 tests/clients/first_hour.py [--keep FOLDER] [--wheel FILE]

Builds the wheel with maturin (`--wheel` takes one that exists), packs the same program for npm, and plays a new user with
each: install from the local file in an empty folder, `doctor`, `login`, `setup` for Claude Code and Codex, `doctor` again,
a picture through the real `claude` and `codex`, and `setup --remove`. PATH has neither cargo nor rustc, and HOME is empty.
The sandbox of the program stands in for MiniMax, and a server on this machine for the models of the two clients.
It ends with status 1 if a check failed, with 3 if a package cannot be had here. Nothing is paid for.
"""

import sys

sys.dont_write_bytecode = True

import argparse
import json
import os
import shutil
import subprocess
import tempfile
import venv
import zipfile
from functools import partial
from pathlib import Path

from hosts import PACKAGES, PATIENCE, SERVER, TOOL, Project, StandIn
from packages import PLATFORM, ROOT, pack
from places import NotHad, Places, ended_without, plain, quietly
from support import Sandbox, check, ended, holds, same

KEY = "sk-api-0123456789abcdefghijWXYZ"


class User:
    """A new user with an empty home folder, a project, and one way to start the program."""

    def __init__(self, folder, path, command):
        self.project = Project(folder, {})
        self.path, self.command = path, command

    def run(self, command, typed="", **more):
        done = subprocess.run(
            [str(word) for word in command],
            cwd=self.project.app,
            env=self.project.environment({"PATH": self.path, "npm_config_offline": "true", **more}),
            input=typed,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
        )
        return done.returncode, done.stdout

    def ours(self, *words, typed="", **more):
        code, said = self.run([*self.command, *words], typed, **more)
        print(f"\n$ minimax-mcp {' '.join(words)}   (exit status {code})\n{said.rstrip()}", flush=True)
        holds(KEY not in said, "the key was shown")
        return code, said

    def file(self, name):
        return self.project.home / name


def without_rust(*folders):
    """A PATH with these folders and the system's own, without a Rust toolchain."""
    path = os.pathsep.join([*map(str, folders), "/usr/bin", "/bin"])
    for name in ["cargo", "rustc", "rustup"]:
        holds(shutil.which(name, path=path) is None, f"{name} is on PATH")
    return path


def from_npm(node, program, folder):
    """Installs the two tarballs. Returns the line that starts the program."""
    path = without_rust(node.parent)
    npm, out, empty = [shutil.which("npm", path=path)], folder / "dist", folder / "empty"
    out.mkdir()
    empty.mkdir()
    (empty / "package.json").write_text("{}")
    # npm is a script that finds node on PATH.
    os.environ["PATH"] = os.pathsep.join([str(node.parent), os.environ.get("PATH", "")])
    tarballs = [pack.platform_package(npm, program, PLATFORM, out), pack.launcher(npm, out)]
    home = folder / "npm-home"
    home.mkdir()
    environment = {"PATH": path, "HOME": str(home), "npm_config_offline": "true"}
    quietly([*npm, "install", "--no-audit", "--no-fund", "--silent", *tarballs], 120, cwd=empty, env=environment)
    return path, [empty / "node_modules" / ".bin" / "minimax-mcp-server"]


def from_wheel(node, wheel, folder):
    venv.create(folder / "venv", with_pip=True)
    scripts = folder / "venv" / "bin"
    quietly([scripts / "python", "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", wheel], 120)
    # The clients are Node programs.
    return without_rust(scripts, node.parent), [scripts / "minimax-mcp"]


def play(user, sandbox, clients):
    """The steps, in order. `clients` is the folder with `claude` and `codex`."""
    at = {"MINIMAX_API_HOST": sandbox.url}
    same(user.ours("--version")[1].strip(), f"minimax-mcp {pack.version()}", "--version")
    code, said = user.ours("doctor", **at)
    holds(code == 1 and "no MiniMax API key is set" in said and "minimax-mcp login" in said, "the first doctor")
    code, said = user.ours("login", typed=KEY + "\n", **at)
    holds(code == 0 and "Stored a key" in said, "login")

    # Codex already has a configuration, for the stand-in of its model.
    model = StandIn({})
    config = user.file(".codex/config.toml")
    config.parent.mkdir()
    before = f"""# mine
model = "stand-in"
model_provider = "here"

[model_providers.here]
name = "here"
base_url = "{model.url}/v1"
wire_api = "responses"
env_key = "HERE_KEY"
"""
    config.write_text(before)
    code, _ = user.ours("setup", "claude-code", "codex", "--yes")
    same(code, 0, "the status of setup")
    for host, words in [("claude", "Connected"), ("codex", "enabled")]:
        _, listed = user.run([clients / host, "mcp", "list"])
        rows = [row for row in listed.splitlines() if SERVER in row]
        print(f"\n$ {host} mcp list\n" + "\n".join(rows), flush=True)
        holds(any(words in row for row in rows), f"{host} mcp list: {listed}")

    # Only in this test: the entries use the sandbox instead of MiniMax.
    claude_file = user.file(".claude.json")
    whole = json.loads(claude_file.read_text())
    whole["mcpServers"][SERVER]["env"] |= at
    claude_file.write_text(json.dumps(whole, indent=2))
    dot = 'MINIMAX_ALLOWED_DIRS = "."'
    holds(dot in config.read_text(), config.read_text())
    config.write_text(config.read_text().replace(dot, f'{dot}, MINIMAX_API_HOST = "{sandbox.url}"'))
    code, said = user.ours("doctor", **at)
    holds(code == 0 and said.count("starts the server in") == 2, "the doctor after setup")

    for host in ["claude", "codex"]:
        model.results.clear()
        model.arguments = {"prompt": f"A red fox, for {host}", "output_directory": str(user.project.app / "assets")}
        made = set(user.project.made())
        words, more = HOSTS[host](clients, model)
        _, said = user.run(words, **more)
        holds(model.results, f"{host} did not call the tool: {said}")
        new = set(user.project.made()) - made
        print(f"\n{host} made {new}", flush=True)
        same(len(new), 1, f"pictures of {host}: {model.results[-1]}")
    model.stop()

    code, _ = user.ours("setup", "claude-code", "codex", "--remove", "--yes")
    left = config.read_text()
    # Codex adds what it learned about the project.
    holds(code == 0 and left.startswith(before) and SERVER not in left, f"Codex's file after --remove: {left}")
    holds(SERVER not in json.loads(claude_file.read_text()).get("mcpServers", {}), claude_file.read_text())
    same(user.ours("logout")[0], 0, "the status of logout")


# The first request lists the tools, instead of a tool that searches them.
CLAUDE = {
    "ANTHROPIC_API_KEY": "sk-ant-check",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
    "ENABLE_TOOL_SEARCH": "false",
}


def claude(clients, model):
    words = [clients / "claude", "-p", "Make it.", "--allowedTools", f"mcp__{SERVER}__{TOOL}"]
    return words, CLAUDE | {"ANTHROPIC_BASE_URL": model.url}


def codex(clients, model):
    words = [clients / "codex", "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "Make it."]
    return words, {"HERE_KEY": "sk-check"}


HOSTS = {"claude": claude, "codex": codex}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", help="keep the packages here")
    parser.add_argument("--wheel", help="the wheel, if it is built already")
    asked = parser.parse_args()
    plain()
    if not sys.platform.startswith("linux"):
        return ended_without("the packages are packed for Linux here")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        folder = Path(scratch).resolve()
        places = Places(Path(asked.keep or folder / "clients").resolve())
        try:
            node, home = places.node(PACKAGES)
            wheel = Path(asked.wheel).resolve() if asked.wheel else built_wheel(places, folder / "built")
        except NotHad as problem:
            return ended_without(problem)
        program = folder / "minimax-mcp"
        with zipfile.ZipFile(wheel) as archive:
            (name,) = [name for name in archive.namelist() if name.endswith("/scripts/minimax-mcp")]
            program.write_bytes(archive.read(name))
        program.chmod(0o755)
        sandbox = Sandbox(str(program))
        ways = [("npm", from_npm, program), ("wheel", from_wheel, wheel)]
        for way, install, package in ways:
            print(f"\n===== {way}", flush=True)
            check(f"{way}: from the package to a picture in claude and codex", partial(hour, way, install, package, node, home, sandbox, folder))
        sandbox.stop()
    return ended()


def hour(way, install, package, node, home, sandbox, folder):
    place = folder / way
    place.mkdir()
    path, command = install(node, package, place)
    play(User(place, path, command), sandbox, home / "node_modules" / ".bin")


def built_wheel(places, out):
    python = places.python(["maturin==1.9.6"])
    return pack.wheel(python, out, lambda command, **how: quietly(command, 3000, **how), env=dict(os.environ))


if __name__ == "__main__":
    sys.exit(main())
