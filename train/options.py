"""What a training run can be told."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from roadseg.runtime.errors import UsageError, unknown
from roadseg.runtime.options import Size

OPTIMIZERS = ("adamw", "sgd")
SCHEDULES = ("poly", "cosine")
AMP = ("auto", "off", "float16", "bfloat16")
CROP = Size(352, 352)
CLASS_WEIGHTS = ("none", "sqrt", "balanced")
NOT_NEGATIVE = (
    "weight_decay",
    "warmup",
    "dice",
    "max_minutes",
    "backbone_lr",
    "distill_weight",
)
LEAST = {"epochs": 1, "batch_size": 1, "workers": 0, "threads": 0, "seed": 0, "evaluate_every": 0}


@dataclass(frozen=True)
class TrainOptions:
    """Train a segmentation network on a labelled data set, and keep its best checkpoint.

    data: data sets, such as camvid:FOLDER or a folder in the plain layout. The first one's
        classes are learned and validated, unless there are label maps.
    out: folder of the run: checkpoints, metrics, plots.
    split: of the data set, to train on.
    val_split: of the data set, to validate on.
    holdout: groups (drives) to take out of training and to validate on, instead of val_split.
    label_maps: one for each data set, a name in the package or a .toml file: to common classes.
    mix: images of each data set in a batch; by default batch_size in equal parts.
    classes: all, or one class's name: that class against all others.
    network: architecture: mobileunet or deeplabv3plus.
    backbone: a timm model that gives features, such as efficientnet_lite0.
    network_options: JSON of network options, such as {"stride": 2, "widths": [96,64,48,32]},
        or a file of it.
    weights: where training starts: imagenet, none, a shipped network's name, or a file: a float
        ONNX artefact, a checkpoint, or a state dict of the backbone.
    size: input size that the network is made for and validated at; by default the images'
        own, rounded to what the network takes.
    crop: size of the pieces that it is trained on.
    scale_min: smallest random scale, relative to size.
    scale_max: largest random scale.
    aspect: largest random stretch of width against height, either way; 1 keeps the size's aspect.
    epochs: how often to go through the data.
    batch_size: images in a step.
    lr: peak learning rate of the decoder.
    backbone_lr: peak learning rate of the backbone, as a share of lr.
    weight_decay: of convolution weights; norms and biases have none.
    optimizer: adamw or sgd.
    schedule: of the learning rate after warm-up: poly or cosine.
    warmup: epochs of linear warm-up.
    ema: decay of the moving average of weights, which is what is validated and kept; 0 is off.
    dice: weight of the Dice loss beside the cross-entropy.
    class_weights: of the cross-entropy, by how often a class occurs: none, sqrt (1 / sqrt(share)),
        or balanced (as ENet, up to ten times as much for a rare class).
    amp: mixed precision: auto (float16 on CUDA, off on CPU), off, float16 or bfloat16.
    device: cpu or cuda; auto takes CUDA where there is one.
    seed: of data order, augmentation and starting weights.
    resume: go on from last.pt in the run's folder.
    workers: threads that load and augment.
    threads: of PyTorch on the CPU; 0 leaves its own choice.
    max_minutes: stop after so long, with the learning rate annealed by then; 0 is no limit.
    evaluate_every: epochs between validations; 0 chooses so that they cost under a tenth.
    qat: train for INT8: take the network of --weights (a checkpoint, an artefact, a shipped
        network) and round as the INT8 artefact will. Use a low --lr.
    prune: share of channels to remove from the network of --weights before training goes on, such
        as 0.3.
    teacher: networks to learn from as well (distillation), of the same classes: checkpoints,
        artefacts or shipped networks by name; their probabilities are averaged.
    distill_weight: weight of the loss towards the teachers beside that of the labels.
    distill_temperature: that softens the teachers' and the student's probabilities.
    unlabelled: folders of images or videos without labels, to learn from the teachers alone, or
        with pretrain.
    unlabelled_share: of a batch's images.
    pseudo_confidence: what the teachers are at least so sure of becomes the label of an unlabelled
        frame, such as 0.9; 0 is off.
    pseudo_share: the same with a confidence by class, which this share of its pixels reaches; 0 is
        off.
    pretrain: denoise: learn to tell noise from picture, on data and unlabelled frames, without
        labels; writes denoised.pt, for --weights of the training itself.
    """

    data: tuple[str, ...]
    out: Path
    split: str = "train"
    val_split: str = "val"
    holdout: tuple[str, ...] = ()
    label_maps: tuple[str, ...] = ()
    mix: tuple[int, ...] = ()
    classes: str = "all"
    network: str = "mobileunet"
    backbone: str = "efficientnet_lite0"
    network_options: str = ""
    weights: str = "imagenet"
    size: Size | None = None
    crop: Size = CROP
    scale_min: float = 0.5
    scale_max: float = 2.0
    aspect: float = 1.0
    epochs: int = 100
    batch_size: int = 8
    lr: float = 1e-3
    backbone_lr: float = 0.5
    weight_decay: float = 1e-2
    optimizer: str = "adamw"
    schedule: str = "poly"
    warmup: float = 1.0
    ema: float = 0.995
    dice: float = 0.5
    class_weights: str = "none"
    amp: str = "auto"
    device: str = "auto"
    seed: int = 0
    resume: bool = False
    workers: int = 2
    threads: int = 0
    max_minutes: float = 0.0
    evaluate_every: int = 0
    qat: bool = False
    prune: float = 0.0
    teacher: tuple[str, ...] = ()
    distill_weight: float = 1.0
    distill_temperature: float = 1.0
    unlabelled: tuple[Path, ...] = ()
    unlabelled_share: float = 0.5
    pseudo_confidence: float = 0.0
    pseudo_share: float = 0.0
    pretrain: str = "none"

    def __post_init__(self) -> None:
        """Check values that do not depend on the data."""
        for name, known in (
            ("optimizer", OPTIMIZERS),
            ("schedule", SCHEDULES),
            ("amp", AMP),
            ("class_weights", CLASS_WEIGHTS),
            ("device", ("auto", "cpu", "cuda")),
            ("pretrain", ("none", "denoise")),
        ):
            if getattr(self, name) not in known:
                raise unknown(name, getattr(self, name), known)
        if not self.data:
            raise UsageError("no data set: give --data, such as camvid:FOLDER")
        if self.mix and (len(self.mix) != len(self.data) or min(self.mix) < 1):
            raise UsageError(f"mix is {self.mix}: give a number of images for each data set")
        for name, least in LEAST.items():
            if getattr(self, name) < least:
                raise UsageError(f"{name} is {getattr(self, name)}: it must be at least {least}")
        for name, value in vars(self).items():
            if isinstance(value, float) and not math.isfinite(value):
                raise UsageError(f"{name} is {value}: it must be a finite number")
        for name in ("lr", "scale_min", "distill_temperature"):
            if getattr(self, name) <= 0:
                raise UsageError(f"{name} is {getattr(self, name)}: it must be more than 0")
        for name in NOT_NEGATIVE:
            if getattr(self, name) < 0:
                raise UsageError(f"{name} is {getattr(self, name)}: it must not be negative")
        if self.aspect < 1:
            raise UsageError(f"aspect is {self.aspect}: it must be at least 1")
        if not 0 <= self.ema < 1:
            raise UsageError(f"ema is {self.ema}: it must be at least 0 and less than 1")
        if not 0 <= self.prune < 1:
            raise UsageError(f"prune is {self.prune}: it must be at least 0 and less than 1")
        if self.qat and self.prune:
            raise UsageError("qat and prune together: prune first, then --qat from that checkpoint")
        if (self.qat or self.prune) and not self.resume and self.weights in ("imagenet", "none"):
            raise UsageError("qat and prune start from a trained network: give --weights MODEL")
        if self.scale_max < self.scale_min:
            raise UsageError(f"scale_max {self.scale_max} is less than scale_min {self.scale_min}")
        self._check_teaching()

    def _check_teaching(self) -> None:
        for name in ("pseudo_confidence", "pseudo_share"):
            value = getattr(self, name)
            if not 0 <= value < 1:
                raise UsageError(f"{name} is {value}: it must be at least 0 and less than 1")
            if value and not self.unlabelled:
                raise UsageError(f"{name} is for frames without labels: give --unlabelled")
        if self.pseudo_confidence and self.pseudo_share:
            raise UsageError("pseudo_confidence and pseudo_share are two rules: give one")
        if not 0 < self.unlabelled_share < 1:
            raise UsageError(
                f"unlabelled_share is {self.unlabelled_share}: it must be more than 0 and less "
                "than 1"
            )
        if self.unlabelled and not self.teacher and self.pretrain == "none":
            raise UsageError("unlabelled frames are learned from a teacher: give --teacher")
        if self.pretrain != "none" and (self.teacher or self.resume or self.qat or self.prune):
            raise UsageError("pretrain goes with no teacher, resume, qat or prune")
