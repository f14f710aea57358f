#!/usr/bin/env python3
"""The packages, installed from local files in empty folders and started as a client would start them.

    python3 tests/clients/packages.py [--keep FOLDER] [--quick] [PROGRAM]

Packs PROGRAM (cargo makes it if none is named) for npm and as an MCPB bundle, and builds the wheel with maturin, which
compiles the release profile (`--quick` leaves the wheel out). Then: `npx` from the two tarballs, the bundle's program with the
values of its `user_config`, and the program of the wheel each say their version and answer a handshake. The manifests of the registry and
of the bundle are checked by the schemas and tools of their formats.
It ends with status 1 if something failed, with 3 if npm's or Python's packages cannot be had here.
"""

import sys

sys.dont_write_bytecode = True

import argparse
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from pathlib import Path

from places import NotHad, Places, built, ended_without, plain, quietly
from support import check, ended, holds, same

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "packaging"))
import pack

MCPB = "@anthropic-ai/mcpb@2.1.2"
PLATFORM = "linux-x64"
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "check", "version": "1"}},
}


def answers(command, environment, cwd):
    """Starts a server, shakes hands with it and lists its tools."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, cwd=cwd)
    lines = [INITIALIZE, {"jsonrpc": "2.0", "method": "notifications/initialized"}, {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}]
    try:
        for line in lines:
            process.stdin.write(json.dumps(line).encode() + b"\n")
        process.stdin.flush()
        first, second = (json.loads(process.stdout.readline()) for _ in range(2))
    finally:
        process.stdin.close()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
    same(first["result"]["serverInfo"]["version"], pack.version(), "the version")
    names = [tool["name"] for tool in second["result"]["tools"]]
    holds("text_to_image" in names, names)


def says_its_version(command, environment, cwd):
    done = subprocess.run([*command, "--version"], env=environment, cwd=cwd, capture_output=True, text=True, timeout=60, check=True)
    same(done.stdout.strip(), f"minimax-mcp {pack.version()}", "--version")


def play(program, places, folder, quick):
    node, tools = places.node([MCPB])
    path = os.pathsep.join([str(node.parent), os.environ.get("PATH", "")])
    plain_home = folder / "home"
    plain_home.mkdir()
    environment = {"PATH": path, "HOME": str(plain_home), "MINIMAX_DATA_DIR": str(folder / "data"), "npm_config_offline": "true"}
    npm = [shutil.which("npm", path=path)]
    os.environ["PATH"] = path
    out = folder / "dist"
    out.mkdir()
    mcpb = [str(node), str(tools / "node_modules" / "@anthropic-ai" / "mcpb" / "dist" / "cli" / "cli.js")]
    launcher = pack.launcher(npm, out)
    program_package = pack.platform_package(npm, program, PLATFORM, out)
    empty = folder / "empty"
    empty.mkdir()

    def has_licences(names):
        for name in [*pack.LICENSES, pack.THIRD_PARTY]:
            holds(name in names, f"no {name} beside the program, only {sorted(names)}")

    def licences():
        with tarfile.open(program_package) as archive:
            has_licences([Path(name).name for name in archive.getnames()])
        with zipfile.ZipFile(pack.bundle(mcpb, program, PLATFORM, out)) as archive:
            has_licences([Path(name).name for name in archive.namelist()])

    def npx():
        (empty / "package.json").write_text("{}")
        install = [*npm, "install", "--no-audit", "--no-fund", "--silent", "--offline", str(program_package), str(launcher)]
        quietly(install, 120, cwd=empty, env=environment)
        # Starts what was installed, without the network.
        command = [shutil.which("npx", path=path), "--no-install", "minimax-mcp-server"]
        says_its_version(command, environment, empty)
        answers([*command, "--sandbox"], environment, empty)

    def without_its_platform():
        alone = folder / "alone"
        alone.mkdir()
        (alone / "package.json").write_text("{}")
        quietly([*npm, "install", "--no-audit", "--silent", "--offline", "--omit=optional", str(launcher)], 120, cwd=alone, env=environment)
        command = [shutil.which("npx", path=path), "--no-install", "minimax-mcp-server"]
        done = subprocess.run(command, cwd=alone, env=environment, capture_output=True, text=True, timeout=60)
        same((done.returncode, done.stdout), (1, ""), "the end without a platform package")
        holds(f"minimax-mcp-server-{PLATFORM} is not installed" in done.stderr, done.stderr)

    def one_click():
        packed = pack.bundle(mcpb, program, PLATFORM, out)
        opened = folder / "bundle"
        with zipfile.ZipFile(packed) as archive:
            archive.extractall(opened)
        manifest = json.loads((opened / "manifest.json").read_text(encoding="utf-8"))
        holds(manifest["user_config"]["minimax_api_key"]["sensitive"], "the key is asked for as a secret")
        values = {key: field.get("default", "") for key, field in manifest["user_config"].items()}
        values |= {"minimax_api_key": "sk-api-check", "minimax_mcp_base_path": str(folder / "results")}
        config = manifest["server"]["mcp_config"]

        def filled(text):
            text = text.replace("${__dirname}", str(opened))
            for key, value in values.items():
                text = text.replace(f"${{user_config.{key}}}", value)
            return text

        started = Path(filled(config["command"]))
        started.chmod(0o755)
        with_values = environment | {name: filled(value) for name, value in config["env"].items()}
        answers([str(started), *config["args"]], with_values, empty)

    def registry():
        schema = json.loads((ROOT / "packaging" / "server.json").read_text(encoding="utf-8"))
        for row in schema["packages"]:
            same(row["version"], pack.version(), row["registryType"])
        holds(len(schema["description"]) <= 100, "the registry allows 100 characters")

    def wheel():
        python = places.python(["maturin==1.9.6"])
        build = lambda command, **how: quietly(command, 1500, **how)
        built_wheel = pack.wheel(python, out, build, env={**os.environ, "HOME": os.environ["HOME"]})
        with zipfile.ZipFile(built_wheel) as archive:
            has_licences([Path(name).name for name in archive.namelist()])
        import venv

        venv.create(folder / "venv", with_pip=True)
        scripts = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
        quietly([scripts / "python", "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", built_wheel], 120)
        command = [str(scripts / "minimax-mcp")]
        says_its_version(command, environment, empty)
        answers([*command, "--sandbox"], environment, empty)

    check("npm: installed from two tarballs, started by npx", npx)
    check("npm: a missing platform package is explained", without_its_platform)
    check("MCPB: validated, packed, and started with its values", one_click)
    check("npm and MCPB: the licence texts of all that is in the program", licences)
    check("registry: versions and lengths", registry)
    if not quick:
        check("PyPI: the wheel holds the program", wheel)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--keep")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("program", nargs="?")
    asked = parser.parse_args()
    plain()
    if not sys.platform.startswith("linux"):
        return ended_without("the packages are packed for Linux here")
    with tempfile.TemporaryDirectory() as place:
        places = Places(asked.keep or f"{place}/clients")
        try:
            play(asked.program or built(), places, Path(place), asked.quick)
        except NotHad as problem:
            return ended_without(problem)
    return ended()


if __name__ == "__main__":
    sys.exit(main())
