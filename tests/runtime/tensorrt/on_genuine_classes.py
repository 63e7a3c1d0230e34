"""The builder and the engine on the classes of a genuine TensorRT, in a process of its own.

    python on_genuine_classes.py FOLDER STUBS

FOLDER holds an unpacked wheel of TensorRT's Python bindings, STUBS the libraries that it links,
which do nothing. Its classes become mocks that refuse every name which the genuine ones lack; its
enumerations are genuine.
"""

from __future__ import annotations

import contextlib
import ctypes
import inspect
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import create_autospec

from roadseg.runtime.cuda.fake_cuda import FakeCuda
from roadseg.runtime.engines.tensorrt_engine import deserialize, tensor_names
from roadseg.runtime.errors import ModelError, SourceError, UsageError
from roadseg.runtime.options import Size
from roadseg.runtime.tensorrt import fake_building, fake_running
from roadseg.runtime.tensorrt.builder import PlanBuilder, build_plan
from roadseg.runtime.tensorrt.fake_tensorrt import FakeTensorRt
from roadseg.runtime.tensorrt.options import HARDWARE, PlanOptions
from roadseg.runtime.tensorrt.plan import PlanKey, PlanRecord
from roadseg.runtime.tensorrt.platform import check_version

SIZE = Size(64, 32)


def load(folder: Path, stubs: Path) -> ModuleType:
    for library in sorted(stubs.iterdir()):
        ctypes.CDLL(str(library), ctypes.RTLD_GLOBAL)
    sys.path.insert(0, str(folder))
    import tensorrt_bindings

    return tensorrt_bindings


def mock(kind: type, **values: Any) -> Any:
    """Return an instance of a class that has the class's names and no other."""
    made = create_autospec(kind, instance=True, spec_set=True)
    for name, value in values.items():
        target = getattr(made, name)
        if callable(getattr(kind, name)):
            target.return_value = value
        else:
            setattr(made, name, value)
    return made


class Surface:
    """The genuine module, but for the classes that need a GPU."""

    def __init__(self, genuine: ModuleType) -> None:
        self._genuine = genuine
        entry = SimpleNamespace(name="pixels")
        layer = SimpleNamespace(name="layer")
        network = mock(
            genuine.INetworkDefinition,
            num_inputs=1,
            get_input=entry,
            num_layers=2,
            get_layer=layer,
        )
        cache = mock(genuine.ITimingCache, serialize=b"timings")
        self.config = mock(
            genuine.IBuilderConfig,
            create_timing_cache=cache,
            get_timing_cache=cache,
            set_timing_cache=True,
            can_run_on_DLA=True,
        )
        self.builder = mock(
            genuine.Builder,
            create_network=network,
            create_builder_config=self.config,
            create_optimization_profile=mock(genuine.IOptimizationProfile),
            build_serialized_network=b"a plan",
            num_DLA_cores=2,
        )
        self.parser = mock(genuine.OnnxParser, parse=True, num_errors=0)
        context = mock(genuine.IExecutionContext, set_input_shape=True, execute_async_v3=True)
        engine = mock(genuine.ICudaEngine, num_io_tensors=2, create_execution_context=context)
        engine.get_tensor_name.side_effect = ["pixels", "logits"]
        modes = genuine.TensorIOMode
        engine.get_tensor_mode.side_effect = [modes.INPUT, modes.OUTPUT]
        engine.get_tensor_dtype.side_effect = [genuine.uint8, genuine.float32]
        self.engine = engine
        self.runtime = mock(genuine.Runtime, deserialize_cuda_engine=engine)

    def Builder(self, logger: Any) -> Any:
        assert isinstance(logger, self._genuine.ILogger)
        return self.builder

    def OnnxParser(self, network: Any, logger: Any) -> Any:
        return self.parser

    def Runtime(self, logger: Any) -> Any:
        assert isinstance(logger, self._genuine.ILogger)
        return self.runtime

    def __getattr__(self, name: str) -> Any:
        return getattr(self._genuine, name)


