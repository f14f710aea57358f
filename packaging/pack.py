#!/usr/bin/env python3
"""Packs a built program for npm and as an MCPB bundle, and builds the wheel.

    python3 packaging/pack.py PROGRAM [--platform linux-x64] [--out dist] [--mcpb COMMAND] [--wheel PYTHON]

Makes the launcher package, the package of one platform, and, if `mcpb` (npm: @anthropic-ai/mcpb) is there, the bundle.
`--wheel` names a Python that has maturin; the wheel compiles the release profile. Needs Python 3.10 and npm. `OWNER` in the manifests becomes the owner of
`GITHUB_REPOSITORY`, if that is set.
"""

import argparse
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
LICENSES = ["LICENSE-MIT", "LICENSE-APACHE"]
# Goes with the program, which contains the libraries.
THIRD_PARTY = "THIRD-PARTY.md"


def source():
    return json.loads((HERE / "source.json").read_text(encoding="utf-8"))


def version():
    return json.loads((HERE / "npm" / "package.json").read_text(encoding="utf-8"))["version"]


def owned(text):
    """The text with the owner of the repository that this runs in."""
    owner = os.environ.get("GITHUB_REPOSITORY", "").split("/")[0]
    return text.replace("OWNER/", f"{owner}/") if owner else text


def with_licenses(folder, *more):
    for name in [*LICENSES, *more]:
        shutil.copy(ROOT / name, folder / name)


def npm_pack(npm, folder, out):
    done = subprocess.run([*npm, "pack", "--silent", "--pack-destination", str(out)], cwd=folder, check=True, capture_output=True, text=True)
    return out / done.stdout.strip().splitlines()[-1]


def launcher(npm, out):
    """The npm package that people name."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "package"
        shutil.copytree(HERE / "npm", folder)
        file = folder / "package.json"
        file.write_text(owned(file.read_text(encoding="utf-8")), encoding="utf-8")
        page = (ROOT / "README.md").read_text(encoding="utf-8")
        (folder / "README.md").write_text(owned(page), encoding="utf-8")
        with_licenses(folder)
        return npm_pack(npm, folder, out)


def platform_package(npm, program, platform, out):
    """The npm package with the program for one platform."""
    row = next(row for row in source()["platforms"] if row["node"] == platform)
    name = f"{source()['package']}-{platform}"
    manifest = {
        "name": name,
        "version": version(),
        "description": f"The program of {source()['package']} for {platform}",
        "license": "MIT OR Apache-2.0",
        "os": [row["os"]],
        "cpu": [row["cpu"]],
        **({"libc": [row["libc"]]} if "libc" in row else {}),
        "files": ["bin", *LICENSES, THIRD_PARTY],
        "preferUnplugged": True,
    }
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "package"
        (folder / "bin").mkdir(parents=True)
        file = folder / "bin" / f"minimax-mcp{'.exe' if row['os'] == 'win32' else ''}"
        shutil.copy(program, file)
        file.chmod(0o755)
        (folder / "package.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        with_licenses(folder, THIRD_PARTY)
        return npm_pack(npm, folder, out)


def bundle(mcpb, program, platform, out):
    """The MCPB bundle, checked and packed by the format's own tool."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "bundle"
        (folder / "server").mkdir(parents=True)
        file = folder / "server" / f"minimax-mcp{'.exe' if platform.startswith('win32') else ''}"
        shutil.copy(program, file)
        file.chmod(0o755)
        manifest = owned((HERE / "mcpb" / "manifest.json").read_text(encoding="utf-8"))
        (folder / "manifest.json").write_text(manifest, encoding="utf-8")
        with_licenses(folder, THIRD_PARTY)
        packed = out / f"minimax-mcp-{version()}-{platform}.mcpb"
        subprocess.run([*mcpb, "validate", str(folder / "manifest.json")], check=True, capture_output=True, text=True)
        subprocess.run([*mcpb, "pack", str(folder), str(packed)], check=True, capture_output=True, text=True)
        return packed


def wheel(python, out, quietly=subprocess.check_call, **how):
    """The wheel. maturin puts only those licence texts into it that are beside the project."""
    project = HERE / "python"
    texts = [project / name for name in [*LICENSES, THIRD_PARTY]]
    with_licenses(project, THIRD_PARTY)
    try:
        command = [python, "-m", "maturin", "build", "--release", "--locked", "--out", out, "--target-dir", ROOT / "target"]
        quietly([str(word) for word in command], cwd=project, **how)
    finally:
        for text in texts:
            text.unlink()
    (made,) = Path(out).glob("*.whl")
    return made


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--platform", default="linux-x64", choices=[row["node"] for row in source()["platforms"]])
    parser.add_argument("--out", default="dist")
    parser.add_argument("--mcpb", default=shutil.which("mcpb"))
    parser.add_argument("--wheel", metavar="PYTHON")
    asked = parser.parse_args()
    out = Path(asked.out).resolve()
    out.mkdir(parents=True, exist_ok=True)
    npm = [shutil.which("npm") or "npm"]
    print(launcher(npm, out))
    print(platform_package(npm, asked.program, asked.platform, out))
    if asked.mcpb:
        print(bundle([asked.mcpb], asked.program, asked.platform, out))
    if asked.wheel:
        print(wheel(asked.wheel, out))


if __name__ == "__main__":
    main()
