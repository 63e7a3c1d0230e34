"""Measure what helps without more labels: every way and seed is a run of seg-train, then a table.

IDD-Lite with the labels of an eighth of its drives; the other drives and `unlabelled/` serve as
frames without labels; every fifth drive is validated on, and nothing ever learns from it. The
teacher learns from the same eighth alone. What is done is not done again, and a run that was
stopped goes on.

    python examples/better_without_labels.py IDD_LITE OUT
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import statistics
from collections.abc import Iterator
from pathlib import Path

from roadseg.data import open_dataset
from roadseg.data.splits import write_splits
from roadseg.data.write import write_plain
from roadseg.runtime.files import write_text
from roadseg.train.cli import main as seg_train

HELD_OUT = 5  # of how many drives one is validated on
LABELLED = 8  # of how many others one keeps its labels
SETTING = (
    "--size 256x192 --scale-min 0.75 --scale-max 1.5 --class-weights sqrt --ema 0.99 "
    "--evaluate-every 1000 --threads 1 --workers 1"
)
STUDENT = '--network-options {"stem_stride":4,"stride":8} --crop 192x128'
LARGER = '--network-options {"stem_stride":4,"stride":4} --crop 256x192'
TAUGHT = "--teacher OUT/teacher/last.pt"
MIXED = "--unlabelled OUT/unlabelled --unlabelled-share 0.334 --batch-size 12"  # 8 with labels
DENOISE = (
    "--pretrain denoise --unlabelled OUT/unlabelled --unlabelled-share 0.75 --batch-size 8 "
    "--epochs 4"
)
LONGER = 36  # epochs that have as many steps as denoising and 20 epochs together
PLAIN, BARE = "labels", "labels, no ImageNet"
WAYS = {
    PLAIN: "",
    "teacher": TAUGHT,
    "pseudo-labels": f"{TAUGHT} {MIXED} --distill-weight 0 --pseudo-confidence 0.9",
    "denoising first": "--weights OUT/denoising-SEED/denoised.pt",
    "teacher, unlabelled too": f"{TAUGHT} {MIXED}",
    "labels, longer": f"--epochs {LONGER}",
    BARE: "--weights none",
    "denoising first, no ImageNet": "--weights OUT/bare-denoising-SEED/denoised.pt",
}
PRETRAINED = {
    "denoising first": ("denoising", DENOISE),
    "denoising first, no ImageNet": ("bare-denoising", f"{DENOISE} --weights none"),
}


def main() -> None:
    """Do what is not done yet, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("idd_lite", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--ways", default=";".join(WAYS))
    told = parser.parse_args()
    make_data(told.idd_lite, told.out)
    train(told.out, "teacher", f"{LARGER} --epochs {2 * told.epochs}")
    for seed in range(told.seeds):
        for way in told.ways.split(";"):
            if way in PRETRAINED:
                name, options = PRETRAINED[way]
                train(told.out, f"{name}-{seed}", f"{STUDENT} {options}", seed)
            options = f"{STUDENT} --epochs {told.epochs} {WAYS[way]}"
            train(told.out, f"{folder_name(way)}-{seed}", options, seed)
            write_text(told.out / "results.json", json.dumps(list(results(told.out)), indent=1))
    print(table(list(results(told.out))))


def make_data(idd_lite: Path, out: Path) -> None:
    """Write the images that keep their labels, with those to validate on, and the other frames."""
    if (out / "few").exists():
        return
    whole = open_dataset(f"idd_lite:{idd_lite}", "train")
    drives = sorted({sample.group for sample in whole.samples})
    held = drives[::HELD_OUT]
    others = [drive for drive in drives if drive not in held]
    kept = others[::LABELLED]
    shutil.rmtree(out / "unlabelled", ignore_errors=True)
    shutil.copytree(idd_lite / "leftImg8bit" / "unlabelled", out / "unlabelled" / "more")
    for sample in whole.samples:
        if sample.group in set(others) - set(kept):
            shutil.copy(sample.image, out / "unlabelled" / f"{sample.name}{sample.image.suffix}")
    chosen = tuple(sample for sample in whole.samples if sample.group in {*held, *kept})
    folder = out / "few-part"
    shutil.rmtree(folder, ignore_errors=True)
    write_plain(dataclasses.replace(whole, samples=chosen), folder)
    images = sorted((folder / "images").glob("*/*"))
    splits = {"train": kept, "val": held}
    named = {
        split: [f"{path.parent.name}/{path.stem}" for path in images if path.parent.name in part]
        for split, part in splits.items()
    }
    write_splits(folder, named)
    folder.rename(out / "few")


def train(out: Path, name: str, options: str, seed: int = 0) -> None:
    """Do one run, or the rest of it, unless it is done."""
    run = out / name
    if (run / "done").exists():
        return
    if (run / "last.pt").exists():
        options += " --resume"
    else:
        shutil.rmtree(run, ignore_errors=True)
    words = f"--data OUT/few {SETTING} {options} --seed SEED --out OUT/{name}"
    words = words.replace("OUT", str(out)).replace("SEED", str(seed))
    print(f"seg-train {words}", flush=True)
    if seg_train(words.split()):
        raise SystemExit(f"{name} failed")
    (run / "done").touch()


def folder_name(way: str) -> str:
    """Return what a way's runs are called, before the seed."""
    return way.replace(",", "").replace(" ", "-")


def results(out: Path) -> Iterator[dict[str, str | float]]:
    """Give a row for each run that is done: way, seed, mIoU in percent, minutes."""
    for way in ("teacher of all", *WAYS):
        pattern = "teacher/done" if way == "teacher of all" else f"{folder_name(way)}-[0-9]/done"
        for done in sorted(out.glob(pattern)):
            row = json.loads((done.parent / "metrics.jsonl").read_text().splitlines()[-1])
            seed = done.parent.name.rpartition("-")[2]
            found = {"miou": 100 * row["miou"], "minutes": row["elapsed_s"] / 60}
            yield {"way": way, "seed": seed, "steps": row["step"], **found}


def table(rows: list[dict[str, str | float]]) -> str:
    """Return mean and standard deviation over the seeds, and of the difference to labels alone."""
    found: dict[str, dict[str, tuple[float, float]]] = {
        way: {} for way in ("teacher of all", *WAYS)
    }
    for row in rows:
        found[str(row["way"])][str(row["seed"])] = float(row["miou"]), float(row["minutes"])
    lines = [
        "| way | seeds | mIoU | difference by seed | minutes |",
        "| --- | --- | --- | --- | --- |",
    ]
    for way, own in found.items():
        if not own:
            continue
        base = found[BARE if "no ImageNet" in way else PLAIN]
        gains = [own[seed][0] - base[seed][0] for seed in own if seed in base]
        gain = "" if way in (PLAIN, BARE) else spread(gains, "+.1f")
        score = spread([miou for miou, _ in own.values()], ".1f")
        minutes = statistics.mean(minutes for _, minutes in own.values())
        lines.append(f"| {way} | {len(own)} | {score} | {gain} | {minutes:.1f} |")
    return "\n".join(lines)


def spread(values: list[float], form: str) -> str:
    """Return mean and standard deviation as text."""
    if not values:
        return ""
    deviation = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):{form}}{deviation}"


if __name__ == "__main__":
    main()