def check_builder(trt: Any) -> None:
    options = PlanOptions.of_size(
        SIZE, workspace_mb=64, dla_core=1, version_compatible=True, hardware="ampere+"
    )
    built = build_plan(trt, b"onnx", "network", options, b"timings before")
    assert built.plan == b"a plan"
    assert built.timing_cache == b"timings"
    assert str(built.placement) == "2 of 2 layers of the network on the DLA"
    trt.builder.create_network.assert_called_once_with(
        1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    )
    flags = trt.BuilderFlag
    assert [each.args for each in trt.config.set_flag.call_args_list] == [
        (flags.VERSION_COMPATIBLE,),
        (flags.GPU_FALLBACK,),
    ]
    trt.config.clear_flag.assert_called_once_with(flags.TF32)
    trt.config.set_memory_pool_limit.assert_called_once_with(trt.MemoryPoolType.WORKSPACE, 64 << 20)
    assert trt.config.default_device_type == trt.DeviceType.DLA
    assert trt.config.hardware_compatibility_level == trt.HardwareCompatibilityLevel.AMPERE_PLUS
    if hasattr(trt.OnnxParserFlag, "ADJUST_FOR_DLA"):
        trt.parser.set_flag.assert_called_once_with(trt.OnnxParserFlag.ADJUST_FOR_DLA)


def check_hardware_levels(trt: Any) -> None:
    for name in HARDWARE:
        options = PlanOptions.of_size(SIZE, hardware=name)
        has = hasattr(trt.HardwareCompatibilityLevel, HARDWARE[name])
        with contextlib.nullcontext() if has else contextlib.suppress(UsageError):
            build_plan(trt, b"onnx", "network", options)
            assert has


def check_refusals(trt: Any) -> None:
    options = PlanOptions.of_size(SIZE)
    error = mock(trt.ParserError, desc="no importer", node_name="conv", node_operator="Strange")
    trt.parser.parse.return_value, trt.parser.num_errors = False, 1
    trt.parser.get_error.return_value = error
    expect(ModelError, "cannot load it (node 'conv', Strange: no importer)", trt, options)
    trt.parser.parse.return_value = True
    trt.builder.build_serialized_network.return_value = None
    expect(ModelError, "cannot build it (it gives no reason)", trt, options)


def check_null_library(genuine: Any) -> None:
    """The stub libraries return null pointers, as TensorRT does when CUDA does not start."""
    try:
        PlanBuilder(genuine, "network", PlanOptions.of_size(SIZE))
    except SourceError as error:
        assert "TensorRT cannot start on this machine" in str(error)
    else:
        raise AssertionError("a builder was made of nothing")


def expect(kind: type[Exception], text: str, trt: Any, options: PlanOptions) -> None:
    try:
        build_plan(trt, b"onnx", "network", options)
    except kind as error:
        assert text in str(error), error
    else:
        raise AssertionError(f"no {kind.__name__}")


def check_engine(trt: Any) -> None:
    options = PlanOptions.of_size(SIZE, dla_core=0, version_compatible=True)
    record = PlanRecord(PlanKey("", trt.__version__, "", "", 0, options), "")
    with contextlib.ExitStack() as made:
        engine, context = deserialize(trt, b"a plan", Path("a.plan"), record, made)
        assert tensor_names(trt, engine, SimpleNamespace(name="network")) == ("pixels", "logits")
        for name in ("set_input_shape", "get_tensor_shape", "set_tensor_address"):
            assert callable(getattr(context, name))
        assert context.execute_async_v3(7)
    assert trt.runtime.DLA_core == 0
    assert trt.runtime.engine_host_code_allowed is True  # a mock's own value is true as well


def check_fake(genuine: Any) -> None:
    """Every public name of the fake is one of the genuine package's."""
    classes = {
        "Builder": fake_building.FakeBuilder,
        "INetworkDefinition": fake_building.FakeNetwork,
        "OnnxParser": fake_building.FakeParser,
        "IOptimizationProfile": fake_building.FakeProfile,
        "ITimingCache": fake_building.FakeTimingCache,
        "IBuilderConfig": fake_building.FakeConfig,
        "Runtime": fake_running.FakeRuntime,
        "ICudaEngine": fake_running.FakeEngine,
        "IExecutionContext": fake_running.FakeContext,
    }
    for name, fake in classes.items():
        methods = {each for each, _ in inspect.getmembers(fake) if not each.startswith("_")}
        assert methods <= set(dir(getattr(genuine, name))), (name, methods)
    fake_module = FakeTensorRt(FakeCuda())
    for name in ("BuilderFlag", "MemoryPoolType", "DeviceType", "ProfilingVerbosity"):
        names = {each.name for each in getattr(fake_module, name)}
        assert names <= set(dir(getattr(genuine, name))), name


def main(folder: Path, stubs: Path) -> None:
    genuine = load(folder, stubs)
    check_version(genuine.__version__)
    check_builder(Surface(genuine))
    check_hardware_levels(Surface(genuine))
    check_refusals(Surface(genuine))
    check_engine(Surface(genuine))
    check_fake(genuine)
    check_null_library(genuine)
    print(f"TensorRT {genuine.__version__}: as expected")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
