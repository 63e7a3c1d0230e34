"""A command line built from a dataclass, so that help, defaults and code cannot differ.

A field is an option, its default the option's default, and the line `name: text` in the class's
docstring its help. `--batch-size 8`, `--batch-size=8` and `batch_size=8` mean the same.
"""

from __future__ import annotations

import argparse
import dataclasses
import re
import sys
import types
import typing
from collections.abc import Sequence
from typing import Any, NoReturn, TypeVar

from roadseg.runtime.errors import UsageError

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Size:
    """A width and a height in pixels, written WIDTHxHEIGHT."""

    width: int
    height: int

    @classmethod
    def parse(cls, text: str) -> Size:
        """Read "1024x512"."""
        match = re.fullmatch(r"(\d+)[xX](\d+)", text.strip())
        if not match:
            raise argparse.ArgumentTypeError(f"'{text}' is not WIDTHxHEIGHT, such as 1024x512")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see {self.prog} --help)")


def parse_options(
    command: str, kind: type[T], argv: Sequence[str] | None = None, positional: Sequence[str] = ()
) -> T:
    """Parse argv into the dataclass `kind`; its first docstring line describes the command.

    A field that it inherits may have its line in the class that it comes from. Fields named in
    `positional` are taken by place: a tuple takes any number, a field with a default may be left
    out. Raises UsageError for what cannot be parsed.
    """
    if not dataclasses.is_dataclass(kind):
        raise TypeError(f"{kind} is not a dataclass")
    doc = kind.__doc__ or ""
    parser = _Parser(prog=command, description=doc.split("\n\n")[0], allow_abbrev=False)
    hints = typing.get_type_hints(kind)
    names = [entry.name for entry in dataclasses.fields(kind)]
    for entry in dataclasses.fields(kind):
        _add(parser, entry, hints[entry.name], _help(kind, entry.name), entry.name in positional)
    words = [_as_flag(word, names) for word in (sys.argv[1:] if argv is None else argv)]
    values = vars(parser.parse_intermixed_args(words))
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


def _help(kind: type[Any], name: str) -> str:
    for owner in kind.__mro__:
        doc, how = owner.__doc__ or "", re.MULTILINE | re.DOTALL
        if match := re.search(rf"^\s*{name}: (.+?)(?=^\s*\w+: |\Z)", doc, how):
            return " ".join(match[1].split()).replace("%", "%%")
    raise TypeError(f"the option {name} has no line in its class's docstring")


def _as_flag(word: str, names: Sequence[str]) -> str:
    """Turn name=value into --name=value."""
    name, equals, value = word.partition("=")
    return f"--{name.replace('_', '-')}={value}" if equals and name in names else word


def _add(
    parser: argparse.ArgumentParser,
    entry: dataclasses.Field[Any],
    hint: Any,
    text: str,
    positional: bool,
) -> None:
    factory = entry.default_factory
    default = entry.default if factory is dataclasses.MISSING else factory()
    required = default is dataclasses.MISSING
    many, convert = _converter(hint)
    shown = (
        ""
        if required or default in (None, "", (), False)
        else f" (default: {_show(default)})".replace("%", "%%")
    )
    options: dict[str, Any] = {"help": text + shown}
    if positional:
        options["nargs"] = ("+" if required else "*") if many else (None if required else "?")
        if not required:
            options["default"] = default
        parser.add_argument(entry.name, type=convert, metavar=entry.name.upper(), **options)
        return
    flag = "--" + entry.name.replace("_", "-")
    options |= {"dest": entry.name, "required": required, "default": None if required else default}
    if hint is bool:
        parser.add_argument(flag, action=argparse.BooleanOptionalAction, **options)
    else:
        kind = _Comma(convert) if many else convert
        name = entry.name.rsplit("_", 1)[-1].upper() + (",…" if many else "")
        parser.add_argument(flag, type=kind, metavar=name, **options)


class _Comma:
    """Convert "a,b" to a tuple."""

    def __init__(self, convert: Any) -> None:
        self.convert = convert

    def __call__(self, text: str) -> tuple[Any, ...]:
        return tuple(self.convert(part) for part in text.split(",") if part)


def _converter(hint: Any) -> tuple[bool, Any]:
    """Return whether the hint is a tuple of any length, and what converts one word."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        hint = next(arm for arm in typing.get_args(hint) if arm is not type(None))
    if typing.get_origin(hint) is tuple:
        return True, _converter(typing.get_args(hint)[0])[1]
    return False, Size.parse if hint is Size else hint


def _show(default: Any) -> str:
    return ",".join(map(str, default)) if isinstance(default, tuple) else str(default)
