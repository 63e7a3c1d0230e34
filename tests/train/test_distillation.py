"""A student learns its teachers' function, where there are labels and where there are none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from roadseg.runtime.artifact import read_artifact
from roadseg.runtime.options import Size
from roadseg.runtime.shipped import resolve_model
from roadseg.runtime.spec import IGNORE, ClassInfo, ModelSpec
from roadseg.train.checkpoint import load_checkpoint, read
from roadseg.train.cli import main
from roadseg.train.distillation import Distillation, mean_probabilities, resize
from roadseg.train.evaluation import normalize
from roadseg.train.losses import SegmentationLoss
from roadseg.train.networks import build_network
from roadseg.train.networks.artifact_weights import load_artifact_weights
from roadseg.train.options import TrainOptions
from roadseg.train.run import prepare, train
from roadseg.train.teachers import EngineTeacher, NetworkTeacher, open_teachers

CLASSES = tuple(ClassInfo(name, (n, n, n)) for n, name in enumerate(("red", "green", "blue")))
TINY = {"backbone": "mobilenetv2_050", "depths": [1] * 7, "widths": [16] * 4, "blocks": 1}
CPU = torch.device("cpu")


class Strongest:
    """A teacher of a function that anybody can check: a pixel's class is its strongest colour."""

    def __init__(self, stride: int, sureness: float = 8.0) -> None:
        self.stride, self.sureness = stride, sureness
        self.spec = ModelSpec("strongest", CLASSES, 64, 64, stride=stride)

    def logits(self, images: Tensor) -> Tensor:
        """See Teacher."""
        coarse = images[:, :: self.stride, :: self.stride].permute(0, 3, 1, 2).float() / 255
        return self.sureness * coarse


def pictures(count: int, seed: int) -> Tensor:
    """Return (count, 64, 64, 3) uint8 of blocks of 16 in random strong colours."""
    generator = torch.Generator().manual_seed(seed)
    blocks = torch.randint(0, 256, (count, 4, 4, 3), generator=generator, dtype=torch.uint8)
    return blocks.repeat_interleave(16, 1).repeat_interleave(16, 2)


@pytest.mark.parametrize("teacher_stride", [2, 8])
def test_a_student_learns_the_function_of_its_teacher(teacher_stride: int) -> None:
    torch.manual_seed(0)
    teacher = Strongest(teacher_stride)
    network = build_network(TINY, 3)
    teaching = Distillation([teacher])
    optimizer = torch.optim.AdamW(network.parameters(), 1e-2)
    losses = []
    for step in range(40):
        images = pictures(8, step)
        seen = teaching.see(images)
        loss = teaching.loss(network(normalize(images, teacher.spec)), seen)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    images = pictures(8, 1000)
    own = network(normalize(images, teacher.spec))
    seen = mean_probabilities(teaching.see(images), like=own).argmax(1)
    assert losses[-1] < 0.5 * losses[0]
    assert float((own.argmax(1) == seen).float().mean()) > 0.75


def test_void_pixels_learn_from_the_teacher_alone() -> None:
    images, labels = pictures(2, 3), torch.full((2, 64, 64), IGNORE, dtype=torch.uint8)
    labels[:, :32] = 0
    logits = torch.zeros(2, 3, 16, 16, requires_grad=True)
    taught = Distillation([Strongest(4)])
    losses = SegmentationLoss(3, 4)(logits, labels), taught.loss(logits, taught.see(images))
    by_labels, by_teacher = (torch.autograd.grad(loss, logits)[0].abs().sum(1) for loss in losses)
    assert by_labels[:, :8].min() > 0 and by_labels[:, 8:].max() == 0
    assert (by_teacher > 0).float().mean() > 0.99


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_the_gradient_is_the_difference_of_probabilities(temperature: float) -> None:
    teacher, logits = Strongest(4), torch.randn(2, 3, 16, 16, requires_grad=True)
    images = pictures(2, 5)
    seen = [teacher.logits(images)]
    Distillation([teacher], 0.5, temperature).loss(logits, seen).backward()
    softened = [each / temperature for each in (logits, *seen)]
    own, taught = (each.softmax(1) for each in softened)
    expected = 0.5 * temperature * (own - taught).detach() / (2 * 16 * 16)
    torch.testing.assert_close(logits.grad, expected)


