"""The demo as a newcomer runs it."""

import json
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration


def foretaste(*words: object, cwd: Path, **options: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", "from foretaste.cli import main; main()", *map(str, words)]
    return subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def test_the_check_prints_two_different_lists_with_reasons(tmp_path):
    process = foretaste("demo", "--check", "--json", cwd=tmp_path)
    out, err = process.communicate(timeout=180)
    assert process.returncode == 0, err
    done = json.loads(out)
    before, after = ([item["item_id"] for item in done[name]["items"]] for name in ("before", "after"))
    assert len(before) == len(after) == 10
    assert before != after
    assert before[0] not in after
    assert all(item["title"] and item["reason"] for item in done["before"]["items"])
    assert list(tmp_path.iterdir()) == []  # it leaves nothing behind


def test_the_check_says_when_there_is_nothing_to_recommend(tmp_path):
    (tmp_path / "one.csv").write_text("user_id,item_id\nu1,i1\n")
    process = foretaste("demo", "one.csv", "--check", cwd=tmp_path)
    _, err = process.communicate(timeout=180)
    assert process.returncode == 3
    assert "nothing is left to recommend" in err


def test_the_demo_serves_a_users_own_file_until_interrupted(tmp_path):
    rows = [f"u{u},i{i},{1_700_000_000 + 100 * u + i}" for u in range(30) for i in range(20) if (u + i) % 3]
    (tmp_path / "views.csv").write_text("user_id,item_id,timestamp\n" + "\n".join(rows))
    process = foretaste("demo", "views.csv", "--port", 0, cwd=tmp_path, env=None)
    assert process.stdout is not None
    url = None
    for line in process.stdout:
        if found := re.search(r"http://127\.0\.0\.1:\d+", line):
            url = found[0]
            break
    assert url is not None, process.communicate()
    with urllib.request.urlopen(f"{url}/api/v1/recommendations/user/u1?limit=3", timeout=10) as answer:
        assert len(json.load(answer)["items"]) == 3
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 0
