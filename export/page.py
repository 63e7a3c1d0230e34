"""export.html: what an export did, to look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

import onnx

from roadseg.export.samples import Sample
from roadseg.export.sensitivity import LayerLoss
from roadseg.runtime import svg
from roadseg.runtime.page import grid_table, header, html_page, section

LAYERS_DRAWN = 24  # that lose most
CELL = 21  # pixels of a layer's box
DRAWN_OPS = ("Conv", "Add", "Resize", "Concat", "GlobalAveragePool")


@dataclass
class Story:
    """What the page tells.

    title, words: of its head.
    table: headers and rows of the artefacts.
    graphs: each step's name and graph.
    losses: by layer, empty when they were not measured.
    samples: float against INT8.
    notes: lines below the table.
    """

    title: str
    words: str
    table: list[list[str]] = field(default_factory=list)
    graphs: list[tuple[str, onnx.ModelProto]] = field(default_factory=list)
    losses: Sequence[LayerLoss] = ()
    samples: Sequence[Sample] = ()
    notes: list[str] = field(default_factory=list)


def export_page(story: Story) -> str:
    """Return the page as one HTML file."""
    headers = [(name, "") for name in story.table[0]]
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in story.notes)
    parts = [
        header(story.title, story.words),
        section("Artefacts", grid_table(headers, story.table[1:], 1) + notes),
        section("Nodes, step by step", _nodes(story.graphs)),
    ]
    last = story.graphs[-1][1]
    if any(node.op_type == "QuantizeLinear" for node in last.graph.node):
        parts.append(section("What is integer", _placement(last)))
    if story.losses:
        parts.append(section("What each layer loses alone in INT8", _sensitivity(story.losses)))
    if story.samples:
        parts.append(section("Float, INT8, and where they differ", _samples(story.samples)))
    return html_page(story.title, *parts)


def _nodes(graphs: Sequence[tuple[str, onnx.ModelProto]]) -> str:
    """Return a table of nodes by type, the most frequent first."""
    counts = [Counter(node.op_type for node in model.graph.node) for _, model in graphs]
    kinds = sorted(set().union(*counts), key=lambda kind: -max(count[kind] for count in counts))
    headers = [("node", ""), *((name, "") for name, _ in graphs)]
    rows = [[kind, *(str(count[kind] or "") for count in counts)] for kind in kinds]
    total = ["all", *(str(sum(count.values())) for count in counts)]
    return grid_table(headers, [total, *rows], 1)


def _placement(model: onnx.ModelProto) -> str:
    """Draw the layers in order: filled where inputs and weights are INT8, open where float."""
    producer = {name: node for node in model.graph.node for name in node.output}
    body: list[str] = []
    layers = [node for node in model.graph.node if node.op_type in DRAWN_OPS]
    across = svg.WIDTH // CELL
    for place, node in enumerate(layers):
        x, y = place % across * CELL, place // across * (CELL + 4)
        quantized = _is_quantized(node, producer)
        style = "c0" if quantized else "c1" if node.op_type == "Conv" else "c7"
        title = f"{node.op_type} {node.output[0]}: {'INT8' if quantized else 'float'}"
        body.append(svg.rect(x + 1, y + 1, CELL - 3, CELL - 3, style, title, 3))
        body.append(svg.text(x + CELL / 2 - 0.5, y + 14, node.op_type[0], "on", "middle"))
    height = -(-len(layers) // across) * (CELL + 4) + 4
    note = (
        "Layers in order: C convolution, A add, R resize or concatenate, G pool. Blue reads int8, "
        "orange is a convolution in float, gray is float in this file; when it is loaded by ONNX "
        "Runtime or OpenVINO the gray ones are quantised too, with the same ranges."
    )
    return _figure(svg.plot(height, body, "Layers in INT8"), note)


def _is_quantized(node: onnx.NodeProto, producer: dict[str, onnx.NodeProto]) -> bool:
    sources = [producer.get(name) for name in node.input[:2]]
    return all(each is not None and each.op_type == "DequantizeLinear" for each in sources)


def _sensitivity(losses: Sequence[LayerLoss]) -> str:
    """Draw bars of signal to noise, the noisiest layer first."""
    shown = losses[:LAYERS_DRAWN]
    finite = [loss.snr_db for loss in losses if loss.snr_db != float("inf")]
    axis = svg.Axis(0, 1.4 * max([*finite, 1.0]), 14, svg.WIDTH - 14)
    step, top = 28, 6
    base = top + step * len(shown)
    body = [svg.bottom_axis(axis, base, top, "dB")]
    for place, loss in enumerate(shown):
        y = top + place * step
        drop = f", {loss.drop:.2f} points" if loss.drop is not None else ""
        body.append(svg.text(14, y + 10, loss.name, "tick halo"))
        body.append(svg.rect(14, y + 13, axis(loss.snr_db) - 14, 10, "c0", radius=2))
        words = f"{loss.snr_db:.0f} dB{drop}"
        body.append(
            svg.text(min(axis(loss.snr_db) + 4, svg.WIDTH - 90), y + 22, words, "value halo")
        )
    note = f"Signal to noise at the logits, {len(shown)} of {len(losses)} layers; shorter is worse."
    return _figure(svg.plot(base + 22, body, "Sensitivity by layer"), note)


def _figure(picture: str, note: str) -> str:
    return f'<div class="narrow">{picture}</div><p class="note">{note}</p>'


def _samples(samples: Sequence[Sample]) -> str:
    rows = []
    for sample in samples:
        pictures = "".join(
            f'<img src="{uri}" alt="{name}">'
            for name, uri in (
                ("float", sample.whole),
                ("INT8", sample.small),
                ("difference", sample.difference),
            )
        )
        rows.append(
            f'<div class="strip">{pictures}</div>'
            f'<p class="note">{sample.differing:.2f} % of pixels differ</p>'
        )
    return "".join(rows)