def test_nothing_is_left_to_learn_from_an_equal() -> None:
    images = pictures(2, 7)
    equal = Strongest(4).logits(images).requires_grad_()
    loss = Distillation([Strongest(4)]).loss(equal, [equal.detach()])
    assert abs(float(loss.detach())) < 1e-6


def test_probabilities_of_several_teachers_are_averaged() -> None:
    images, like = pictures(2, 9), torch.zeros(2, 3, 16, 16)
    seen = Distillation([Strongest(2, sureness=2.0), Strongest(8, sureness=20.0)]).see(images)
    mean = mean_probabilities(seen, like)
    each = [mean_probabilities([one], like) for one in seen]
    torch.testing.assert_close(mean, (each[0] + each[1]) / 2)
    torch.testing.assert_close(mean.sum(1), torch.ones(2, 16, 16))


def test_a_finer_teacher_tells_each_class_share_of_a_cell() -> None:
    fine = torch.zeros(1, 2, 4, 4)
    fine[:, 0], fine[:, 0, 0, 0], fine[:, 1, 0, 0] = 1, 0, 1
    coarse = resize(fine, (2, 2))
    assert coarse[0, :, 0, 0].tolist() == [0.75, 0.25]
    assert coarse[0, :, 1, 1].tolist() == [1, 0]
    assert resize(fine, (4, 4)) is fine


def test_an_engine_and_pytorch_teach_the_same() -> None:
    images = torch.randint(0, 256, (3, 64, 128, 3), dtype=torch.uint8)
    torch.set_num_threads(2)
    path = resolve_model("mobileunet")
    classes = read_artifact(path)[1].classes
    (engine,) = open_teachers(["mobileunet"], classes, Size(128, 64), CPU)
    torch.set_num_threads(1)
    assert isinstance(engine, EngineTeacher) and len(engine.engines) == 2
    network, _ = load_artifact_weights(path, len(classes))
    torch_teacher = NetworkTeacher(network, engine.spec, CPU)
    torch.testing.assert_close(
        engine.logits(images), torch_teacher.logits(images), atol=1e-2, rtol=0
    )


def test_a_run_with_a_teacher_resumes_to_the_same_bits(
    options: Callable[..., TrainOptions], tmp_path: Path, taught: Path
) -> None:
    more = ("--teacher", str(taught), "--distill-temperature", "2")
    train(options(*more, out="whole"))
    stopped = prepare(options(*more, out="parts"))
    stopped.run_epoch()
    stopped.outputs.close()
    train(options(*more, "--resume", out="parts"))
    train(options(out="alone"))
    whole, parts, alone = (
        read(tmp_path / name / "last.pt") for name in ("whole", "parts", "alone")
    )
    assert all(torch.equal(whole["model"][k], parts["model"][k]) for k in whole["model"])
    assert not all(torch.equal(whole["model"][k], alone["model"][k]) for k in whole["model"])
    told = load_checkpoint(tmp_path / "whole" / "best.pt").spec.trained_on
    assert told["teachers"] == ["best.pt"]
    assert "teachers" not in load_checkpoint(tmp_path / "alone" / "best.pt").spec.trained_on


def test_a_teacher_that_has_seen_what_is_held_out_is_told(
    options: Callable[..., TrainOptions], taught: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(options("--teacher", str(taught), "--holdout", "b"))
    assert "has learned b, held out here" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--teacher nothing", "teacher nothing: nothing: neither a file nor a shipped network"),
        ("--teacher mobileunet", "teacher mobileunet tells apart sky, building, pole, road,"),
        ("--teacher mobileunet --crop 96x64", "mobileunet: mobileunet cannot take 96x64: both"),
        ("--teacher {damaged}", "is not a checkpoint of seg-train, or is damaged"),
        ("--distill-weight -1", "distill_weight is -1.0: it must not be negative"),
        ("--distill-temperature 0", "distill_temperature is 0.0: it must be more than 0"),
    ],
)
def test_a_teacher_that_cannot_teach(
    argv: Callable[..., list[str]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: str,
    message: str,
) -> None:
    damaged = tmp_path / "damaged.pt"
    damaged.write_bytes(b"not a checkpoint")
    assert main(argv(*words.format(damaged=damaged).split())) == 2
    told = capsys.readouterr().err
    assert message in told and told.count("\n") == 1
    assert not (tmp_path / "run").exists()
