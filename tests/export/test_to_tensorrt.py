"""seg-export --to tensorrt on the fake GPU: the plan, its JSON, and what is refused first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from roadseg.export.cli import main
from roadseg.runtime.cuda import has_device
from roadseg.runtime.cuda.fake_cuda import INTEGRATED
from roadseg.runtime.engines import open_engine
from roadseg.runtime.options import Size
from roadseg.runtime.tensorrt.plan import read_record
from roadseg.runtime.tensorrt.platform import Platform

MakePlatform = Callable[..., Platform]
Machine = Callable[[Platform], Platform]
Told = pytest.CaptureFixture[str]


def export(roads: Path, out: Path, *words: str) -> int:
    options = ["--to", "tensorrt", "--size", "128x64", "--data", str(roads), "--out", str(out)]
    return main(["mobileunet", *options, "--score-frames", "2", *words])


def test_a_plan_is_made_and_held_to_its_artefact(
    roads: Path,
    tmp_path: Path,
    make_platform: MakePlatform,
    machine: Machine,
    capsys: Told,
) -> None:
    machine(make_platform(INTEGRATED, dla_cores=1, refuses=("/Transpose",)))
    words = ["--plan-workspace-mb", "256", "--plan-dla-core", "0"]
    assert export(roads, tmp_path, *words) == 0
    told = capsys.readouterr()
    assert (
        "TensorRT 10.3.0 plan for Fake Orin (compute capability 8.7, 16 multiprocessors)"
        in told.out
    )
    row = next(line for line in told.out.splitlines() if line.startswith("mobileunet.plan"))
    assert " %" in row
    assert "DLA: Cast (1 of them): the DLA has none" in told.err
    assert {path.name for path in tmp_path.iterdir()} >= {
        "mobileunet.onnx",
        "mobileunet.plan",
        "mobileunet.plan.json",
    }
    key = read_record(tmp_path / "mobileunet.plan").key
    assert (key.options.sizes, key.options.workspace_mb, key.options.dla_core) == ("128x64", 256, 0)


def test_a_plan_for_a_range_of_sizes(
    roads: Path, tmp_path: Path, make_platform: MakePlatform, machine: Machine
) -> None:
    machine(make_platform())
    assert export(roads, tmp_path, "--plan-sizes", "64x64,128x64,256x128") == 0
    plan = tmp_path / "mobileunet.plan"
    assert open_engine(plan).infer().shape[1:] == (16, 32)
    assert open_engine(plan, size=Size(256, 128)).infer().shape[1:] == (32, 64)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--plan-sizes", "64x64,128x64"], 2, "plan_sizes has 2 sizes"),
        (["--plan-sizes", "65x64"], 2, "both sides must be multiples of 64"),
        (["--plan-hardware", "volta"], 2, "unknown hardware 'volta'"),
        (["--plan-dla-core", "3"], 2, "finds 0 DLA cores here"),
    ],
)
def test_bad_options(
    roads: Path,
    tmp_path: Path,
    make_platform: MakePlatform,
    machine: Machine,
    capsys: Told,
    words: list[str],
    code: int,
    message: str,
) -> None:
    machine(make_platform())
    assert export(roads, tmp_path, *words) == code
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_without_a_gpu_nothing_is_begun(roads: Path, tmp_path: Path, capsys: Told) -> None:
    if has_device():
        pytest.skip("there is a GPU")
    pytest.importorskip("cuda.bindings", reason="cuda-bindings is not installed")
    out = tmp_path / "out"
    assert export(roads, out) == 3
    told = capsys.readouterr().err
    assert told.startswith("seg-export: seg-export --to tensorrt needs an NVIDIA GPU: ")
    assert not out.exists()
