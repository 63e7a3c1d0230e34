from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import replace

import pytest

from roadseg.benchmarks import plots
from roadseg.benchmarks.gates import Gate
from roadseg.benchmarks.html import html_report
from roadseg.benchmarks.markdown import markdown_report
from roadseg.benchmarks.outputs import summary
from roadseg.benchmarks.results import results
from roadseg.benchmarks.rows import Row
from roadseg.runtime import svg

Make = Callable[..., Row]
GATES = [Gate("min-fps", "fast one", True, "50 FPS"), Gate("max-p99", "slow <one>", False, "99 ms")]


def pictures(page: str) -> dict[str, ElementTree.Element]:
    """The SVGs of a page, parsed, by what they say they are."""
    found = [ElementTree.fromstring(text) for text in re.findall(r"<svg.*?</svg>", page, re.DOTALL)]
    return {str(one.get("aria-label")): one for one in found}


def test_a_page_has_all_its_plots(rows: list[Row]) -> None:
    assert set(pictures(html_report(rows))) == {
        "Latency histogram per configuration",
        "Median time of each stage per configuration",
        "IoU of each class",
        "mIoU of each group",
        "Accuracy against speed",
        "Resident memory over frames",
    }


def test_a_page_of_one_latency_row_has_what_that_row_has(make_row: Make) -> None:
    assert set(pictures(html_report([make_row()]))) == {
        "Latency histogram per configuration",
        "Median time of each stage per configuration",
    }


def test_a_page_needs_nothing_else(rows: list[Row]) -> None:
    page = html_report(rows, GATES)
    assert not re.search(r"https?:|<script|<link(?![^>]*data:)|src=|@import|url\(", page)
    assert "prefers-color-scheme:dark" in page
    assert 'name="viewport"' in page


def test_a_page_says_where_its_figures_are_from(rows: list[Row]) -> None:
    page = html_report(rows, GATES)
    for part in ("Test CPU", "avx512_vnni", "1.23.2", "seg-bench mobileunet", "2026-01-02"):
        assert part in page
    assert "1 of 2 gates missed" in page
    assert "slow &lt;one&gt;" in page


def test_what_rows_say_cannot_break_the_page(make_row: Make) -> None:
    nasty = make_row(model="<script>alert('x')</script>", options={"command": "<b>&\"'"})
    page = html_report([nasty])
    assert "<script" not in page
    assert len(pictures(page)) == 2


def test_bars_are_as_long_as_their_values(rows: list[Row]) -> None:
    picture = pictures(html_report([rows[0], rows[3]]))["IoU of each class"]
    bars = {
        str(one.findtext("title")).split(": ")[1]: float(str(one.get("width")))
        for one in picture.iter("rect")
    }
    assert bars["95.1 %"] / bars["30.2 %"] == pytest.approx(95.1 / 30.2, rel=0.01)


def test_the_histogram_counts_every_sample(make_row: Make) -> None:
    row = make_row()
    picture = pictures(html_report([row]))["Latency histogram per configuration"]
    titles = [str(one.findtext("title")) for one in picture.iter("rect")]
    counts = [int(title.split(": ")[1].split(" of ")[0]) for title in titles]
    assert sum(counts) == len(row.samples_ms) == 50


@pytest.mark.parametrize("samples", [(5.0,), (5.0, 5.0), (0.001, 900.0), (1.0, 1.0, 1.0, 80.0)])
def test_histograms_of_odd_samples(make_row: Make, samples: tuple[float, ...]) -> None:
    picture = plots.latency_histograms(results([make_row(samples_ms=samples)]))
    assert "nan" not in picture
    ElementTree.fromstring(picture)


def test_the_front_joins_what_no_other_beats() -> None:
    points = [(10.0, 70.0), (20.0, 72.0), (30.0, 60.0), (25.0, 55.0)]
    assert plots._pareto(points) == [(20.0, 72.0), (30.0, 60.0)]


def test_a_class_that_does_not_occur_is_told(rows: list[Row]) -> None:
    lacking = replace(rows[4], iou={"road": 0.9})
    picture = pictures(html_report([rows[0], rows[1], rows[3], lacking]))["IoU of each class"]
    assert [one.text for one in picture.iter("text")].count("does not occur") == 4


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 100, [0, 20, 40, 60, 80, 100]),
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (12, 13, [12, 12.2, 12.4, 12.6, 12.8, 13]),
        (5, 5, [5]),
    ],
)
def test_ticks_are_round(low: float, high: float, ticks: list[float]) -> None:
    assert svg.Axis(low, high, 0, 1).ticks() == pytest.approx(ticks)


def test_markdown(rows: list[Row]) -> None:
    text = markdown_report(rows, GATES)
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in tables[:5]}) == 1
    assert "| pole | 30.2 | 30.0 | 30.0 |" in text
    assert "- missed: slow <one>: 99 ms (max-p99)" in text
    assert "cpu Test CPU" in text


def test_markdown_of_a_name_with_a_bar(make_row: Make) -> None:
    assert "a\\|b" in markdown_report([make_row(model="a|b")])


def test_summary(rows: list[Row]) -> None:
    short = summary(rows, GATES)
    assert short["passed"] is False
    assert short["results"][0]["miou"] == 0.725
    assert [one["engine"] for one in short["results"]] == ["onnxruntime", "onnxruntime", "openvino"]
    assert short["gates"][1]["name"] == "max-p99"
