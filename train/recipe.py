"""Recipes: the options of a training run as a small TOML file.

network = "unet"                     # an option's name and its value
network_options = {widths = [32, 64]}
size = "512x512"
lr = 1e-4

A recipe's values stand where the command line says nothing. A run leaves its own recipe in its
folder, with every option written out.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from roadseg.runtime.errors import UsageError, unknown
from roadseg.runtime.options import Size
from roadseg.train.options import TrainOptions

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

RECIPE = "recipe.toml"  # in a run's folder
FOLDER = Path(__file__).with_name("recipes")
NOT_KEPT = ("recipe", "out", "resume")  # what does not belong to a run that is done again

KINDS: dict[type, tuple[tuple[type, ...], str]] = {
    bool: ((bool,), "true or false"),
    int: ((int,), "a whole number"),
    float: ((float, int), "a number"),
    str: ((str,), "text"),
    Path: ((str,), "text"),
    Size: ((str,), "WIDTHxHEIGHT, such as 1024x512"),
}


def shipped_recipes() -> list[str]:
    """Return the names of the recipes in the package."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def with_recipe(words: Sequence[str]) -> list[str]:
    """Return a command line with the options of its --recipe before it, if it has one.

    Raises UsageError for a recipe that is not there or cannot be used, with its file and key.
    """
    finder = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    finder.add_argument("--recipe", default="")
    flags = [f"--{word}" if word.startswith("recipe=") else word for word in words]
    try:
        name = finder.parse_known_args(flags)[0].recipe
    except argparse.ArgumentError:  # the command's own parser tells it
        name = ""
    return [*(recipe_words(find_recipe(name)) if name else []), *words]


def find_recipe(name: str) -> Path:
    """Return the file of a recipe in the package, by name, or of one's own, by path."""
    if name in shipped_recipes():
        return FOLDER / f"{name}.toml"
    if not name.endswith(".toml"):
        raise unknown("recipe", name, [*shipped_recipes(), "a .toml file"])
    return Path(name)


def recipe_words(path: Path) -> list[str]:
    """Read a recipe as the words of a command line."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"{path}: the recipe cannot be read ({reason})") from None
    hints = typing.get_type_hints(TrainOptions)
    del hints["recipe"]
    for name in values:
        if name not in hints:
            raise unknown(f"option in {path}", name, hints)
    return [_word(path, name, value, hints[name]) for name, value in values.items()]


def _word(path: Path, name: str, value: Any, hint: Any) -> str:
    """Return an option as the command line has it; UsageError for a value of another type."""
    flag = name.replace("_", "-")
    if name == "network_options" and isinstance(value, dict):
        return f"--{flag}={json.dumps(value, default=str)}"
    many, kind = _kind(hint)
    values = value if many and isinstance(value, list) else [value]
    if many is not isinstance(value, list) or not all(_is(kind, each) for each in values):
        wanted = f"a list, each {KINDS[kind][1]}" if many else KINDS[kind][1]
        shown = json.dumps(value, default=str, ensure_ascii=False)
        raise UsageError(f"{path}: {name} is {shown}: it must be {wanted}")
    if kind is bool:
        return f"--{flag}" if value else f"--no-{flag}"
    return f"--{flag}={','.join(map(str, values))}"


def _kind(hint: Any) -> tuple[bool, type]:
    """Return whether an option takes a list, and the type of one value."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        hint = next(arm for arm in typing.get_args(hint) if arm is not type(None))
    if typing.get_origin(hint) is tuple:
        return True, typing.get_args(hint)[0]
    return False, hint


def _is(kind: type, value: Any) -> bool:
    """Return whether a TOML value is of an option's type; true and false are no numbers."""
    if not isinstance(value, KINDS[kind][0]) or (isinstance(value, bool) and kind is not bool):
        return False
    if kind is not Size:
        return True
    try:
        return bool(Size.parse(str(value)))
    except argparse.ArgumentTypeError:
        return False


def recipe_text(options: TrainOptions, network_options: Mapping[str, Any]) -> str:
    """Return a run's options as a recipe that gives it again; where to is left open.

    network_options: as they were read, from JSON or a file.
    """
    values = {entry.name: getattr(options, entry.name) for entry in dataclasses.fields(options)}
    values["network_options"] = network_options or ""
    kept = {k: v for k, v in values.items() if k not in NOT_KEPT and v is not None}
    return "".join(f"{name} = {_toml(value)}\n" for name, value in kept.items())


def _toml(value: Any) -> str:
    """Return a value as TOML."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(k)} = {_toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, (bool, int, float)):
        return json.dumps(value)
    return json.dumps(str(value), ensure_ascii=False)
