"""The page on algorithms names every model, and its example runs."""

import re
import subprocess
import sys
from pathlib import Path

from foretaste.models import model_names

PAGE = Path(__file__).parents[3] / "docs" / "algorithms.md"


def test_every_model_stands_in_the_page_on_algorithms():
    rows = [line.split("|")[1] for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    named = {name for cell in rows for name in re.findall(r"`(\w+)`", cell)}
    assert named == set(model_names())


def test_the_example_of_the_page_prints_lists(tmp_path):
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    done = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True, check=True, cwd=tmp_path)
    lines = done.stdout.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("('") for line in lines)
