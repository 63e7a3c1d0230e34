"""What follows the question mark: options in the name of a source or data set."""

from __future__ import annotations

import argparse
import re
import typing
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from roadseg.runtime.errors import UsageError
from roadseg.runtime.options import Size

T = TypeVar("T")

LOGIN = re.compile(r"://(?:[^\s/:]*:(?!\d*/)\S*|[^\s/]*)@")
SECRET = re.compile(
    r"(\b(?:pw|pwd|pass|password|passphrase|token|secret)\s*=\s*)(?:\"[^\"]*\"|'[^']*'|[^\s&]+)",
    re.IGNORECASE,
)


def parse_query(
    uri: str,
    kind: type[T],
    query: str | None = None,
    defaults: Mapping[str, Any] = MappingProxyType({}),
) -> T:
    """Read KIND:?key=value&… into the dataclass `kind`, whose fields are the keys.

    query: what follows the question mark, where something stands before it.
    defaults: of fields that are not told, instead of the dataclass's.
    Raises UsageError that names the key or value that does not fit.
    """
    query = uri.partition(":")[2] if query is None else query
    hints = typing.get_type_hints(kind)
    values: dict[str, Any] = dict(defaults)
    for key, text in parse_qsl(query.lstrip("?"), keep_blank_values=True):
        if key not in hints:
            raise UsageError(f"{uri}: unknown option '{key}': known are {', '.join(hints)}")
        values[key] = _convert(uri, key, text, hints[key])
    return kind(**values)


def _convert(uri: str, key: str, text: str, hint: Any) -> Any:
    try:
        if hint == Size | None:
            hint = Size
        if hint is bool:
            return {"1": True, "true": True, "0": False, "false": False}[text.lower()]
        return Size.parse(text) if hint is Size else hint(text)
    except (ValueError, KeyError, argparse.ArgumentTypeError):
        like = {bool: "1 or 0", Size: "WIDTHxHEIGHT", int: "a whole number"}.get(hint, "a number")
        raise UsageError(f"{uri}: '{key}' is '{text}', which is not {like}") from None


def hide_password(uri: str) -> str:
    """Return a URI, or a pipeline, that can be shown: *** for who logs in, and for what is secret.

    What a URL has before its last @ is a login, a / in the password among it, unless what
    follows host: is a port. Secrets are told by names: user-pw=…, ?password=….
    """
    return SECRET.sub(r"\1***", LOGIN.sub("://***@", uri))
