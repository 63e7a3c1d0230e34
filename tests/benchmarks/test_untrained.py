"""Networks with random weights are timed beside a shipped one, float and INT8."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("torch")
pytest.importorskip("openvino")

from roadseg.benchmarks.untrained import cost, main
from roadseg.runtime.artifact import read_artifact
from roadseg.runtime.options import Size
from roadseg.runtime.shipped import resolve_model
from roadseg.train.networks import build_network
from roadseg.train.networks.pruned import count_parameters


def test_a_table_of_all_forms(capsys: pytest.CaptureFixture[str]) -> None:
    config = '{"architecture": "roadnet", "widths": [8, 16, 16, 24]}'
    assert main([config, "--n", "2", "--size", "128x64"]) == 0
    told = capsys.readouterr().out
    head, _, *rows = [line for line in told.splitlines() if line.startswith("|")]
    assert head.count("INT8") == head.count("float32") == 2
    assert [row.split(" | ")[0][2:] for row in rows] == ["mobileunet", config]
    assert rows[0].count(" 1.00 times") == 2
    assert all(len(re.findall(r"\d+\.\d+ \(\d+\.\d+\)", row)) == 4 for row in rows)
    assert "n = 2" in told


def test_cost_is_that_of_the_convolutions() -> None:
    model, spec = read_artifact(resolve_model("mobileunet"))
    weights, gmac = cost(model, Size(1024, 512))
    network = build_network(spec.network, len(spec.classes))
    assert weights == pytest.approx(count_parameters(network) / 1e6, rel=0.02)
    assert cost(model, Size(512, 256))[1] == pytest.approx(gmac / 4)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (['{"architecture": "resnet"}'], "unknown network 'resnet'"),
        (["roadnet"], "is no JSON of a network's options"),
        (["[1]"], "is no JSON of a network's options"),
        (['{"architecture": "roadnet"}', "--size", "100x64"], "multiples of 64"),
        (['{"architecture": "roadnet"}', "--n", "0"], "--n is 0: use 1 or more"),
        (['{"architecture": "roadnet"}', "--threads", "-1"], "--threads is -1: use 0 or more"),
    ],
)
def test_wrong_words_are_told(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
