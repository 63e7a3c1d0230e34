from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, nll_loss

from roadseg.train.losses import SegmentationLoss, balanced_weights, class_shares, sqrt_weights

CLASSES = 3


def example(stride: int) -> tuple[Tensor, Tensor]:
    torch.manual_seed(1)
    logits = torch.randn(2, CLASSES, 6, 8, requires_grad=True)
    labels = torch.randint(0, CLASSES, (2, 6 * stride, 8 * stride), dtype=torch.uint8)
    labels[:, :stride, : 3 * stride] = 255
    return logits, labels


def repeated(logits: Tensor, stride: int) -> Tensor:
    return logits.repeat_interleave(stride, 2).repeat_interleave(stride, 3)


@pytest.mark.parametrize("stride", [1, 2, 4, 16])
@pytest.mark.parametrize("weights", [None, torch.tensor([0.2, 1.0, 1.8])])
def test_cross_entropy_is_that_of_all_pixels(stride: int, weights: Tensor | None) -> None:
    logits, labels = example(stride)
    labels[1, 3, 5] = 255
    found = SegmentationLoss(CLASSES, stride, 0.0, weights)(logits, labels)
    plain = cross_entropy(repeated(logits, stride), labels.long(), weights, ignore_index=255)
    torch.testing.assert_close(found, plain)


def test_dice_is_the_plain_formula_over_classes_that_occur() -> None:
    logits, labels = example(1)
    labels[labels == 1] = 0
    share = logits.detach().softmax(1).numpy().astype(np.float64)
    seen = labels.numpy() != 255
    terms = []
    for index in (0, 2):
        truth = labels.numpy() == index
        guess = share[:, index]
        total = guess[seen].sum() + truth.sum()
        terms.append(1 - 2 * guess[truth].sum() / total)
    alone = SegmentationLoss(CLASSES, 1, 0.0)(logits, labels)
    both = SegmentationLoss(CLASSES, 1, 2.0)(logits, labels)
    assert float((both - alone).detach()) == pytest.approx(2 * np.mean(terms), rel=1e-5)


def test_perfect_logits_have_no_loss() -> None:
    _, labels = example(2)
    shares = class_shares(labels[:, ::2, ::2], CLASSES, 1)
    whole = labels[:, ::2, ::2].repeat_interleave(2, 1).repeat_interleave(2, 2)
    assert float(SegmentationLoss(CLASSES, 2)(50 * shares, whole)) < 1e-6


@pytest.mark.parametrize("stride", [1, 4])
def test_void_has_no_gradient_at_all(stride: int) -> None:
    logits, labels = example(stride)
    SegmentationLoss(CLASSES, stride, 0.5)(logits, labels).backward()
    gradient = logits.grad
    assert gradient is not None
    assert (gradient[:, :, 0, :3] == 0).all()
    assert (gradient[:, :, 1:].abs().sum(1) > 0).all()


def test_nothing_but_void_gives_no_loss() -> None:
    logits, labels = example(2)
    loss = SegmentationLoss(CLASSES, 2)(logits, torch.full_like(labels, 255))
    loss.backward()
    assert float(loss.detach()) == 0
    assert logits.grad is not None and not logits.grad.any()


def test_balanced_weights_follow_enet() -> None:
    shares = torch.tensor([0.9, 0.09, 0.01])
    weights = balanced_weights(shares)
    plain = [1 / np.log(1.02 + share) for share in (0.9, 0.09, 0.01)]
    np.testing.assert_allclose(weights.numpy(), np.array(plain) / np.mean(plain), rtol=1e-5)


def test_sqrt_weights_are_milder_than_enets() -> None:
    shares = torch.tensor([0.81, 0.18, 0.01])
    weights = sqrt_weights(shares)
    torch.testing.assert_close(weights.mean(), torch.tensor(1.0))
    torch.testing.assert_close(weights[2] / weights[0], torch.tensor(9.0))


GROUPS = torch.tensor([[False, True, True]])
EITHER = CLASSES  # the label of a pixel that is of class 1 or 2


def test_a_group_asks_for_the_sum_of_its_classes() -> None:
    logits, labels = example(1)
    labels[labels == 1] = EITHER
    found = SegmentationLoss(CLASSES, 1, 0.0, groups=GROUPS)(logits, labels)
    share = logits.detach().softmax(1)
    share = torch.cat([share, share[:, 1:].sum(1, keepdim=True)], 1)
    plain = nll_loss(share.log(), labels.long(), ignore_index=255)
    torch.testing.assert_close(found.detach(), plain)


def test_what_a_group_does_not_tell_is_not_punished() -> None:
    """Which of its classes is predicted changes nothing, in neither part of the loss."""
    labels = torch.full((1, 4, 4), EITHER, dtype=torch.uint8)
    labels[0, 0] = 0
    labels[0, 1] = 1
    loss = SegmentationLoss(CLASSES, 1, 1.0, groups=GROUPS)
    found = []
    for chosen in (1, 2):
        logits = torch.zeros(1, CLASSES, 4, 4)
        logits[0, 0, 0] = logits[0, 1, 1] = 9.0
        logits[0, chosen, 2:] = 9.0
        found.append(float(loss(logits, labels)))
    assert found[0] == pytest.approx(found[1], rel=1e-4)
    wrong = torch.zeros(1, CLASSES, 4, 4)
    wrong[0, 0] = 9.0
    assert float(loss(wrong, labels)) > found[0] + 1


def test_without_groups_it_is_the_same_loss() -> None:
    logits, labels = example(2)
    none = torch.zeros(0, CLASSES, dtype=torch.bool)
    with_none = SegmentationLoss(CLASSES, 2, 0.5, groups=none)(logits, labels)
    unused = SegmentationLoss(CLASSES, 2, 0.5, groups=GROUPS)(logits, labels)
    torch.testing.assert_close(with_none, SegmentationLoss(CLASSES, 2, 0.5)(logits, labels))
    torch.testing.assert_close(with_none, unused)
