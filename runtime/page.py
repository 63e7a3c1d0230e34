"""HTML pages in one file: light or dark as the reader's system is, and fit for a phone."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

_COLORS = {
    "light": (
        "#2f74d0",
        "#e07b1a",
        "#149a85",
        "#c9478f",
        "#7a63d2",
        "#a58a0c",
        "#d6453a",
        "#6b7785",
    ),
    "dark": (
        "#5b9bf0",
        "#f39a45",
        "#2fc2ab",
        "#e873b3",
        "#a08cf2",
        "#cfb53a",
        "#f0746a",
        "#98a4b3",
    ),
}
_STAGES = {
    "light": ("#9db7d8", "#2f74d0", "#149a85", "#c9478f"),
    "dark": ("#51698c", "#5b9bf0", "#2fc2ab", "#e873b3"),
}


def _variables(mode: str) -> str:
    colors = [f"--c{number}:{color}" for number, color in enumerate(_COLORS[mode])]
    return ";".join(colors + [f"--s{number}:{color}" for number, color in enumerate(_STAGES[mode])])


_CLASSES = "".join(
    f".c{number}{{fill:var(--c{number})}}"
    f".stroke{number}{{fill:none;stroke:var(--c{number});stroke-width:2}}"
    for number in range(len(_COLORS["light"]))
) + "".join(f".s{number}{{fill:var(--s{number})}}" for number in range(len(_STAGES["light"])))

CSS = (
    ":root{color-scheme:light dark;--page:#f5f6f8;--card:#fff;--ink:#17202b;--soft:#5c6875;"
    "--rule:#e2e6eb;--good:#12805c;--bad:#c62f2f;" + _variables("light") + "}"
    "@media(prefers-color-scheme:dark){:root{--page:#0f1318;--card:#181e25;--ink:#e8edf2;"
    "--soft:#98a4b1;--rule:#2b333d;--good:#3ecf9b;--bad:#ff7b72;"
    + _variables("dark")
    + "}}"
    + _CLASSES
    + """
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main{max-width:1180px;margin:0 auto;padding:28px 16px 48px}
header p{margin:2px 0 0;color:var(--soft)}
h1{font-size:24px;line-height:1.2;margin:0;letter-spacing:-.01em}
h2{font-size:16px;margin:0 0 10px}
.card{background:var(--card);border:1px solid var(--rule);border-radius:12px;padding:16px;
min-width:0}
section,.figures{margin-top:16px}.figures+section{margin-top:0}
.figures{columns:2 400px;column-gap:16px}
.figures>div{break-inside:avoid;padding-bottom:16px}
.cards{display:grid;gap:12px;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));
margin-top:18px}
.cards .card{padding:12px 14px}
.cards b{display:block;font-size:24px;line-height:1.25;font-variant-numeric:tabular-nums}
.cards b small{font-size:14px;font-weight:500;color:var(--soft)}
.cards span{color:var(--soft);font-size:13px;overflow-wrap:anywhere}
.verdict{font-size:16px}
.verdict p{margin:0 0 4px}.verdict p:last-child{margin:0}
.scroll{overflow-x:auto}
table{border-collapse:separate;border-spacing:0;width:100%;font-variant-numeric:tabular-nums;font-size:14px}
th,td{padding:7px 8px;text-align:right;white-space:nowrap;border-bottom:1px solid var(--rule)}
th{color:var(--soft);font-weight:600;font-size:12.5px;line-height:1.25;vertical-align:top}
th small{font-weight:400}
tr:last-child td{border-bottom:0}
.word{text-align:left}
thead .word:first-child,tbody .word:first-child{position:sticky;left:0;background:var(--card);
font-weight:600}
.gates td:last-child{white-space:normal;min-width:200px}
.facts th{text-align:left;width:1%;line-height:inherit;vertical-align:baseline}
.facts tr:last-child th{border-bottom:0}.facts td{text-align:left;white-space:normal;
overflow-wrap:anywhere}
.good{color:var(--good);font-weight:600}.bad{color:var(--bad);font-weight:600}
.note{color:var(--soft);font-size:13px;margin:10px 0 0}
code{font:13px/1.5 ui-monospace,"DejaVu Sans Mono",monospace;overflow-wrap:anywhere}
svg{display:block;width:100%;height:auto;font-size:12px;font-family:inherit}
svg text{fill:var(--ink)}svg .label{font-weight:600}svg .tick{fill:var(--soft);font-size:11px}
svg .small{font-size:9.5px;fill:var(--soft)}svg .value{font-weight:600;font-size:11.5px}
svg .halo{paint-order:stroke;stroke:var(--card);stroke-width:4px}
svg .grid{stroke:var(--rule)}svg .mark{stroke:var(--ink);stroke-dasharray:3 3;opacity:.65}
svg .front{fill:none;stroke:var(--soft);stroke-dasharray:2 4;stroke-width:1.5}
svg .dot{stroke:var(--card);stroke-width:2}
svg .cell{font-size:9.5px}
.narrow{max-width:640px}
svg .on{fill:#fff;font-size:10px}
.strip{display:grid;grid-template-columns:repeat(auto-fit,minmax(240px,1fr));gap:8px}
.strip img{width:100%;display:block;border-radius:6px}
@media(max-width:520px){main{padding:18px 8px 32px}.card{padding:12px}}
@media print{body{background:#fff}.card{break-inside:avoid}}
"""
)


def html_page(title: str, *parts: str) -> str:
    """Return a whole page; parts are HTML, the title is plain text."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<link rel="icon" href="data:,">'
        f"<title>{escape(title)}</title><style>{CSS}</style></head>\n"
        f"<body><main>{''.join(parts)}</main></body></html>\n"
    )


def header(title: str, words: str) -> str:
    """Return a page's head line, and a line below it."""
    return f"<header><h1>{escape(title)}</h1><p>{escape(words)}</p></header>"


def section(title: str, content: str, style: str = "") -> str:
    """Return a card; content is HTML."""
    return f'<section class="card {style}"><h2>{escape(title)}</h2>{content}</section>'


def grid_table(
    headers: Sequence[tuple[str, str]], rows: Sequence[Sequence[str]], words: int
) -> str:
    """Return a table that scrolls sideways.

    headers: (name, unit) by column; words: how many first columns are text, set left.
    """

    def cell(tag: str, place: int, content: str) -> str:
        return f"<{tag}{WORD if place < words else ''}>{content}</{tag}>"

    head = "".join(
        cell("th", place, f"{escape(name)}<br><small>{escape(unit)}</small>")
        for place, (name, unit) in enumerate(headers)
    )
    body = "".join(
        f"<tr>{''.join(cell('td', place, escape(word)) for place, word in enumerate(row))}</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


WORD = ' class="word"'
