"""The CPU form of an INT8 artefact: the same numbers as the artefact, from integers throughout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from roadseg.calibration import collect_ranges, conv_names, quantize
from roadseg.runtime.engines import installed_engines, open_engine
from roadseg.runtime.engines.lowering import INTEGER_OPS, lower_for_cpu, read_ranges

SIZE = (48, 64)


@pytest.fixture(scope="module")
def network() -> onnx.ModelProto:
    """A network with every pattern: ReLU6, depthwise, add, resize, concat, pool."""
    random = np.random.default_rng(0)

    def weights(*shape: int) -> np.ndarray:
        return (random.normal(0, 1, shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)

    tensors = {
        "mean": np.float32(127), "scale": np.float32(1 / 128),
        "low": np.float32(0), "high": np.float32(6),
        "stem": weights(8, 3, 3, 3) * 4, "stem_bias": weights(8, 1)[:, 0],
        "depth": weights(8, 1, 3, 3) * 2, "depth_bias": weights(8, 1)[:, 0],
        "point": weights(8, 8, 1, 1), "double": np.array([1, 1, 2, 2], np.float32),
        "pool": weights(8, 8, 1, 1), "head": weights(4, 16, 1, 1), "head_bias": weights(4, 1)[:, 0],
    }  # fmt: skip
    same = {"pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("Cast", ["pixels"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["real", "mean"], ["centred"]),
        helper.make_node("Mul", ["centred", "scale"], ["normal"]),
        helper.make_node("Transpose", ["normal"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "stem", "stem_bias"], ["a0"], strides=[2, 2], **same),
        helper.make_node("Clip", ["a0", "low", "high"], ["a"]),
        helper.make_node("Conv", ["a", "depth", "depth_bias"], ["b0"], group=8, **same),
        helper.make_node("Clip", ["b0", "low", "high"], ["b"]),
        helper.make_node("Conv", ["b", "point"], ["c"]),
        helper.make_node("Add", ["c", "a"], ["d"]),
        helper.make_node("GlobalAveragePool", ["d"], ["e0"]),
        helper.make_node("Conv", ["e0", "pool"], ["e1"]),
        helper.make_node("Relu", ["e1"], ["e"]),
        helper.make_node("Add", ["d", "e"], ["f"]),
        helper.make_node("Resize", ["f", "", "double"], ["g"], mode="nearest",
                         coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
        helper.make_node("Resize", ["a", "", "double"], ["h"], mode="nearest",
                         coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
        helper.make_node("Concat", ["g", "h"], ["i"], axis=1),
        helper.make_node("Conv", ["i", "head", "head_bias"], ["logits"]),
    ]  # fmt: skip
    pixels = helper.make_tensor_value_info("pixels", TensorProto.UINT8, [1, *SIZE, 3])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 4, *SIZE])
    made = [numpy_helper.from_array(np.asarray(v), name) for name, v in tensors.items()]
    graph = helper.make_graph(nodes, "patterns", [pixels], [logits], made)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(model)
    return model


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (*SIZE, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def artefact(network: onnx.ModelProto, picture: np.ndarray) -> onnx.ModelProto:
    return quantize(network, collect_ranges(network, [picture]))


def run(model: onnx.ModelProto, picture: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"pixels": picture[None]})[0]


def snr_db(signal: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10(np.square(signal).sum() / np.square(signal - other).sum()))


def test_it_computes_what_the_artefact_computes(
    network: onnx.ModelProto, artefact: onnx.ModelProto, picture: np.ndarray
) -> None:
    expected, canonical = run(network, picture), run(artefact, picture)
    lowered = run(lower_for_cpu(artefact), picture)
    assert snr_db(expected, canonical) > 25
    assert snr_db(expected, lowered) > 25
    assert snr_db(canonical, lowered) > 25


def test_all_between_pixels_and_logits_is_integer(artefact: onnx.ModelProto) -> None:
    model = lower_for_cpu(artefact)
    onnx.checker.check_model(model)
    producer = {name: node for node in model.graph.node for name in node.output}
    assert [node.op_type for node in model.graph.node][:2] == ["DequantizeLinear", "Transpose"]
    seen = 0
    for node in model.graph.node:
        if node.op_type in INTEGER_OPS:
            seen += 1
            for name in node.input:
                if name in producer and name != "planes_planes":
                    assert producer[name].op_type == "DequantizeLinear", (node.op_type, name)
        if node.op_type == "Conv" and len(node.input) == 3:
            bias = producer[node.input[2]].input[0]
            tensor = next(each for each in model.graph.initializer if each.name == bias)
            assert tensor.data_type == TensorProto.INT32
    assert seen == 11


def test_the_scales_are_those_of_the_artefact(artefact: onnx.ModelProto) -> None:
    ranges = read_ranges(artefact)
    model = lower_for_cpu(artefact)
    value = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    found = 0
    for node in model.graph.node:
        name = node.output[0].removesuffix("_dq")
        if node.op_type == "DequantizeLinear" and name in ranges:
            scale, zero = (value[each] for each in node.input[1:])
            steps = {0: 255, 127: 127, 128: 127}[int(zero)]
            # A resize keeps the scale of what it moves.
            wanted = {"g": ranges["f"], "h": ranges["a"]}.get(name, ranges[name])
            assert scale * steps == pytest.approx(wanted, rel=1e-5)
            found += 1
    assert found >= 9


def test_convolutions_give_steps_and_nothing_is_left_to_scale(artefact: onnx.ModelProto) -> None:
    model = lower_for_cpu(artefact)
    value = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    producer = {name: node for node in model.graph.node for name in node.output}
    found = 0
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear":
            source = producer[node.input[0]]
            source = producer[source.input[0]] if source.op_type in ("Clip", "Relu") else source
            is_unit = [float(value[name]) for name in node.input[1:]] == [1, 0]
            assert is_unit == (source.op_type == "Conv")
            found += is_unit
    assert found == 4


def test_openvino_computes_every_convolution_in_integers(artefact: onnx.ModelProto) -> None:
    ov = pytest.importorskip("openvino", reason="looks into OpenVINO's graph")

    def precisions(model: onnx.ModelProto) -> list[str]:
        core = ov.Core()
        options = {"INFERENCE_PRECISION_HINT": "f32"}
        read = core.read_model(model.SerializeToString())
        compiled = core.compile_model(read, "CPU", options)
        told = [node.get_rt_info() for node in compiled.get_runtime_model().get_ordered_ops()]
        return [
            str(each["runtimePrecision"].value)
            for each in told
            if each["layerType"].value in ("Convolution", "GroupConvolution")
        ]

    assert set(precisions(lower_for_cpu(artefact))) <= {"u8", "i8"}


def test_negative_values_below_a_clip_are_kept(network: onnx.ModelProto) -> None:
    """A Clip to [-1, 6] is not a ReLU6: what it gives has both signs."""
    pixels = np.random.default_rng(2).integers(0, 256, (*SIZE, 3)).astype(np.uint8)
    signed = onnx.ModelProto()
    signed.CopyFrom(network)
    low = next(each for each in signed.graph.initializer if each.name == "low")
    low.CopyFrom(numpy_helper.from_array(np.float32(-1), "low"))
    made = quantize(signed, collect_ranges(signed, [pixels]))
    assert snr_db(run(signed, pixels), run(lower_for_cpu(made), pixels)) > 20


def test_a_channel_without_weights_gives_its_bias(
    network: onnx.ModelProto, picture: np.ndarray
) -> None:
    """Its weights' steps are next to nothing, in which its bias would be beyond int32."""
    pruned = onnx.ModelProto()
    pruned.CopyFrom(network)
    point = next(each for each in pruned.graph.initializer if each.name == "point")
    weights = numpy_helper.to_array(point).copy()
    weights[3] = 0
    weights[4] *= 1e-12
    point.CopyFrom(numpy_helper.from_array(weights, "point"))
    pruned.graph.initializer.append(
        numpy_helper.from_array(np.arange(8, dtype=np.float32), "point_bias")
    )
    conv = next(node for node in pruned.graph.node if node.output[0] == "c")
    conv.input.append("point_bias")
    made = quantize(pruned, collect_ranges(pruned, [picture]))
    assert snr_db(run(pruned, picture), run(lower_for_cpu(made), picture)) > 25


