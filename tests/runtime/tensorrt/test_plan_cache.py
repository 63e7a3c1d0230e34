"""Plans are kept by all that they depend on, built again with the reason, and refused elsewhere."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import onnx
import pytest

from roadseg.runtime.artifact import read_artifact, read_spec_beside, spec_beside
from roadseg.runtime.cli import main as seg_run
from roadseg.runtime.cuda.fake_cuda import DISCRETE, INTEGRATED
from roadseg.runtime.engines import open_engine
from roadseg.runtime.engines.tensorrt_engine import TensorRtEngine
from roadseg.runtime.errors import ModelError, UsageError
from roadseg.runtime.options import Size
from roadseg.runtime.tensorrt.options import PlanOptions
from roadseg.runtime.tensorrt.plan import check_fits, read_plan, read_record
from roadseg.runtime.tensorrt.plan_cache import KEPT, PlanCache
from roadseg.runtime.tensorrt.platform import Platform
from roadseg.runtime.tensorrt.timing_cache import timing_path

MakePlatform = Callable[..., Platform]
Machine = Callable[[Platform], Platform]
Told = pytest.CaptureFixture[str]
SIZE = Size(64, 32)
OTHER = replace(DISCRETE, name="Other RTX")
SMALLER = replace(INTEGRATED, multiprocessors=8)  # all Jetson Orins have one name


def take(model: Path, platform: Platform, **options: object) -> Path:
    graph, spec = read_artifact(model)
    size = options.pop("size", SIZE)
    assert isinstance(size, Size)
    return PlanCache().take(graph, spec, PlanOptions.of_size(size, **options), platform)


def test_a_plan_is_built_once(model: Path, make_platform: MakePlatform, capsys: Told) -> None:
    platform = make_platform()
    path = take(model, platform)
    told = capsys.readouterr().err
    assert "TensorRT builds a plan of colours float32 at 64x32: there is none yet" in told
    assert "plan for Fake RTX (compute capability 8.6, 26 multiprocessors)" in told
    assert take(model, platform) == path
    assert capsys.readouterr().err == ""
    assert platform.trt.builds == 1


def test_where_no_plan_can_be_kept_none_is_built(
    model: Path, make_platform: MakePlatform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    platform = make_platform()
    with pytest.raises(UsageError, match=r"file is no folder: set XDG_CACHE_HOME to"):
        take(model, platform)
    assert platform.trt.builds == 0


@pytest.mark.parametrize(
    ("device", "version", "options", "reason"),
    [
        (DISCRETE, "11.4.0", {}, "TensorRT 10.3.0 → 11.4.0"),
        (OTHER, "10.3.0", {}, "GPU Fake RTX (8.6, 26 multiprocessors) → Other RTX (8.6, "),
        (INTEGRATED, "10.3.0", {}, "26 multiprocessors) → Fake Orin (8.7, 16 multiprocessors)"),
        (DISCRETE, "10.3.0", {"workspace_mb": 64}, "workspace_mb 0 → 64"),
        (DISCRETE, "10.3.0", {"tf32": True}, "tf32 False → True"),
        (DISCRETE, "10.3.0", {"size": Size(128, 64)}, "sizes 64x32 → 128x64"),
        (OTHER, "11.4.0", {"tf32": True}, "→ 11.4.0; GPU Fake RTX (8.6, "),
    ],
)
def test_each_part_of_the_key(
    model: Path,
    make_platform: MakePlatform,
    capsys: Told,
    device: object,
    version: str,
    options: dict[str, object],
    reason: str,
) -> None:
    first = take(model, make_platform())
    capsys.readouterr()
    platform = make_platform(device, version=version)
    assert take(model, platform, **options) != first
    assert reason in capsys.readouterr().err
    assert platform.trt.builds == 1


def test_orins_of_other_sizes_have_plans_and_timings_of_their_own(
    model: Path, make_platform: MakePlatform, capsys: Told
) -> None:
    large, small = make_platform(INTEGRATED), make_platform(SMALLER)
    path = take(model, large)
    with pytest.raises(ModelError, match=r"for Fake Orin \(8\.7, 16 multip.* 8\.7, 8 multip"):
        check_fits(path, read_record(path).key, small)
    capsys.readouterr()
    assert take(model, small) != path
    assert "16 multiprocessors) → Fake Orin (8.7, 8 multiproc" in capsys.readouterr().err
    assert timing_path(large) != timing_path(small)


def test_a_changed_file(
    model: Path, make_platform: MakePlatform, tmp_path: Path, capsys: Told
) -> None:
    take(model, make_platform())
    graph = onnx.load(model)
    graph.graph.initializer[0].raw_data = bytes(len(graph.graph.initializer[0].raw_data))
    onnx.save(graph, tmp_path / "zero.onnx")
    take(tmp_path / "zero.onnx", make_platform())
    assert "the ONNX file changed (SHA-256 " in capsys.readouterr().err


def test_a_damaged_plan_is_built_again(
    model: Path, make_platform: MakePlatform, capsys: Told
) -> None:
    path = take(model, make_platform())
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    assert take(model, make_platform()) == path
    assert "cannot be used" in capsys.readouterr().err
    assert path.read_bytes() == whole
    spec_beside(path).unlink()
    take(model, make_platform())
    assert "is not beside it" in capsys.readouterr().err


def test_a_plan_that_tensorrt_refuses_is_built_again(
    model: Path, make_platform: MakePlatform
) -> None:
    """As after an update of the driver: same key, yet the plan does not load."""
    graph, spec = read_artifact(model)
    path = take(model, make_platform())
    record = json.loads(spec_beside(path).read_text())
    broken = path.read_bytes().replace(b"fake plan", b"other pla")
    path.write_bytes(broken)
    import hashlib

    record["plan"]["sha256"] = hashlib.sha256(broken).hexdigest()
    spec_beside(path).write_text(json.dumps(record))
    platform = make_platform()
    TensorRtEngine(graph, spec, SIZE, 0, platform).infer()
    assert platform.trt.builds == 1


def test_the_oldest_go(model: Path, make_platform: MakePlatform) -> None:
    platform = make_platform()
    first = take(model, platform)
    for number in range(1, KEPT + 2):
        take(model, platform, workspace_mb=number)
    assert len(list(first.parent.glob("*.plan"))) == KEPT
    assert len(list(first.parent.iterdir())) == 2 * KEPT
    assert not first.exists()


def test_the_one_just_built_stays_when_the_clock_went_back(
    model: Path, make_platform: MakePlatform
) -> None:
    """As on a board without a battery, before it asks the network for the time."""
    platform = make_platform()
    plans = [take(model, platform, workspace_mb=number) for number in range(KEPT)]
    tomorrow = time.time() + 86400
    for path in plans:
        os.utime(path, (tomorrow, tomorrow))
    last = take(model, platform, workspace_mb=KEPT)
    assert last.exists()
    assert len(list(last.parent.glob("*.plan"))) == KEPT


def test_a_name_stays_in_the_cache(model: Path, make_platform: MakePlatform) -> None:
    graph, spec = read_artifact(model)
    cache, options = PlanCache(), PlanOptions.of_size(SIZE)
    path = cache.take(graph, spec.replace(name="../../evil"), options, make_platform())
    assert path.parent == cache.folder
    assert path.is_file()


def test_what_lies_beside_a_plan(model: Path, make_platform: MakePlatform) -> None:
    path = take(model, make_platform(), size=Size(128, 64))
    spec = read_spec_beside(path)
    assert (spec.name, spec.width, spec.height) == ("colours", 128, 64)
    record = read_record(path)
    assert record.key.options == PlanOptions.of_size(Size(128, 64))
    assert (record.key.tensorrt, record.key.gpu) == ("10.3.0", "Fake RTX")


def test_timings_are_kept(model: Path, make_platform: MakePlatform) -> None:
    platform = make_platform()
    take(model, platform)
    assert (
        timing_path(platform).read_bytes()
        == b'{"version": "10.3.0", "gpu": "%s"}' % str(DISCRETE).encode()
    )
    timing_path(platform).write_bytes(b"of another GPU")
    take(model, platform, workspace_mb=1)
    assert timing_path(platform).read_bytes().startswith(b'{"version"')


@pytest.fixture
def plan(model: Path, make_platform: MakePlatform, machine: Machine, tmp_path: Path) -> Path:
    """A plan that somebody copied out of the cache."""
    made = take(model, machine(make_platform()))
    path = tmp_path / "colours.plan"
    path.write_bytes(made.read_bytes())
    spec_beside(path).write_bytes(spec_beside(made).read_bytes())
    return path


def test_a_plan_is_opened_directly(plan: Path, images: Path, tmp_path: Path, capsys: Told) -> None:
    assert seg_run([str(plan), str(images), "--masks", str(tmp_path / "masks")]) == 0
    assert "colours float32 on tensorrt at 64x32" in capsys.readouterr().out
    assert len(list((tmp_path / "masks").iterdir())) == 3


@pytest.mark.parametrize(
    ("device", "version", "message"),
    [
        (DISCRETE, "10.13.3", r"built for TensorRT 10\.3\.0, here is 10\.13\.3: run its \.onnx"),
        (
            INTEGRATED,
            "10.3.0",
            r"built for Fake RTX \(8\.6, 26 multiprocessors\), here is Fake Orin",
        ),
        (INTEGRATED, "11.4.0", r"TensorRT 10\.3\.0, here is 11\.4\.0; and for Fake RTX"),
    ],
)
def test_a_plan_of_another_machine(
    plan: Path,
    make_platform: MakePlatform,
    machine: Machine,
    device: object,
    version: str,
    message: str,
) -> None:
    machine(make_platform(device, version=version))
    with pytest.raises(ModelError, match=message):
        open_engine(plan)


@pytest.mark.parametrize(
    ("options", "version", "device", "fits"),
    [
        ({"version_compatible": True}, "10.13.3", DISCRETE, True),
        ({"version_compatible": True}, "10.0.1", DISCRETE, False),
        ({"version_compatible": True}, "11.4.0", DISCRETE, False),
        ({"hardware": "ampere+"}, "10.3.0", INTEGRATED, True),
        ({"hardware": "ampere+"}, "10.3.0", replace(DISCRETE, compute_capability=(7, 5)), False),
        ({}, "10.3.0", DISCRETE, True),
    ],
)
def test_compatible_plans(
    model: Path,
    make_platform: MakePlatform,
    options: dict[str, object],
    version: str,
    device: object,
    fits: bool,
) -> None:
    path = take(model, make_platform(), **options)
    key, there = read_record(path).key, make_platform(device, version=version)
    if fits:
        check_fits(path, key, there)
    else:
        with pytest.raises(ModelError, match="was built for"):
            check_fits(path, key, there)


def test_bad_plans(plan: Path, capsys: Told) -> None:
    whole, beside = plan.read_bytes(), spec_beside(plan)
    about = beside.read_text()
    plan.write_bytes(whole[: len(whole) // 2])
    assert seg_run([str(plan), "synthetic:?frames=1"]) == 2
    assert "the plan is not the one that its JSON tells of, or cut short" in capsys.readouterr().err
    plan.write_bytes(whole)
    values = json.loads(about)
    del values["plan"]
    beside.write_text(json.dumps(values))
    with pytest.raises(ModelError, match=r"does not say what colours\.plan was built for"):
        open_engine(plan)
    beside.write_text("{")
    with pytest.raises(ModelError, match="its ModelSpec cannot be read"):
        open_engine(plan)
    beside.unlink()
    assert seg_run([str(plan), "synthetic:?frames=1"]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "its ModelSpec colours.plan.json is not beside it" in told


def test_a_plan_takes_its_own_sizes(plan: Path) -> None:
    with pytest.raises(ModelError, match=r"takes inputs of 64x32, not of 128x64"):
        open_engine(plan, size=Size(128, 64))
    with pytest.raises(UsageError, match="runs on tensorrt alone, not on onnxruntime"):
        open_engine(plan, "onnxruntime")


def test_a_plan_for_a_range_of_sizes(model: Path, make_platform: MakePlatform) -> None:
    graph, spec = read_artifact(model)
    platform = make_platform()
    options = PlanOptions(Size(32, 32), SIZE, Size(128, 64))
    path = PlanCache().take(graph, spec, options, platform)
    assert read_plan(path)[1].key.options.sizes == "32x32,64x32,128x64"
    for size in (Size(32, 32), Size(128, 64)):
        engine = TensorRtEngine(path, spec, size, 0, platform)
        assert engine.infer().shape == (3, size.height // 4, size.width // 4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"least": Size(96, 32)}, "each width must be at least that before it"),
        ({"workspace_mb": -1}, "workspace_mb is -1"),
        ({"dla_core": -2}, "dla_core is -2"),
        ({"dla_core": 0, "most": Size(128, 64)}, "a DLA runs one size only"),
        ({"hardware": "turing"}, "unknown hardware 'turing'"),
    ],
)
def test_bad_options(options: dict[str, object], message: str) -> None:
    sizes = {"least": SIZE, "best": SIZE, "most": SIZE}
    with pytest.raises(UsageError, match=message):
        PlanOptions(**{**sizes, **options})  # type: ignore[arg-type]


def test_the_dla_and_what_falls_back(
    model: Path, make_platform: MakePlatform, capsys: Told
) -> None:
    with pytest.raises(UsageError, match=r"dla_core is 0: TensorRT 10\.3\.0 finds 0 DLA cores"):
        take(model, make_platform(INTEGRATED), dla_core=0)
    platform = make_platform(INTEGRATED, dla_cores=2, refuses=("planes",))
    path = take(model, platform, dla_core=1)
    assert "2 of 3 built layers on the DLA, on the GPU planes" in capsys.readouterr().err
    assert read_record(path).placement == {
        "dla": ["real", "logits"],
        "gpu": ["planes"],
        "is_built": True,
    }
