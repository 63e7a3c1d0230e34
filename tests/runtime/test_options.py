from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from roadseg.runtime.errors import UsageError
from roadseg.runtime.options import Size, parse_options


@dataclass(frozen=True)
class Options:
    """Do a thing.

    source: what to read.
    sizes: input sizes, such as
        1024x512.
    rate: 50% is half.
    out: where to write.
    fast: hurry.
    """

    source: str
    sizes: tuple[Size, ...] = ()
    rate: float = 0.5
    out: Path | None = None
    fast: bool = False


def parse(*argv: str) -> Options:
    return parse_options("seg-x", Options, argv, positional=["source"])


def test_defaults() -> None:
    assert parse("a") == Options("a")


@pytest.mark.parametrize(
    "argv", [["--sizes", "64x32,8x4"], ["--sizes=64x32,8x4"], ["sizes=64x32,8x4"]]
)
def test_three_spellings(argv: list[str]) -> None:
    assert parse("a", *argv).sizes == (Size(64, 32), Size(8, 4))


def test_types() -> None:
    assert parse("a", "--out", "x", "--fast", "rate=2") == Options("a", (), 2.0, Path("x"), True)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([], "SOURCE"),
        (["a", "--sizes", "64"], "not WIDTHxHEIGHT"),
        (["a", "--rate", "much"], "invalid float"),
        (["a", "--unknown", "1"], "--unknown"),
        (["a", "b=c=d"], "b=c=d"),
    ],
)
def test_wrong_use(argv: list[str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse(*argv)


@dataclass(frozen=True)
class MoreOptions(Options):
    """Do more.

    rate: of more.
    depth: how much more.
    """

    depth: int = 1


def test_what_is_inherited_is_described_where_it_comes_from(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        parse_options("seg-x", MoreOptions, ["--help"], positional=["source"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "Do more." in shown
    assert "where to write" in shown
    assert "of more. (default: 0.5)" in shown
    assert "half" not in shown


def test_help_shows_text_and_default(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        parse("--help")
    shown = " ".join(capsys.readouterr().out.split())
    assert stop.value.code == 0
    assert "Do a thing." in shown
    assert "input sizes, such as 1024x512." in shown
    assert "50% is half. (default: 0.5)" in shown


def test_an_option_without_help_is_a_fault_of_the_class() -> None:
    @dataclass
    class Bare:
        """No help."""

        depth: int = 1

    with pytest.raises(TypeError, match="depth"):
        parse_options("seg-x", Bare, [])


@dataclass(frozen=True)
class Many:
    """Do a thing to many.

    models: what to do it to.
    share: how much.
    """

    models: tuple[str, ...] = ()
    share: str = "10%"


def test_many_by_place_are_a_tuple() -> None:
    assert parse_options("seg-x", Many, ["a", "b"], ["models"]) == Many(("a", "b"))
    assert parse_options("seg-x", Many, [], ["models"]) == Many()


def test_a_default_with_a_percent_sign_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse_options("seg-x", Many, ["--help"], ["models"])
    assert "(default: 10%)" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["runtime", "data", "benchmarks"])
def test_help_on_a_terminal_that_knows_ascii_alone(command: str) -> None:
    words = [sys.executable, "-m", f"roadseg.{command}.cli", "--help"]
    if command == "benchmarks":
        words[1:] = ["-c", "from roadseg.benchmarks.cli import main; main()", "--help"]
    environ = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(words, env=environ, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "usage: " in done.stdout
