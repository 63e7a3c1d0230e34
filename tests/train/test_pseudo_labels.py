"""Frames without labels: read from folders and videos, labelled where the rule allows it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from roadseg.runtime.errors import DataError
from roadseg.runtime.spec import IGNORE
from roadseg.train.checkpoint import load_checkpoint, read
from roadseg.train.cli import main
from roadseg.train.options import TrainOptions
from roadseg.train.pseudo_labels import UNLABELLED, PseudoLabels
from roadseg.train.run import prepare, train
from roadseg.train.unlabelled import open_unlabelled


def probabilities(*sureness: float) -> torch.Tensor:
    """Return (1, 2, 1, n) in which pixel k is of class k % 2 with so much probability."""
    found = torch.empty(1, 2, 1, len(sureness))
    for place, most in enumerate(sureness):
        found[0, place % 2, 0, place] = most
        found[0, 1 - place % 2, 0, place] = 1 - most
    return found


def test_what_the_teacher_is_sure_of_becomes_a_label() -> None:
    rule = PseudoLabels(0.75)
    labels = torch.full((1, 1, 4), UNLABELLED, dtype=torch.uint8)
    found = rule.apply(labels, probabilities(0.95, 0.8, 0.7, 0.55))
    assert found.tolist() == [[[0, 1, IGNORE, IGNORE]]]


def test_labels_and_what_lies_outside_of_a_frame_stay() -> None:
    rule = PseudoLabels(0.5)
    labels = torch.tensor([[[1, 1, IGNORE]], [[UNLABELLED, IGNORE, UNLABELLED]]]).byte()
    found = rule.apply(labels, probabilities(0.9, 0.9, 0.9).repeat(2, 1, 1, 1))
    assert found.tolist() == [[[1, 1, IGNORE]], [[0, IGNORE, 0]]]
    known = labels[:1]
    assert rule.apply(known, probabilities(0.9, 0.9, 0.9)) is known


@pytest.fixture
def frames(blocks: Path, tmp_path: Path) -> Path:
    """A folder with a sub-folder of images, and a video of three seconds."""
    folder = tmp_path / "frames"
    (folder / "drive").mkdir(parents=True)
    for path in sorted((blocks / "images").glob("a_*.png"))[:3]:
        shutil.copy(path, folder / "drive")
    video = cv2.VideoWriter(
        str(tmp_path / "road.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 5.0, (96, 64)
    )
    for shade in range(15):
        video.write(np.full((64, 96, 3), (16 * shade, 0, 255 - 16 * shade), np.uint8))
    video.release()
    return folder


def test_folders_and_videos_give_frames(frames: Path, tmp_path: Path) -> None:
    found = open_unlabelled([frames, tmp_path / "road.avi"])
    assert len(found) == 3 + 3
    original = cv2.imread(str(sorted((frames / "drive").iterdir())[0]))
    image, mask = found[0]
    np.testing.assert_array_equal(image[..., ::-1], original)
    assert mask.shape == (64, 96) and np.unique(mask).tolist() == [UNLABELLED]
    reds = [int(found[place][0][..., 0].mean()) for place in (3, 4, 5)]  # of frames 0, 5 and 10
    np.testing.assert_allclose(reds, [255, 175, 95], atol=8)


def test_frames_that_cannot_be_had(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    (tmp_path / "text.mp4").write_text("no video")
    for name, message in (
        ("empty", "there are no frames in it"),
        ("nowhere", "there is no such folder or video"),
        ("text.mp4", "text.mp4"),
    ):
        with pytest.raises(DataError, match=message):
            open_unlabelled([tmp_path / name])
    with pytest.raises(DataError, match=r"broken\.png"):
        open_unlabelled([tmp_path / "broken.png"])[0]


def test_a_run_learns_from_frames_and_resumes_to_the_same_bits(
    options: Callable[..., TrainOptions], tmp_path: Path, frames: Path, taught: Path
) -> None:
    more = ("--teacher", str(taught), "--unlabelled", str(frames), "--pseudo-confidence=0.4")
    train(options(*more, out="whole"))
    stopped = prepare(options(*more, out="parts"))
    stopped.run_epoch()
    stopped.outputs.close()
    train(options(*more, "--resume", out="parts"))
    whole, parts = (read(tmp_path / name / "last.pt")["model"] for name in ("whole", "parts"))
    assert all(torch.equal(whole[key], parts[key]) for key in whole)
    assert stopped.batches.mix == [2, 2]
    told = load_checkpoint(tmp_path / "whole" / "best.pt").spec.trained_on
    assert told["unlabelled"] == ["frames"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--unlabelled {frames}", "are learned from a teacher: give --teacher"),
        ("--pseudo-confidence 0.9", "pseudo_confidence is for frames without labels"),
        ("--pseudo-confidence 1", "pseudo_confidence is 1.0: it must be at least 0 and less than"),
        ("--unlabelled-share 0", "unlabelled_share is 0.0: it must be more than 0"),
        (
            "--teacher mobileunet --unlabelled {frames} --unlabelled-share 0.9",
            "leaves 0 labelled images in a batch: give a larger --batch-size",
        ),
        ("--teacher mobileunet --unlabelled nowhere", "nowhere: there is no such folder or video"),
    ],
)
def test_wrong_options(
    argv: Callable[..., list[str]],
    frames: Path,
    capsys: pytest.CaptureFixture[str],
    words: str,
    message: str,
) -> None:
    assert main(argv(*words.format(frames=frames).split())) == 2
    told = capsys.readouterr().err
    assert message in told and told.count("\n") == 1


@pytest.mark.parametrize("rule", ["", "--pseudo-confidence=0.3"])
def test_a_rule_alone_lets_a_run_learn_from_frames(
    options: Callable[..., TrainOptions], frames: Path, taught: Path, rule: str
) -> None:
    more = ["--teacher", str(taught), "--unlabelled", str(frames), "--distill-weight", "0"]
    trainer = prepare(options(*more, *([rule] if rule else [])))
    images, _ = next(trainer.batches.epoch(0))
    labels = torch.full(images.shape[:3], UNLABELLED, dtype=torch.uint8)
    assert trainer.step.distillation
    seen = trainer.step.distillation.see(torch.from_numpy(images))
    loss = trainer.step.loss_of(torch.zeros(4, 3, 16, 16), labels, seen)
    assert (float(loss) > 0.1) == bool(rule)
