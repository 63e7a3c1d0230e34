"""What seg-export can be told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from roadseg.runtime.errors import UsageError, unknown
from roadseg.runtime.options import Size

HEADS = ("logits", "mask")
METHODS = ("minmax", "percentile", "mse", "entropy")
TARGET_NAMES = ("openvino", "tensorrt", "ncnn", "torchscript", "coreml")
RENDERED = "synthetic:?size=960x544&seed=1"


@dataclass(frozen=True)
class ExportOptions:
    """Export a network: checkpoint → ONNX → simplified → INT8, each step verified.

    model: checkpoint of seg-train (.pt), float ONNX artefact, or name of a shipped network.
    int8: quantise too.
    fp16: write a float16 form too, for GPUs.
    data: frames to calibrate and to score on: camvid:FOLDER, a folder in the plain layout, a
        folder of images, a video, or synthetic:; rendered roads when not given.
    spec: JSON file that describes an ONNX network of another tool: its classes, mean and scale
        (docs/foreign-onnx.md).
    to: other runtimes to write the last artefact for: openvino, tensorrt (on the device itself)
        and ncnn, in INT8 too; torchscript and coreml, the float network.
    out: folder for the artefacts.
    name: of the artefacts; by default the network's.
    size: input size to export for, to calibrate and to score at; the model's own by default.
    calib_frames: frames to calibrate with.
    calib_split: of a data set, to calibrate on.
    score_frames: frames to score on.
    score_split: of a data set, to score on.
    method: ranges of activations: minmax, percentile, mse or entropy.
    max_drop: most points of mIoU that INT8 may lose, where there are labels.
    max_disagreement: most percent of pixels that INT8 may change, where there are none.
    half_weights: keep the float network's weights as float16 in its file, half the size; they are
        float32 again once it is loaded.
    bias_correction: let biases make up for what rounding the weights shifts.
    equalize: bring channels that share an INT8 range to like magnitudes first.
    sensitivity: measure what each layer alone in INT8 loses, and show it.
    head: logits, or mask for a graph that also upsamples and ends in class ids, for other
        runtimes.
    seed: of the choice of frames.
    plan_sizes: input sizes of the TensorRT plan: one, or least,best,most; the model's by default.
    plan_workspace_mb: most memory that a layer of the plan may take, in MB; 0 sets no limit.
    plan_dla_core: number of the DLA that runs what it can; -1 for the GPU alone.
    plan_version_compatible: let later TensorRT versions of the same major number load the plan.
    plan_hardware: GPUs that can load the plan: this-gpu, ampere+ or same-capability.
    inspect: print a file's ModelSpec and do nothing else.
    """

    model: str = ""
    int8: bool = False
    fp16: bool = False
    data: str = ""
    spec: Path | None = None
    to: tuple[str, ...] = ()
    out: Path = Path("models")
    name: str = ""
    size: Size | None = None
    calib_frames: int = 128
    calib_split: str = "train"
    score_frames: int = 100
    score_split: str = "val"
    method: str = "minmax"
    max_drop: float = 0.5
    max_disagreement: float = 5.0
    half_weights: bool = False
    bias_correction: bool = False
    equalize: bool = False
    sensitivity: bool = False
    head: str = "logits"
    seed: int = 0
    plan_sizes: tuple[Size, ...] = ()
    plan_workspace_mb: int = 0
    plan_dla_core: int = -1
    plan_version_compatible: bool = False
    plan_hardware: str = "this-gpu"
    inspect: Path | None = None

    def __post_init__(self) -> None:
        """Check values."""
        if not self.model and not self.inspect:
            raise UsageError("no model: give a checkpoint, an ONNX artefact or a network's name")
        if self.head not in HEADS:
            raise unknown("head", self.head, HEADS)
        if self.method not in METHODS:
            raise unknown("method", self.method, METHODS)
        for name in self.to:
            if name not in TARGET_NAMES:
                raise unknown("target", name, TARGET_NAMES)
        for name in ("calib_frames", "score_frames"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}: it must be at least 1")
        for name in ("max_drop", "max_disagreement", "seed"):
            if getattr(self, name) < 0:
                raise UsageError(f"{name} is {getattr(self, name)}: it must not be negative")
