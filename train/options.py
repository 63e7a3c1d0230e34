"""What a training run can be told."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from roadseg.runtime.errors import UsageError, unknown
from roadseg.runtime.options import Size
from roadseg.train.loss_terms import DEFAULT_LOSS, WEIGHED, parse_loss

OPTIMIZERS = ("adamw", "adam", "sgd")
SCHEDULES = ("poly", "cosine", "onecycle")
AMP = ("auto", "off", "float16", "bfloat16")
CROP = Size(384, 384)  # which every network takes: a multiple of 64
CLASS_WEIGHTS = ("none", "sqrt", "balanced")
AUGMENTATION = {"flip": 1, "rotation": 45, "color": 2, "elastic": 1, "weather": 1}
AUGMENTATION |= {"blur": 1, "noise": 1, "jpeg": 1, "cutmix": 1}  # the largest that they may be
NOT_NEGATIVE = (
    "weight_decay",
    "warmup",
    "clip",
    "deep_supervision",
    "max_minutes",
    "backbone_lr",
    "distill_weight",
)
LEAST = {"epochs": 1, "batch_size": 1, "workers": 0, "threads": 0, "seed": 0, "evaluate_every": 0}
LEAST |= {"accumulate": 1, "patience": 0, "profile": 0}


@dataclass(frozen=True)
class TrainOptions:
    """Train a segmentation network on a labelled data set, and keep its best checkpoint.

    data: data sets, such as camvid:FOLDER or a folder in the plain layout. The first one's
        classes are learned and validated, unless there are label maps.
    out: folder of the run: checkpoints, metrics, plots.
    recipe: option values to start from, which other options override: light-camvid, light-roads,
        binary-unet, cityscapes-resnet101, or a .toml file, such as the one that a run leaves in its
        folder.
    split: of the data set, to train on.
    val_split: of the data set, to validate on.
    holdout: groups (drives) to take out of training and to validate on, instead of the val_split of
        the data sets that have them.
    label_maps: one for each data set, a name in the package or a .toml file: to common classes.
    mix: images of each data set in a batch; by default batch_size in equal parts.
    classes: all, or one class's name: that class against all others.
    network: architecture: mobileunet, deeplabv3plus, roadnet, unet, unet++, fcn or
        deeplabv3plus_resnet101.
    backbone: a timm model that gives features, such as mobilenetv2_100; by default the network's
        own.
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
    flip: chance of a horizontal flip.
    rotation: largest random rotation, in degrees.
    color: random change of brightness, contrast, saturation and hue; 1 is ±30 % and ±10 degrees.
    elastic: strength of random bends, 0 to 1; a third of the images get one.
    weather: strength of rain, fog, night and glare, 0 to 1; a third of the images get one of them.
    blur: strength of defocus and motion blur, 0 to 1; of a third of the images.
    noise: strength of a sensor's noise, 0 to 1; of a third of the images.
    jpeg: strength of JPEG compression, 0 to 1; of a third of the images.
    cutmix: chance of an image to get a rectangle of the batch's next one, with its labels.
    show_augmentation: write a sheet of what happens to the images, OUT/augmentation.png, and end.
    epochs: how often to go through the data.
    batch_size: images in a step.
    lr: peak learning rate of the decoder.
    backbone_lr: peak learning rate of the backbone, as a share of lr.
    weight_decay: of convolution weights; norms and biases have none. With adam it is part of the
        gradient and wants to be much smaller.
    optimizer: adamw, adam or sgd.
    schedule: of the learning rate after warm-up: poly or cosine; or onecycle, which warms up over
        the first 0.3 of the run itself.
    warmup: epochs of linear warm-up.
    clip: largest norm of the gradient, which is scaled down to it; 0 does not clip.
    accumulate: pieces that a step's images are computed in, one after the other, so that they
        need less memory; batch_size stays the images of a step.
    ema: decay of the moving average of weights, which is what is validated and kept; 0 is off.
    loss: a sum of losses, such as cross-entropy+0.5*dice: bce, boundary, cross-entropy, dice,
        focal, lovasz, ohem; see docs/losses.md.
    deep_supervision: weight of the same loss at the decoder's coarser scales, such as 0.4; 0 is
        off.
    class_weights: of cross-entropy, focal and ohem, by how often a class occurs: none, sqrt
        (1 / sqrt(share)), or balanced (as ENet, up to ten times as much for a rare class).
    amp: mixed precision: auto (float16 on CUDA, off on CPU), off, float16 or bfloat16.
    compile: compile the network with torch.compile; needs a C++ compiler, and minutes at the start.
    device: cpu or cuda; auto takes CUDA where there is one.
    seed: of data order, augmentation and starting weights.
    resume: go on from last.pt in the run's folder.
    workers: threads that load and augment.
    threads: of PyTorch on the CPU; 0 leaves its own choice.
    max_minutes: stop after so long, with the learning rate annealed by then; 0 is no limit.
    evaluate_every: epochs between validations; 0 chooses so that they cost under a tenth.
    patience: stop after so many validations in a row without a better mIoU; 0 never does.
    profile: measure so many steps, tell where their time goes, and write nothing; 0 trains.
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
    pretrain: denoise: learn to tell noise from picture, on data and unlabelled frames, without
        labels; writes denoised.pt, for --weights of the training itself.
    """

    data: tuple[str, ...]
    out: Path
    recipe: str = ""
    split: str = "train"
    val_split: str = "val"
    holdout: tuple[str, ...] = ()
    label_maps: tuple[str, ...] = ()
    mix: tuple[int, ...] = ()
    classes: str = "all"
    network: str = "mobileunet"
    backbone: str = ""
    network_options: str = ""
    weights: str = "imagenet"
    size: Size | None = None
    crop: Size = CROP
    scale_min: float = 0.5
    scale_max: float = 2.0
    aspect: float = 1.0
    flip: float = 0.5
    rotation: float = 0.0
    color: float = 1.0
    elastic: float = 0.0
    weather: float = 0.0
    blur: float = 0.0
    noise: float = 0.0
    jpeg: float = 0.0
    cutmix: float = 0.0
    show_augmentation: bool = False
    epochs: int = 100
    batch_size: int = 8
    lr: float = 1e-3
    backbone_lr: float = 0.5
    weight_decay: float = 1e-2
    optimizer: str = "adamw"
    schedule: str = "poly"
    warmup: float = 1.0
    clip: float = 0.0
    accumulate: int = 1
    ema: float = 0.995
    loss: str = DEFAULT_LOSS
    deep_supervision: float = 0.0
    class_weights: str = "none"
    amp: str = "auto"
    compile: bool = False
    device: str = "auto"
    seed: int = 0
    resume: bool = False
    workers: int = 2
    threads: int = 0
    max_minutes: float = 0.0
    evaluate_every: int = 0
    patience: int = 0
    profile: int = 0
    qat: bool = False
    prune: float = 0.0
    teacher: tuple[str, ...] = ()
    distill_weight: float = 1.0
    distill_temperature: float = 1.0
    unlabelled: tuple[Path, ...] = ()
    unlabelled_share: float = 0.5
    pseudo_confidence: float = 0.0
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
        terms = parse_loss(self.loss)
        if self.class_weights != "none" and not terms.keys() & set(WEIGHED):
            raise UsageError(f"class_weights weigh {', '.join(WEIGHED)}: loss {self.loss} has none")
        if self.aspect < 1:
            raise UsageError(f"aspect is {self.aspect}: it must be at least 1")
        for name, most in AUGMENTATION.items():
            if not 0 <= getattr(self, name) <= most:
                raise UsageError(f"{name} is {getattr(self, name)}: it must be 0 to {most}")
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
        if not 0 <= self.pseudo_confidence < 1:
            raise UsageError(
                f"pseudo_confidence is {self.pseudo_confidence}: it must be at least 0 and less "
                "than 1"
            )
        if self.pseudo_confidence and not self.unlabelled:
            raise UsageError("pseudo_confidence is for frames without labels: give --unlabelled")
        if not 0 < self.unlabelled_share < 1:
            raise UsageError(
                f"unlabelled_share is {self.unlabelled_share}: it must be more than 0 and less "
                "than 1"
            )
        if self.unlabelled and not self.teacher and self.pretrain == "none":
            raise UsageError("unlabelled frames are learned from a teacher: give --teacher")
        if self.pretrain != "none" and (self.teacher or self.qat or self.prune):
            raise UsageError("pretrain goes with no teacher, qat or prune")
