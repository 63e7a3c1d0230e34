"""Measure what helps without more labels: every way and seed is a run of seg-train, then a table.

CamVid with a quarter of the labels; the other frames of the same drives serve as unlabelled ones;
drive 0006R0, which nothing has seen, is validated on. Runs that are done are not done again.

    python examples/better_without_labels.py CAMVID OUT [--seeds 3] [--ways labels,distilled]
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shlex
import shutil
import statistics
from pathlib import Path

from roadseg.data import open_dataset
from roadseg.data.write import write_plain
from roadseg.train.cli import main as seg_train

HELD_OUT = "0006R0"
EVERY = 4  # of how many images one keeps its label
METRICS = "metrics.jsonl"
SETTING = "--size 512x384 --crop 256x192 --threads 1 --workers 1 --evaluate-every 1000".split()
SMALL = ["--network-options", '{{"stem_stride": 4}}']
STUDENT = [*SMALL, "--epochs", "10"]
TEACHER = ["--network-options", '{{"stem_stride": 2}}', "--epochs", "30"]
TAUGHT = ["--teacher", "{out}/teacher/best.pt"]
UNLABELLED = ["--unlabelled", "{out}/unlabelled", "--unlabelled-share"]
MIXED = ["--batch-size", "12", *UNLABELLED, "0.334"]
DENOISING = ["--pretrain", "denoise", *UNLABELLED, "0.75", "--epochs", "4"]
PSEUDO = [*TAUGHT, *MIXED, "--distill-weight", "0"]
WAYS = {
    "labels": [],
    "distilled": TAUGHT,
    "distilled-unlabelled": [*TAUGHT, *MIXED],
    "pseudo-labels": [*PSEUDO, "--pseudo-confidence", "0.9"],
    "denoising-first": ["--weights", "{out}/denoising/denoised.pt"],
    "pseudo-labels-by-class": [*PSEUDO, "--pseudo-share", "0.5"],
}


def main() -> None:
    """Do what is not done yet, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("camvid", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--ways", default=",".join(WAYS))
    told = parser.parse_args()
    out: Path = told.out
    make_data(told.camvid, out)
    train(out, "teacher", [*TEACHER, "--seed", "100"])
    if "denoising-first" in told.ways:
        train(out, "denoising", [*SMALL, *DENOISING])
    for seed in range(told.seeds):
        for way in told.ways.split(","):
            train(out, f"{way}-{seed}", [*STUDENT, *WAYS[way], "--seed", str(seed)])
    print(table(out))


def make_data(camvid: Path, out: Path) -> None:
    """Write the images that keep their labels, with those to validate on, and the other frames."""
    if (out / "few").exists():
        return
    whole = open_dataset(f"camvid:{camvid}", "train")
    held = [sample for sample in whole.samples if sample.group == HELD_OUT]
    others = [sample for sample in whole.samples if sample.group != HELD_OUT]
    kept = others[::EVERY]
    (out / "unlabelled").mkdir(parents=True)
    for sample in others:
        if sample not in kept:
            shutil.copy(sample.image, out / "unlabelled" / sample.image.name)
    write_plain(dataclasses.replace(whole, samples=(*held, *kept)), out / "few")


def train(out: Path, name: str, options: list[str]) -> None:
    """Do one run, unless it is done."""
    run = out / name
    if (run / "done").exists():
        return
    shutil.rmtree(run, ignore_errors=True)
    data = ["--data", "{out}/few", "--split", "all", "--holdout", HELD_OUT]
    words = [word.format(out=out) for word in [*data, *SETTING, *options]]
    print("seg-train", shlex.join(words), flush=True)
    if seg_train([*words, "--out", str(run)]):
        raise SystemExit(f"{name} failed")
    (run / "done").touch()


def table(out: Path) -> str:
    """Return mean and standard deviation over the seeds, of what is there."""
    lines = ["| way | seeds | mIoU on the unseen drive | minutes |", "| --- | --- | --- | --- |"]
    for way in ["teacher", *WAYS]:
        runs = sorted(out.glob(f"{way}-[0-9]/done")) or sorted(out.glob(f"{way}/done"))
        rows = [json.loads((run.parent / METRICS).read_text().splitlines()[-1]) for run in runs]
        if rows:
            scores = [100 * row["miou"] for row in rows]
            spread = f" ± {statistics.stdev(scores):.1f}" if len(scores) > 1 else ""
            minutes = statistics.mean(row["elapsed_s"] / 60 for row in rows)
            mean = statistics.mean(scores)
            lines.append(f"| {way} | {len(rows)} | {mean:.1f}{spread} | {minutes:.1f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
