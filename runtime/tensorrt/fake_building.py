"""What the fake TensorRT builds plans with."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

from roadseg.runtime.tensorrt.fake_tensorrt import FakeTensorRt, Severity

MAGIC = b"fake plan\n"


class FakeBuilder:
    """See tensorrt.Builder."""

    def __init__(self, trt: FakeTensorRt, logger: Any) -> None:
        self.trt, self.logger, self.num_DLA_cores = trt, logger, trt.dla_cores

    def create_network(self, flags: int) -> Any:
        """See the class."""
        if flags != 1 << int(self.trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED):
            raise AssertionError("the network must be strongly typed")
        return FakeNetwork()

    def create_builder_config(self) -> Any:
        """See the class."""
        return FakeConfig(self.trt)

    def create_optimization_profile(self) -> Any:
        """See the class."""
        return FakeProfile()

    def build_serialized_network(self, network: Any, config: Any) -> bytes | None:
        """See the class."""
        self.trt.builds += 1
        if config.default_device_type == self.trt.DeviceType.DLA:
            for layer in network.layers:
                place = "DlaLayer" if config.can_run_on_DLA(layer) else "GpuLayer"
                self.logger.log(Severity.INFO, f"[{place}] {layer.name}")
        head = {**self.trt.head(), "profile": config.profile.shapes}
        return b"%s%d\n%s\n%s" % (
            MAGIC,
            len(network.content),
            json.dumps(head).encode(),
            network.content,
        )


class FakeNetwork:
    """See tensorrt.INetworkDefinition."""

    def __init__(self) -> None:
        self.content = b""
        self.layers: list[Any] = []
        self.inputs: list[Any] = []

    @property
    def num_layers(self) -> int:
        """See the class."""
        return len(self.layers)

    @property
    def num_inputs(self) -> int:
        """See the class."""
        return len(self.inputs)

    def get_layer(self, index: int) -> Any:
        """See the class."""
        return self.layers[index]

    def get_input(self, index: int) -> Any:
        """See the class."""
        return self.inputs[index]


class FakeParser:
    """See tensorrt.OnnxParser."""

    def __init__(self, network: FakeNetwork) -> None:
        self.network = network
        self.errors: list[Any] = []

    @property
    def num_errors(self) -> int:
        """See the class."""
        return len(self.errors)

    def get_error(self, index: int) -> Any:
        """See the class."""
        return self.errors[index]

    def parse(self, model: bytes) -> bool:
        """See the class."""
        import onnx

        graph = onnx.load_model_from_string(model).graph
        for node in graph.node:
            name = node.name or node.output[0]
            self.network.layers.append(SimpleNamespace(name=name, type=node.op_type))
            if not onnx.defs.has(node.op_type):
                told = {"desc": "no importer", "node_name": name, "node_operator": node.op_type}
                self.errors.append(
                    SimpleNamespace(**{key: lambda text=text: text for key, text in told.items()})
                )
        self.network.content = model
        self.network.inputs = [SimpleNamespace(name=each.name) for each in graph.input]
        return not self.errors


class FakeProfile:
    """See tensorrt.IOptimizationProfile."""

    def __init__(self) -> None:
        self.shapes: dict[str, list[list[int]]] = {}

    def set_shape(self, input: str, min: Any, opt: Any, max: Any) -> None:
        """See the class."""
        self.shapes[input] = [list(shape) for shape in (min, opt, max)]


class FakeTimingCache:
    """See tensorrt.ITimingCache."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def serialize(self) -> bytes:
        """See the class."""
        return self.content


class FakeConfig:
    """See tensorrt.IBuilderConfig."""

    def __init__(self, trt: FakeTensorRt) -> None:
        self.trt = trt
        self.flags = {trt.BuilderFlag.TF32}
        self.default_device_type = trt.DeviceType.GPU
        self.DLA_core, self.profile = -1, FakeProfile()
        self.limits: dict[int, int] = {}

    def add_optimization_profile(self, profile: FakeProfile) -> int:
        """See the class."""
        self.profile = profile
        return 0

    def set_flag(self, flag: Any) -> None:
        """See the class."""
        self.flags.add(flag)

    def clear_flag(self, flag: Any) -> None:
        """See the class."""
        self.flags.discard(flag)

    def set_memory_pool_limit(self, pool: Any, pool_size: int) -> None:
        """See the class."""
        self.limits[int(pool)] = pool_size

    def can_run_on_DLA(self, layer: Any) -> bool:
        """See the class."""
        return layer.name not in self.trt.refuses

    def create_timing_cache(self, serialized_timing_cache: bytes) -> FakeTimingCache | None:
        """See the class."""
        kept = serialized_timing_cache
        return FakeTimingCache(kept) if kept in (b"", self._timings()) else None

    def set_timing_cache(self, cache: FakeTimingCache, ignore_mismatch: bool) -> bool:
        """See the class."""
        self.cache = cache
        return True

    def get_timing_cache(self) -> FakeTimingCache:
        """See the class."""
        return FakeTimingCache(self._timings())

    def _timings(self) -> bytes:
        return json.dumps(self.trt.head()).encode()
