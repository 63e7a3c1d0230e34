"""Exposure, gain, white balance and the other controls of a camera."""

from __future__ import annotations

from collections.abc import Iterator

from roadseg.runtime._v4l2 import Control, Device
from roadseg.runtime.errors import UsageError
from roadseg.runtime.sources.v4l2.options import V4l2Options

# The control of a value, its factor, the control of its automatic and what that is when off or on.
# Names differ between kernels: the first that the camera has is meant.
VALUES = {
    "exposure": (("exposure_time_absolute", "exposure_absolute"), 10, ("auto_exposure",), 1, 3),
    "gain": (("gain",), 1, ("gain_automatic", "autogain"), 0, 1),
    "white_balance": (
        ("white_balance_temperature",),
        1,
        ("white_balance_automatic", "white_balance_temperature_auto"),
        0,
        1,
    ),
}  # exposure is in units of 100 µs; its automatic is 1 (manual) or 3 (aperture priority)


def apply_controls(device: Device, options: V4l2Options) -> None:
    """Set what the options ask for. Raises UsageError for what the camera has not or cannot."""
    wanted = [*_standard(options, known := _known(device)), *_others(options)]
    for name, value in wanted:
        if name not in known:
            raise UsageError(f"the camera has no control '{name}': it has {', '.join(known)}")
        _set(device, known[name], value)


def _known(device: Device) -> dict[str, Control]:
    return {control.name: control for control in device.controls()}


def _standard(options: V4l2Options, known: dict[str, Control]) -> Iterator[tuple[str, int]]:
    for option, (values, factor, automatics, off, on) in VALUES.items():
        text = getattr(options, option)
        automatic = next((name for name in automatics if name in known), automatics[0])
        if text == "auto":
            yield automatic, on
        elif text:
            if automatic in known:
                yield automatic, off
            name = next((name for name in values if name in known), values[0])
            yield name, round(_number(option, text) * factor)


def _others(options: V4l2Options) -> Iterator[tuple[str, int]]:
    for pair in filter(None, options.controls.split(",")):
        name, _, text = pair.partition(":")
        yield name, round(_number(name, text))


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"'{name}' is '{text}', which is neither auto nor a number") from None


def _set(device: Device, control: Control, value: int) -> None:
    if not control.minimum <= value <= control.maximum:
        raise UsageError(
            f"the camera's '{control.name}' goes from {control.minimum} to {control.maximum}, "
            f"not to {value}"
        )
    device.set_control(control.id, value)
