"""The classes of public road data sets, and the common set that they map to."""

from __future__ import annotations

from roadseg.runtime.road_classes import ROAD_CLASSES
from roadseg.runtime.spec import ClassInfo, Color


def _classes(table: dict[str, Color], drivable: tuple[str, ...]) -> tuple[ClassInfo, ...]:
    return tuple(ClassInfo(name, color, name in drivable) for name, color in table.items())


# What the label maps in label_maps/ lead to: what a vehicle has to tell apart on any road.
ROAD_SET = _classes(
    {
        "drivable": (128, 64, 128),
        "lane mark": (255, 255, 255),
        "pavement": (244, 35, 232),  # and kerbs
        "vehicle": (0, 0, 142),  # with bicycles
        "person": (220, 20, 60),  # with riders
        "other": (70, 70, 70),
        "sky": (70, 130, 180),
    },
    drivable=("drivable", "lane mark"),
)

# Level 1 of IDD's labels; Varma et al., WACV 2019.
IDD_LITE_CLASSES = _classes(
    {
        "drivable": (128, 64, 128),
        "non-drivable": (244, 35, 232),
        "living things": (220, 20, 60),
        "vehicles": (0, 0, 142),
        "road-side objects": (220, 220, 0),
        "far objects": (70, 70, 70),
        "sky": (70, 130, 180),
    },
    drivable=("drivable",),
)

# Level 3 of IDD's labels, the 26 that its benchmark scores.
IDD_CLASSES = _classes(
    {
        "road": (128, 64, 128),
        "drivable fallback": (81, 0, 81),  # and parking
        "sidewalk": (244, 35, 232),
        "non-drivable fallback": (152, 251, 152),  # and rail track
        "person": (220, 20, 60),  # and animal
        "rider": (255, 0, 0),
        "motorcycle": (0, 0, 230),
        "bicycle": (119, 11, 32),
        "autorickshaw": (255, 204, 54),
        "car": (0, 0, 142),
        "truck": (0, 0, 70),
        "bus": (0, 60, 100),
        "vehicle fallback": (136, 143, 153),  # and caravan, trailer, train
        "curb": (220, 190, 40),
        "wall": (102, 102, 156),
        "fence": (190, 153, 153),
        "guard rail": (180, 165, 180),
        "billboard": (174, 64, 67),
        "traffic sign": (220, 220, 0),
        "traffic light": (250, 170, 30),
        "pole": (153, 153, 153),  # and polegroup
        "obs-str-bar-fallback": (169, 187, 214),
        "building": (70, 70, 70),
        "bridge": (150, 100, 100),  # and tunnel
        "vegetation": (107, 142, 35),
        "sky": (70, 130, 180),  # and fallback background
    },
    drivable=("road", "drivable fallback"),
)

# All of Cityscapes' labels, by label id; Cordts et al., CVPR 2016.
CITYSCAPES_LABELS = _classes(
    {
        "unlabeled": (0, 0, 0),
        "ego vehicle": (0, 0, 0),
        "rectification border": (0, 0, 0),
        "out of roi": (0, 0, 0),
        "static": (0, 0, 0),
        "dynamic": (111, 74, 0),
        "ground": (81, 0, 81),
        "road": (128, 64, 128),
        "sidewalk": (244, 35, 232),
        "parking": (250, 170, 160),
        "rail track": (230, 150, 140),
        "building": (70, 70, 70),
        "wall": (102, 102, 156),
        "fence": (190, 153, 153),
        "guard rail": (180, 165, 180),
        "bridge": (150, 100, 100),
        "tunnel": (150, 120, 90),
        "pole": (153, 153, 153),
        "polegroup": (153, 153, 153),
        "traffic light": (250, 170, 30),
        "traffic sign": (220, 220, 0),
        "vegetation": (107, 142, 35),
        "terrain": (152, 251, 152),
        "sky": (70, 130, 180),
        "person": (220, 20, 60),
        "rider": (255, 0, 0),
        "car": (0, 0, 142),
        "truck": (0, 0, 70),
        "bus": (0, 60, 100),
        "caravan": (0, 0, 90),
        "trailer": (0, 0, 110),
        "train": (0, 80, 100),
        "motorcycle": (0, 0, 230),
        "bicycle": (119, 11, 32),
    },
    drivable=("road", "parking"),
)

# Label ids of the 19 classes that the Cityscapes and BDD100K benchmarks score, by train id.
CITYSCAPES_TRAINED = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
CITYSCAPES_CLASSES = tuple(CITYSCAPES_LABELS[number] for number in CITYSCAPES_TRAINED)

CLASS_SETS = {
    "road": ROAD_SET,
    "camvid": ROAD_CLASSES,
    "idd_lite": IDD_LITE_CLASSES,
    "idd": IDD_CLASSES,
    "cityscapes": CITYSCAPES_CLASSES,
    "bdd100k": CITYSCAPES_CLASSES,
}