def test_layers_in_float_stay_float(network: onnx.ModelProto, picture: np.ndarray) -> None:
    ranges = collect_ranges(network, [picture])
    for kept in (["a0"], ["b0", "c"], conv_names(network)):
        model = lower_for_cpu(quantize(network, ranges, kept))
        assert snr_db(run(network, picture), run(model, picture)) > 25
        producer = {name: node for node in model.graph.node for name in node.output}
        for node in model.graph.node:
            if node.op_type == "Conv":
                is_float = node.input[1] not in producer
                assert is_float == (node.output[0] in kept)


def test_a_float_model_is_returned_as_it_is(network: onnx.ModelProto) -> None:
    assert lower_for_cpu(network) is network


def test_the_artefact_itself_is_not_changed(artefact: onnx.ModelProto) -> None:
    before = artefact.SerializeToString()
    lower_for_cpu(artefact)
    assert artefact.SerializeToString() == before


def test_the_engines_agree_on_a_trained_network(exported: Path, roads: Path) -> None:
    if len(installed_engines()) < 2:
        pytest.skip("openvino is not installed")
    from roadseg.data import open_dataset

    dataset = open_dataset(str(roads))
    engines = [open_engine(exported / "mobileunet-int8.onnx", name) for name in installed_engines()]
    same = []
    for sample in dataset.samples:
        for engine in engines:
            engine.input[:] = dataset.load(sample)[0]
        first, second = (engine.infer().argmax(0) for engine in engines)
        same.append((first == second).mean())
    assert np.mean(same) > 0.98
