"""Versions of the models for checks of live updates, and the few requests that manage them."""

import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from foretaste.settings import Settings

SLOW_S = 0.7
"""How long the slow model thinks: longer than its stage may take."""
_SLOW_MODEL = f'''
"""A model that is right and slow."""
import time
from foretaste.models.baselines.popular import Popular

class Slow(Popular):
    name = "bench_slow"

    def _scores(self, *arguments, **named):
        time.sleep({SLOW_S})
        return super()._scores(*arguments, **named)

    def recommend(self, *arguments, **named):
        time.sleep({SLOW_S})
        return super().recommend(*arguments, **named)
'''


def slow_model(folder: Path) -> Path:
    """A folder that brings the model ``bench_slow`` through an entry point when it is on ``PYTHONPATH``."""
    info = folder / "foretaste_bench_slow-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "foretaste_bench_slow.py").write_text(_SLOW_MODEL, encoding="utf-8")
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: foretaste-bench-slow\nVersion: 1.0\n", encoding="utf-8"
    )
    (info / "entry_points.txt").write_text(
        "[foretaste.models]\nbench_slow = foretaste_bench_slow:Slow\n", encoding="utf-8"
    )
    return folder


def pipeline_text(source: str, kind: str) -> str:
    """A pipeline whose lists come from one model, called ``source``, as TOML."""
    return (
        f'name = "{source}"\n[models.{source}]\nkind = "{kind}"\n[models.popular]\nkind = "popular"\n'
        f'[[sources]]\nmodel = "{source}"\nk = 50\n[fallback]\nchain = ["popular"]\n'
    )


def train_version(settings: Settings, source: str, kind: str = "item_knn", *, path: Sequence[Path] = ()) -> str:
    """Train and publish, but do not promote, such a version in a process of its own; returns its id."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "pipeline.toml")
        file.write_text(pipeline_text(source, kind), encoding="utf-8")
        command = [sys.executable, "-c", "from foretaste.cli import main; main()", "train", "--no-promote", "--json"]
        command += ["--home", str(settings.foretaste_home), "--pipeline", str(file)]
        done = subprocess.run(command, env=with_path(path), capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        raise RuntimeError(f"training failed: {done.stderr[-500:]}")
    version: str = json.loads(done.stdout)["version"]
    return version


def with_path(path: Sequence[Path]) -> dict[str, str]:
    """The environment with folders in front of ``PYTHONPATH``."""
    parts = [str(folder) for folder in path] + [os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, parts))}


def tell(url: str, path: str, body: Mapping[str, Any] | None = None, *, method: str = "POST") -> Any:
    """Ask the management API; the decoded answer."""
    data = json.dumps(body).encode() if body is not None else b"" if method == "POST" else None
    request = urllib.request.Request(f"{url}{path}", data, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def rollout(url: str) -> dict[str, Any]:
    """Where the rollout stands."""
    found: dict[str, Any] = tell(url, "/api/v1/models/status", method="GET")
    return found
