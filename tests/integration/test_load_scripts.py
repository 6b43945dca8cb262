"""The load scripts run against a real server and print one table."""

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from foretaste.api.server import background_server

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]
USERS = "".join(f"u-{n:03}\n" for n in range(20))


def need(is_there, what):
    if not is_there and os.environ.get("CI"):
        pytest.fail(f"{what} is missing")
    if not is_there:
        pytest.skip(f"install {what} to run this")


@pytest.fixture(scope="module")
def rows(trained_home, tmp_path_factory):
    from foretaste.settings import load_settings

    need(shutil.which("wrk") or shutil.which("locust"), "wrk (apt-get install wrk)")
    home = shutil.copytree(trained_home, tmp_path_factory.mktemp("load") / "home")
    users = home / "users.txt"
    users.write_text(USERS)
    with background_server(load_settings(foretaste_home=home, api_port=0, log_level="warning")) as server:
        command = [sys.executable, "-m", "tests.load", server.url, "--seconds", "2", "--users", "4", "--json"]
        command += ["--user-ids", str(users)]
        done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr + done.stdout
    return {row["script"]: row for row in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize("script", ["cached.lua", "mixed.lua"])
def test_a_wrk_script_runs_without_a_failed_request(rows, script):
    need(shutil.which("wrk"), "wrk (apt-get install wrk)")
    assert rows[script]["errors"] == 0
    assert rows[script]["requests_per_s"] > 0
    assert rows[script]["p50_ms"] <= rows[script]["p95_ms"] <= rows[script]["p99_ms"]


def test_the_locust_file_runs_without_a_failed_request(rows):
    need(find_spec("locust") or shutil.which("locust"), "locust (pip install 'foretaste[load]')")
    assert rows["locustfile.py"]["errors"] == 0
    assert rows["locustfile.py"]["requests_per_s"] > 0


def test_a_server_that_is_not_there_is_said():
    command = [sys.executable, "-m", "tests.load", "http://127.0.0.1:9", "--seconds", "1"]
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "refused" in done.stderr
