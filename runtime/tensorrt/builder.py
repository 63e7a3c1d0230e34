"""Building a plan: ONNX → parser → network → plan, the same for TensorRT 10.3 to 11.4.

Precision comes from the graph alone (strong typing): Q/DQ for INT8, casts for float16. Version 11
took away the flags for it and moved the numbers of others, so flags are used by name.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from roadseg.runtime.errors import ModelError, SourceError, UsageError
from roadseg.runtime.options import Size
from roadseg.runtime.tensorrt.log import make_log, reason
from roadseg.runtime.tensorrt.options import HARDWARE, NO_DLA, PlanOptions
from roadseg.runtime.tensorrt.placement import (
    Placement,
    built_placement,
    possible_placement,
)

MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Built:
    """A plan and what is known of its making.

    plan: its bytes.
    timing_cache: timings of layers, for the next build; empty where there are none.
    placement: of its layers, for a plan with a DLA.
    seconds: that the build took.
    """

    plan: bytes
    timing_cache: bytes
    placement: Placement | None
    seconds: float


def build_plan(
    trt: Any, content: bytes, name: str, options: PlanOptions, timing_cache: bytes = b""
) -> Built:
    """Build a plan of an ONNX file's content; `name` is what errors call it.

    The count of devices must have been asked before (roadseg.runtime.cuda.open_cuda).
    Raises ModelError for what TensorRT cannot take or build, UsageError for an option that this
    version or device does not have, SourceError when TensorRT cannot start.
    """
    start = time.perf_counter()
    builder = PlanBuilder(trt, name, options)
    network = builder.parse(content)
    config = builder.configure(network)
    builder.use_timings(config, timing_cache)
    plan = builder.build(network, config)
    return Built(
        plan=plan,
        timing_cache=builder.timings(config),
        placement=builder.placement,
        seconds=time.perf_counter() - start,
    )


class PlanBuilder:
    """The steps of a build, which share TensorRT's builder and log."""

    def __init__(self, trt: Any, name: str, options: PlanOptions, verbose: bool = False) -> None:
        self.trt, self.name, self.options = trt, name, options
        self.log = make_log(trt, verbose)
        self.placement: Placement | None = None
        try:
            self.builder = trt.Builder(self.log)
        except (RuntimeError, TypeError) as error:  # pybind's word for a null pointer is TypeError
            why = reason(self.log, str(error).splitlines()[0])
            raise SourceError(f"TensorRT cannot start on this machine ({why})") from None
        if self._has_dla and options.dla_core >= self.builder.num_DLA_cores:
            raise UsageError(
                f"dla_core is {options.dla_core}: TensorRT {trt.__version__} finds "
                f"{self.builder.num_DLA_cores} DLA cores here"
            )

    @property
    def _has_dla(self) -> bool:
        return self.options.dla_core != NO_DLA

    def parse(self, content: bytes) -> Any:
        """Return the network of an ONNX file; raises ModelError with the parser's reason."""
        trt = self.trt
        flag = trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED
        network = self.builder.create_network(1 << int(flag))
        parser = trt.OnnxParser(network, self.log)
        if self._has_dla and hasattr(trt.OnnxParserFlag, "ADJUST_FOR_DLA"):
            parser.set_flag(trt.OnnxParserFlag.ADJUST_FOR_DLA)
        if not parser.parse(content):
            raise ModelError(f"{self.name}: TensorRT cannot load it ({self._refusal(parser)})")
        return network

    def _refusal(self, parser: Any) -> str:
        if not parser.num_errors:
            return reason(self.log)
        error = parser.get_error(0)
        text = " ".join(str(error.desc()).split())
        return f"node '{error.node_name()}', {error.node_operator()}: {text}"

    def configure(self, network: Any) -> Any:
        """Return the builder's configuration for the options."""
        trt, options = self.trt, self.options
        config = self.builder.create_builder_config()
        config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
        config.add_optimization_profile(self._profile(network))
        if options.workspace_mb:
            limit = options.workspace_mb * MEGABYTE
            config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, limit)
        if not options.tf32:
            config.clear_flag(trt.BuilderFlag.TF32)
        if options.version_compatible:
            config.set_flag(trt.BuilderFlag.VERSION_COMPATIBLE)
        if options.hardware != "this-gpu":
            config.hardware_compatibility_level = self._hardware_level()
        if self._has_dla:
            self._use_dla(network, config)
        return config

    def _profile(self, network: Any) -> Any:
        """Return the range of input sizes; batch 1, pixels last."""
        profile = self.builder.create_optimization_profile()
        options = self.options
        for number in range(network.num_inputs):
            entry = network.get_input(number)
            shapes = [_shape(size) for size in (options.least, options.best, options.most)]
            try:
                profile.set_shape(entry.name, *shapes)
            except (RuntimeError, ValueError) as error:
                raise ModelError(
                    f"{self.name}: input '{entry.name}' cannot have the sizes {options.sizes} "
                    f"({str(error).splitlines()[0]})"
                ) from None
        return profile

    def _hardware_level(self) -> Any:
        name = HARDWARE[self.options.hardware]
        level = getattr(self.trt.HardwareCompatibilityLevel, name, None)
        if level is None:
            raise UsageError(
                f"hardware is {self.options.hardware}: TensorRT {self.trt.__version__} "
                "does not have it"
            )
        return level

    def _use_dla(self, network: Any, config: Any) -> None:
        trt = self.trt
        config.default_device_type = trt.DeviceType.DLA
        config.DLA_core = self.options.dla_core
        config.set_flag(trt.BuilderFlag.GPU_FALLBACK)
        self.placement = possible_placement(network, config)

    def use_timings(self, config: Any, content: bytes) -> None:
        """Start from a timing cache; one of another GPU or version is as good as none."""
        kept = config.create_timing_cache(content)
        if kept is None or not config.set_timing_cache(kept, False):
            config.set_timing_cache(config.create_timing_cache(b""), False)

    def build(self, network: Any, config: Any) -> bytes:
        """Return the plan's bytes; raises ModelError with the builder's reason."""
        made = self.builder.build_serialized_network(network, config)
        if made is None:
            raise ModelError(f"{self.name}: TensorRT cannot build it ({reason(self.log)})")
        if self.placement:
            messages = [text for _, text in self.log.lines]
            self.placement = built_placement(messages, self.placement)
        return bytes(made)

    def timings(self, config: Any) -> bytes:
        """Return the timing cache after a build."""
        cache = config.get_timing_cache()
        return bytes(cache.serialize()) if cache is not None else b""


def _shape(size: Size) -> tuple[int, int, int, int]:
    return 1, size.height, size.width, 3
