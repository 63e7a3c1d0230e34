"""The README's commands, run in order in an empty folder; and its links and pictures are there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
NOT_RUN = "<!-- not run: "  # and the reason, before a block that needs what a test has not


def blocks(text: str) -> list[str]:
    """Return the ```sh blocks that are to be run."""
    found = re.finditer(r"(?:^<!-- not run: ([^>]+) -->\n)?^```sh\n(.*?)^```$", text, re.M | re.S)
    return [match[2] for match in found if not match[1]]


def test_a_block_is_found_and_a_marked_one_left_out() -> None:
    text = "```sh\na\n```\n<!-- not run: needs a camera -->\n```sh\nb\n```\n"
    assert blocks(text) == ["a\n"]


@pytest.mark.slow
def test_the_commands_of_the_readme_work(tmp_path: Path) -> None:
    scripts = blocks(README.read_text())
    assert any("seg-run" in script for script in scripts)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for script in scripts:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=tmp_path,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr


def test_what_the_documents_link_to_is_there() -> None:
    for document in [README, *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)|src=\"([^\"]+)\"", document.read_text()):
            link = target[0] or target[1]
            if not link.startswith("http"):
                assert (document.parent / link).exists(), f"{document.name}: {link}"
