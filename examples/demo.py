"""The whole way in one go: float network → INT8 → masks on a video → a report.

Runs the three commands that a user would type, shows each, and says where the results are.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

BIN = Path(sys.executable).parent
NETWORK = "mobileunet"
ROADS = "synthetic:?frames=150&seed=21&place=city&weather=clear"


def commands(out: Path) -> list[tuple[str, list[str]]]:
    """Return each step's heading and its command."""
    int8 = str(out / f"{NETWORK}-int8.onnx")
    video, sheet, report = str(out / "road.mp4"), str(out / "sheet.png"), str(out / "report")
    return [
        ("INT8 from the float network", ["seg-export", NETWORK, "--int8", "--out", str(out)]),
        ("Masks on a video", ["seg-run", int8, ROADS, "--save", video, "--sheet", sheet]),
        ("Speed, float against INT8", ["seg-bench", NETWORK, int8, "--n", "30", "--out", report]),
    ]


def main() -> int:
    """Run the steps; return the first failing command's exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("demo"), help="where results go")
    out = parser.parse_args().out
    start = time.monotonic()
    steps = commands(out)
    for number, (heading, words) in enumerate(steps, 1):
        print(f"\n[{number}/{len(steps)}] {heading}\n$ {' '.join(words)}", flush=True)
        code = subprocess.call([str(BIN / words[0]), *words[1:]])
        if code:
            print(f"demo: {words[0]} ended with exit code {code}", file=sys.stderr)
            return code
    print(f"\nDone in {time.monotonic() - start:.0f} s. Look at")
    for name in ("road.mp4", "sheet.png", "report/report.html"):
        print(f"  {out / name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
