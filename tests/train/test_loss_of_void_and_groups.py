"""Void and groups of classes: what a loss must not punish."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, nll_loss

sys.path.insert(0, str(Path(__file__).parent))
from loss_examples import ALONE, CLASSES, DEFAULT, EITHER, GROUPS, example

from roadseg.train.losses import SegmentationLoss


@pytest.mark.parametrize("name", ALONE)
@pytest.mark.parametrize("stride", [1, 4])
def test_void_has_no_gradient_at_all(name: str, stride: int) -> None:
    logits, labels = example(stride)
    SegmentationLoss(CLASSES, stride, name)(logits, labels).backward()
    gradient = logits.grad
    assert gradient is not None
    assert (gradient[:, :, 0, :3] == 0).all()
    felt = (gradient[:, :, 1:].abs().sum(1) > 0).float().mean()
    assert felt == 1 or (name == "ohem" and felt > 0.5)


@pytest.mark.parametrize("name", ALONE)
def test_what_is_predicted_at_void_changes_nothing(name: str) -> None:
    logits, labels = example(4)
    loss = SegmentationLoss(CLASSES, 4, name)
    before = loss(logits, labels)
    with torch.no_grad():
        logits[:, :, 0, :3] = 7 * torch.randn(2, CLASSES, 3)
    torch.testing.assert_close(loss(logits, labels), before)


@pytest.mark.parametrize("name", ALONE)
def test_nothing_but_void_gives_no_loss(name: str) -> None:
    logits, labels = example(2)
    loss = SegmentationLoss(CLASSES, 2, name)(logits, torch.full_like(labels, 255))
    loss.backward()
    assert float(loss.detach()) == 0
    assert logits.grad is not None and not logits.grad.any()


@pytest.mark.parametrize("name", ALONE)
def test_extreme_logits_give_finite_losses(name: str) -> None:
    logits, labels = example(2)
    labels[0, 5:9, 2:] = EITHER
    wild = (1e4 * logits.detach()).requires_grad_()
    loss = SegmentationLoss(CLASSES, 2, name, groups=GROUPS)(wild, labels)
    loss.backward()
    assert torch.isfinite(loss)
    assert wild.grad is not None and torch.isfinite(wild.grad).all()


def test_a_group_asks_for_the_sum_of_its_classes() -> None:
    logits, labels = example(1)
    labels[labels == 1] = EITHER
    found = SegmentationLoss(CLASSES, 1, "cross-entropy", groups=GROUPS)(logits, labels)
    share = logits.detach().softmax(1)
    share = torch.cat([share, share[:, 1:].sum(1, keepdim=True)], 1)
    plain = nll_loss(share.log(), labels.long(), ignore_index=255)
    torch.testing.assert_close(found.detach(), plain)


def test_a_group_asks_bce_for_at_least_one_of_its_classes() -> None:
    logits, labels = example(1)
    labels[labels != 255] = EITHER
    found = SegmentationLoss(CLASSES, 1, "bce", groups=GROUPS)(logits, labels)
    chance = logits.detach().sigmoid()
    some = torch.stack([chance[:, 0], 1 - (1 - chance[:, 1]) * (1 - chance[:, 2])], 1)
    truth = torch.tensor([0.0, 1.0]).reshape(1, 2, 1, 1).expand_as(some)
    plain = binary_cross_entropy_with_logits(some.logit(), truth, reduction="none")
    kept = (labels != 255)[:, None].expand_as(plain)
    torch.testing.assert_close(found.detach(), plain[kept].mean())


@pytest.mark.parametrize("name", [*ALONE, DEFAULT])
def test_what_a_group_does_not_tell_is_not_punished(name: str) -> None:
    """Which of its classes is predicted changes nothing; another class does."""
    labels = torch.full((1, 8, 8), EITHER, dtype=torch.uint8)
    labels[0, :2] = 0
    labels[0, 2:4] = 1
    loss = SegmentationLoss(CLASSES, 1, name, groups=GROUPS)
    found = []
    for chosen in (1, 2):
        logits = torch.zeros(1, CLASSES, 8, 8)
        logits[0, 0, :2] = logits[0, 1, 2:4] = 9.0
        logits[0, chosen, 4:] = 9.0
        found.append(float(loss(logits, labels)))
    assert found[0] == pytest.approx(found[1], rel=1e-3, abs=1e-5)
    wrong = torch.zeros(1, CLASSES, 8, 8)
    wrong[0, 0] = 9.0
    assert float(loss(wrong, labels)) > found[0] + 0.2


@pytest.mark.parametrize("name", [*ALONE, DEFAULT])
def test_without_groups_it_is_the_same_loss(name: str) -> None:
    logits, labels = example(2)
    none = torch.zeros(0, CLASSES, dtype=torch.bool)
    with_none = SegmentationLoss(CLASSES, 2, name, groups=none)(logits, labels)
    unused = SegmentationLoss(CLASSES, 2, name, groups=GROUPS)(logits, labels)
    torch.testing.assert_close(with_none, SegmentationLoss(CLASSES, 2, name)(logits, labels))
    torch.testing.assert_close(with_none, unused)
