from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from roadseg.train.networks import Network, build_network
from roadseg.train.optimization import MovingAverage, build_optimizer, lr_factor, set_lr
from roadseg.train.options import TrainOptions

TINY = {"backbone": "mobilenetv2_050", "depths": [1] * 7, "widths": [8] * 4}


def network() -> Network:
    torch.manual_seed(0)
    return build_network(TINY, 3)


@pytest.mark.parametrize(
    ("schedule", "progress", "warmup", "factor"),
    [
        ("poly", 0.0, 0.25, 0.25),
        ("poly", 0.0, 1.0, 1.0),
        ("poly", 0.5, 9.0, 0.5**0.9),
        ("poly", 1.0, 9.0, 0.0),
        ("poly", 1.2, 9.0, 0.0),
        ("cosine", 0.0, 1.0, 1.0),
        ("cosine", 0.25, 9.0, 0.5 + 0.5 * math.cos(math.pi / 4)),
        ("cosine", 0.5, 9.0, 0.5),
        ("cosine", 1.0, 9.0, 0.0),
    ],
)
def test_schedule(schedule: str, progress: float, warmup: float, factor: float) -> None:
    assert lr_factor(schedule, progress, warmup) == pytest.approx(factor, abs=1e-12)


class Run:
    """A schedule of PyTorch's over a run of so many steps."""

    def __init__(self, steps: int) -> None:
        self.optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        self.steps = steps

    def rates(self, schedule: torch.optim.lr_scheduler.LRScheduler) -> list[float]:
        found = []
        for _ in range(self.steps):
            found.append(float(self.optimizer.param_groups[0]["lr"]))
            self.optimizer.step()
            schedule.step()
        return found


def test_schedules_are_those_of_pytorch() -> None:
    steps = 50
    for name, build in (
        ("poly", lambda o: torch.optim.lr_scheduler.PolynomialLR(o, steps, 0.9)),
        ("cosine", lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, steps)),
    ):
        run = Run(steps)
        ours = [lr_factor(name, step / steps, 1.0) for step in range(steps)]
        assert ours == pytest.approx(run.rates(build(run.optimizer)), abs=1e-9), name
    run = Run(steps + 1)  # its last step is at the end of the run
    rise = (0.3 * steps + 1) / (steps + 1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        run.optimizer, 1.0, steps + 1, pct_start=rise, cycle_momentum=False
    )
    ours = [lr_factor("onecycle", step / steps, 0.0) for step in range(steps + 1)]
    assert ours == pytest.approx(run.rates(schedule), abs=1e-9)


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd"])
def test_groups_have_their_peaks_and_decays(optimizer: str) -> None:
    options = TrainOptions(
        "data", Path("run"), lr=0.01, backbone_lr=0.1, weight_decay=0.5, optimizer=optimizer
    )
    built = network()
    made = build_optimizer(built, options)
    set_lr(made, 0.5)
    rates = {
        id(parameter): (group["lr"], group["weight_decay"])
        for group in made.param_groups
        for parameter in group["params"]
    }
    assert len(rates) == len(list(built.parameters()))
    for name, parameter in built.named_parameters():
        rate = 0.0005 if name.startswith("backbone.") else 0.005
        assert rates[id(parameter)] == pytest.approx((rate, 0.5 if parameter.ndim > 1 else 0.0))


def test_average_is_the_plain_recursion_with_a_growing_decay() -> None:
    built = network()
    average = MovingAverage(built, 0.5)
    name = "head.weight"
    expected = built.state_dict()[name].clone()
    for step in range(1, 16):
        with torch.no_grad():
            built.get_parameter(name).add_(0.1 * step)
        decay = min(0.5, step / (step + 10))
        expected = decay * expected + (1 - decay) * built.state_dict()[name]
        average.update(built, step)
    torch.testing.assert_close(average.network.state_dict()[name], expected)
    assert not average.network.training


def test_no_average_follows_the_network_and_its_statistics() -> None:
    built = network()
    average = MovingAverage(built, 0.0)
    built.train()(torch.randn(2, 3, 64, 64))
    average.update(built, 1)
    for name, value in average.network.state_dict().items():
        if value.is_floating_point():
            torch.testing.assert_close(value, built.state_dict()[name], msg=name)
