"""Masks and images as other tools write them: read right, or named, or repaired."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from roadseg.data import open_dataset
from roadseg.data.cli import main

HEIGHT, WIDTH = 32, 48
Told = pytest.CaptureFixture[str]
ABOUT = """
[[classes]]
name = "road"
color = [128, 64, 128]
[[classes]]
name = "car"
color = [0, 0, 142]
[[classes]]
name = "sky"
color = [70, 130, 180]
"""
MASK = np.zeros((HEIGHT, WIDTH), np.uint8)
MASK[10:20, 5:15], MASK[:8] = 1, 2


def make(folder: Path, mask: bytes, image: bytes | None = None, suffix: str = ".jpg") -> Path:
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    (folder / "images" / f"a{suffix}").write_bytes(image or encode(picture(), ".jpg"))
    (folder / "masks" / "a.png").write_bytes(mask)
    (folder / "dataset.toml").write_text(ABOUT)
    return folder


def picture() -> np.ndarray:
    small = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    return cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)


def encode(pixels: np.ndarray, suffix: str = ".png") -> bytes:
    return cv2.imencode(suffix, pixels)[1].tobytes()


def load(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    dataset = open_dataset(str(folder))
    return dataset.load(dataset.samples[0])


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def palette_png(ids: np.ndarray, palette: list[tuple[int, int, int]], depth: int = 8) -> bytes:
    """A PNG with a palette, written by hand: OpenCV writes none."""
    height, width = ids.shape
    bits = np.unpackbits(ids[..., None], axis=2)[..., 8 - depth :].reshape(height, -1)
    rows = b"".join(b"\0" + row.tobytes() for row in np.packbits(bits, axis=1))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, 3, 0, 0, 0))
        + chunk(b"PLTE", bytes(value for color in palette for value in color))
        + chunk(b"tRNS", b"\x80")
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


FOREIGN = [(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0)]  # PASCAL VOC's colours


@pytest.mark.parametrize("depth", [2, 4, 8])
def test_a_palette_of_other_colours_counts_by_number(tmp_path: Path, depth: int) -> None:
    folder = make(tmp_path, palette_png(MASK, FOREIGN, depth))
    np.testing.assert_array_equal(load(folder)[1], MASK)


def test_a_palette_of_two(tmp_path: Path) -> None:
    folder = make(tmp_path, palette_png(MASK % 2, [(9, 9, 9), (8, 8, 8)], 1))
    np.testing.assert_array_equal(load(folder)[1], MASK % 2)


def test_a_palette_of_the_classes_colours_counts_by_colour(tmp_path: Path) -> None:
    """As a tool writes that saves colour masks small: numbers have no meaning."""
    colors = [(70, 130, 180), (128, 64, 128), (0, 0, 142)]
    folder = make(tmp_path, palette_png((MASK + 1) % 3, colors))
    np.testing.assert_array_equal(load(folder)[1], MASK)


def test_a_number_of_a_palette_that_is_no_class(tmp_path: Path, capsys: Told) -> None:
    mask = MASK.copy()
    mask[3, 4] = 3
    folder = make(tmp_path, palette_png(mask, FOREIGN))
    assert main(["check", str(folder)]) == 1
    assert "a.png: value 3 at (4, 3) is no class" in capsys.readouterr().out


def test_a_palette_png_that_is_cut_short(tmp_path: Path, capsys: Told) -> None:
    folder = make(tmp_path, palette_png(MASK, FOREIGN)[:-20])
    assert main(["check", str(folder)]) == 1
    assert "a.png: the PNG is cut short" in capsys.readouterr().out


def fix(folder: Path, capsys: Told) -> str:
    assert main(["check", str(folder)]) == 1
    assert "seg-data check --fix" in capsys.readouterr().out
    assert main(["check", str(folder), "--fix"]) == 0
    out = capsys.readouterr().out
    assert "no faults" in out
    assert sorted(path.name for path in (folder / "masks").iterdir()) == ["a.png"]
    return out


def test_16_bits_are_written_as_8(tmp_path: Path, capsys: Told) -> None:
    folder = make(tmp_path, encode(MASK.astype(np.uint16)))
    told = f"fixed: {folder / 'masks' / 'a.png'}: 16 bits written as 8"
    assert told in fix(folder, capsys).splitlines()
    np.testing.assert_array_equal(load(folder)[1], MASK)


def test_ids_in_three_channels_are_written_as_one(tmp_path: Path, capsys: Told) -> None:
    folder = make(tmp_path, encode(np.dstack([MASK] * 3)))
    assert "a.png: three equal channels written as one" in fix(folder, capsys)
    np.testing.assert_array_equal(load(folder)[1], MASK)


@pytest.mark.parametrize(
    ("other", "wanted"),
    [(MASK, 0), (np.full((HEIGHT, WIDTH, 3), (142, 0, 0), np.uint8), 255)],  # ids, or a car's BGR
)
def test_black_beside_ids_in_three_channels_is_class_0(
    tmp_path: Path, other: np.ndarray, wanted: int
) -> None:
    """Void as before where colours are beside it too."""
    folder = make(tmp_path, encode(np.dstack([MASK] * 3)))
    for name, mask in (("b", np.zeros((HEIGHT, WIDTH, 3), np.uint8)), ("c", other)):
        (folder / "images" / f"{name}.jpg").write_bytes(encode(picture(), ".jpg"))
        (folder / "masks" / f"{name}.png").write_bytes(encode(mask))
    assert main(["check", str(folder), "--fix"]) == 0
    dataset = open_dataset(str(folder))
    assert set(dataset.load(dataset.samples[1])[1].ravel()) == {wanted}


def stored_turned(orientation: int) -> bytes:
    """A JPEG of the mask in grey, to be shown turned."""
    tag = struct.pack("<HHIHHI", 0x0112, 3, 1, orientation, 0, 0)
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 1) + tag
    plain = encode(np.dstack([MASK * 100] * 3), ".jpg")
    return plain[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + plain[2:]


COLOURS = [(128, 64, 128), (0, 0, 142), (70, 130, 180)]  # of the classes


@pytest.mark.parametrize(
    ("mask", "wanted"),
    [
        (encode(MASK), MASK),
        (palette_png(MASK, FOREIGN), MASK),
        (palette_png(MASK, [*COLOURS[1:], COLOURS[0], (1, 1, 1)]), MASK),  # by number
        (palette_png((MASK + 1) % 3, [COLOURS[2], *COLOURS[:2]]), MASK),  # by colour
        (encode(np.zeros((HEIGHT, WIDTH, 3), np.uint8)), np.full_like(MASK, 255)),
    ],
)
def test_a_mask_that_is_turned_keeps_its_classes(
    tmp_path: Path, capsys: Told, mask: bytes, wanted: np.ndarray
) -> None:
    folder = make(tmp_path, mask, stored_turned(6))
    assert "turned upright like its image" in fix(folder, capsys)
    np.testing.assert_array_equal(load(folder)[1], np.rot90(wanted, -1))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_that_is_stored_turned(tmp_path: Path, orientation: int, capsys: Told) -> None:
    """The mask is of the image as it is shown; one of the stored pixels is turned like them."""
    folder = make(tmp_path, encode(MASK), stored_turned(orientation))
    sideways = orientation > 4
    if sideways:
        assert "turned upright like its image" in fix(folder, capsys)
    else:
        assert main(["check", str(folder)]) == 0
    pixels, mask = load(folder)
    assert pixels.shape[:2] == mask.shape == ((WIDTH, HEIGHT) if sideways else (HEIGHT, WIDTH))
    if sideways:
        assert np.abs(pixels[..., 0].astype(int) - mask * 100).mean() < 10


def test_what_has_no_right_answer_stays_a_fault(tmp_path: Path, capsys: Told) -> None:
    for name, mask in (
        ("wide", MASK.astype(np.uint16) + 256),
        ("small", MASK[:9].astype(np.uint16)),
        ("strange", np.dstack([MASK + 60] * 3)),
        ("colours", np.dstack([MASK, MASK + 1, MASK + 2]).astype(np.uint16)),
    ):
        content = encode(mask)
        folder = make(tmp_path / name, content)
        assert main(["check", str(folder), "--fix"]) == 1
        assert "fixed" not in capsys.readouterr().out
        assert (folder / "masks" / "a.png").read_bytes() == content


def test_only_the_plain_layout_is_repaired(tmp_path: Path, capsys: Told) -> None:
    for kind in ("images", "masks"):
        (tmp_path / "train" / kind).mkdir(parents=True)
        cv2.imwrite(str(tmp_path / "train" / kind / "a_0.png"), MASK.astype(np.uint16))
    assert main(["check", f"camvid:{tmp_path}", "--fix"]) == 2
    assert "--fix repairs a folder in the plain layout: seg-data convert" in capsys.readouterr().err


def test_a_jpeg_in_cmyk_is_read_in_its_colours(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image", reason="OpenCV writes no CMYK")
    rgb = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    rgb[:, :16], rgb[:, 16:32], rgb[:, 32:] = (200, 30, 40), (20, 160, 60), (240, 240, 230)
    path = tmp_path / "cmyk.jpg"
    image.fromarray(rgb).convert("CMYK").save(path, quality=95)
    pixels, _ = load(make(tmp_path / "set", encode(MASK), path.read_bytes()))
    assert np.abs(pixels.astype(int) - rgb).mean() < 4


def test_an_image_of_16_bits_is_read_in_8(tmp_path: Path) -> None:
    image = encode(picture().astype(np.uint16) * 257)
    pixels, _ = load(make(tmp_path, encode(MASK), image, ".png"))
    np.testing.assert_array_equal(pixels[..., ::-1], picture())


def test_names_that_become_one(tmp_path: Path, capsys: Told) -> None:
    folder = make(tmp_path, encode(MASK))
    for name in ("x/y_z", "x_y/z"):
        (folder / "images" / name).parent.mkdir()
        (folder / "images" / f"{name}.png").write_bytes(encode(picture()))
    assert main(["check", str(folder)]) == 2
    assert "z.png: has the same name as" in capsys.readouterr().err


def test_a_class_that_is_there_twice(tmp_path: Path, capsys: Told) -> None:
    folder = make(tmp_path, encode(MASK))
    (folder / "dataset.toml").write_text(ABOUT.replace('"sky"', '"road"'))
    assert main(["check", str(folder)]) == 2
    assert "dataset.toml: class 'road' is there twice" in capsys.readouterr().err
