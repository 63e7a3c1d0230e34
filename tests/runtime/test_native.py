"""The native module: its stub, and the choice of instruction set."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from roadseg.runtime import _native

STUB = Path(__file__).parents[2] / "runtime" / "_native.pyi"


def test_the_stub_names_what_the_module_has() -> None:
    tree = ast.parse(STUB.read_text())
    stubbed = {
        node.name: [argument.arg for argument in node.args.args]
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
    }
    assert set(stubbed) == {name for name in vars(_native) if not name.startswith("_")}
    for name, arguments in stubbed.items():
        signature = getattr(_native, name).__doc__.splitlines()[0]
        assert [part.split(":")[0] for part in _top_level(signature)] == arguments


def _top_level(signature: str) -> list[str]:
    """The arguments of "f(a: x[b, c], d: e) -> f", split at the outermost commas."""
    parts, depth = [""], 0
    for letter in signature[signature.index("(") + 1 : signature.rindex(") ->")]:
        depth += (letter in "([") - (letter in ")]")
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]


def run_with_isa(name: str) -> subprocess.CompletedProcess[str]:
    code = "from roadseg.runtime import _native; print(_native.isa())"
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "ROADSEG_ISA": name},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", _native.isas())
def test_the_environment_chooses(name: str) -> None:
    assert run_with_isa(name).stdout.strip() == name


def test_the_best_is_the_default() -> None:
    assert run_with_isa("").stdout.strip() == _native.isas()[0]
    assert _native.isas()[-1] == "baseline"


def test_an_unknown_name_says_what_there_is() -> None:
    with pytest.raises(ValueError, match=r"'mmx' is not one of this machine's: .*baseline"):
        _native.use_isa("mmx")
    run = run_with_isa("mmx")
    assert run.returncode and "'mmx' is not one of this machine's" in run.stderr
