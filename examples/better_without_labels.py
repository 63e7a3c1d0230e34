"""Measure what helps without more labels: every way and seed is a run of seg-train, then a table.

CamVid with a quarter of the labels; the other frames of the same drives serve as unlabelled ones;
drive 0006R0, which nothing has seen, is validated on. The teachers are the networks that
examples/train_networks.sh trains without that drive. Runs that are done are not done again.

    held=runs/mobileunet_held/best.pt,runs/deeplabv3plus_held/best.pt
    python examples/better_without_labels.py CAMVID $held OUT
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import statistics
from pathlib import Path

from roadseg.data import open_dataset
from roadseg.data.write import write_plain
from roadseg.train.cli import main as seg_train

HELD_OUT = "0006R0"
EVERY = 4  # of how many images one keeps its label
METRICS = "metrics.jsonl"
SETTING = "--size 960x704 --crop 384x256 --scale-min 0.5 --scale-max 1.2 --threads 1 --workers 1"
STUDENT = '--network-options {"stem_stride":4,"stride":8}'
LEARN = "--batch-size 4 --evaluate-every 1000"
TAUGHT = "--teacher TEACHER"
MIXED = "--unlabelled OUT/unlabelled --unlabelled-share 0.334 --batch-size 6"
DENOISE = "--pretrain denoise --unlabelled OUT/unlabelled --unlabelled-share 0.75 --batch-size 4"
WAYS = {
    "labels": "",
    "distilled": TAUGHT,
    "pseudo-labels": f"{TAUGHT} {MIXED} --distill-weight 0 --pseudo-confidence 0.9",
    "distilled-unlabelled": f"{TAUGHT} {MIXED}",
    "denoising-first": "--weights OUT/denoising/denoised.pt",
}


def main() -> None:
    """Do what is not done yet, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("camvid", type=Path)
    parser.add_argument("teacher")
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--ways", default=",".join(WAYS))
    told = parser.parse_args()
    learn = f"{LEARN} --epochs {told.epochs}"
    make_data(told.camvid, told.out)
    if "denoising-first" in told.ways:
        train(told, "denoising", f"{DENOISE} --epochs 3")
    for seed in range(told.seeds):
        for way in told.ways.split(","):
            train(told, f"{way}-{seed}", f"{learn} {WAYS[way]} --seed {seed}")
    print(table(told.out))


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


def train(told: argparse.Namespace, name: str, options: str) -> None:
    """Do one run, unless it is done."""
    run = told.out / name
    if (run / "done").exists():
        return
    shutil.rmtree(run, ignore_errors=True)
    data = f"--data OUT/few --split all --holdout {HELD_OUT}"
    words = f"{data} {SETTING} {STUDENT} {options} --out OUT/{name}"
    words = words.replace("TEACHER", told.teacher).replace("OUT", str(told.out))
    print(f"seg-train {words}", flush=True)
    if seg_train(words.split()):
        raise SystemExit(f"{name} failed")
    (run / "done").touch()


def table(out: Path) -> str:
    """Return mean and standard deviation over the seeds, of what is there."""
    lines = ["| way | seeds | mIoU on the unseen drive | minutes |", "| --- | --- | --- | --- |"]
    for way in WAYS:
        runs = sorted(out.glob(f"{way}-[0-9]/done"))
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
