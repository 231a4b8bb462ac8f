"""Time per face of the generator beside networks of the same job, in one run.

Usage: python benchmarks/peers.py [--threads 2] [--repeats 3]

Needs `onnx`. The peers are rebuilt from the tables of their papers with random weights, which cost
the same time as trained ones: FRAN (Zoss et al. 2022, "Production-Ready Face Re-Aging for Visual
Effects") is a U-Net of five levels at 512 px that sees the photo and two maps of ages; HRFAE (Yao
et al. 2020, "High Resolution Face Age Editing") scales 128 feature maps of a 1024 px photo by age;
"published" is `reage.models.published`, a Re-Aging GAN at 200 px. Its few layers that turn an age
into a style are left out. Only the networks are timed: no detector, no warp. All run in ONNX
Runtime through the package's own `open_session`, in turn, with one face per call.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import onnx
from machine import Times, describe_machine, measure
from onnx import TensorProto, helper, numpy_helper

from reage.inference.session import DECODER_FILE, ENCODER_FILE, AgingModel
from reage.onnx_session import open_session
from reage.weights import load_weights

OPSET = 17
AGE = 70.0
# Its calls are short: only several in a row tell the time.
FACES = 10


@dataclass
class _Network:
    """An ONNX graph that grows by one layer per call; `x` is always the name of a tensor."""

    channels: dict[str, int]
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    weights: list[onnx.TensorProto] = field(default_factory=list)
    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    def add(self, kind: str, inputs: list[str], channels: int, **attributes: object) -> str:
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        self.channels[name] = channels
        return name

    def weight(self, values: np.ndarray) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(values, name))
        return name

    def conv(
        self, x: str, channels: int, side: int, *, stride: int = 1, mirror: bool = False
    ) -> str:
        shape = (channels, self.channels[x], side, side)
        values = self.random.standard_normal(shape) / np.prod(shape[1:]) ** 0.5
        kernel, bias = self.weight(values.astype(np.float32)), self.weight(zeros(channels))
        before, after = side // 2, (side - 1) // 2
        pads = [before, before, after, after]
        if mirror:
            widths = self.weight(np.array([0, 0, before, before, 0, 0, after, after]))
            x, pads = self.add("Pad", [x, widths], self.channels[x], mode="reflect"), [0] * 4
        return self.add("Conv", [x, kernel, bias], channels, strides=[stride] * 2, pads=pads)

    def blur_pool(self, x: str) -> str:
        count = self.channels[x]
        kernel = np.outer([1, 2, 1], [1, 2, 1]) / np.float32(16)
        values = np.broadcast_to(kernel, (count, 1, 3, 3)).astype(np.float32)
        options = {"strides": [2, 2], "pads": [1] * 4, "group": count}
        return self.add("Conv", [x, self.weight(values)], count, **options)

    def norm(self, x: str) -> str:
        count = self.channels[x]
        scale, offset = self.weight(zeros(count) + 1), self.weight(zeros(count))
        return self.add("InstanceNormalization", [x, scale, offset], count)

    def leaky(self, x: str) -> str:
        return self.add("LeakyRelu", [x], self.channels[x], alpha=0.2)

    def shrink(self, x: str, factor: int) -> str:
        sides = [factor] * 2
        return self.add("AveragePool", [x], self.channels[x], kernel_shape=sides, strides=sides)

    def grow(self, x: str, factor: int, mode: str = "nearest") -> str:
        scales = self.weight(np.array([1, 1, factor, factor], np.float32))
        return self.add("Resize", [x, "", scales], self.channels[x], mode=mode)

    def join(self, x: str, y: str) -> str:
        return self.add("Concat", [x, y], self.channels[x] + self.channels[y], axis=1)

    def plus(self, x: str, y: str) -> str:
        return self.add("Add", [x, y], self.channels[x])


def zeros(count: int) -> np.ndarray:
    return np.zeros(count, np.float32)


def fran(net: _Network, photo: str) -> str:
    def twice(x: str, channels: int) -> str:
        for _ in range(2):
            x = net.leaky(net.conv(x, channels, 3))
        return x

    levels = [twice(photo, 64)]
    for channels in (128, 256, 512, 512):
        levels.append(twice(net.blur_pool(levels[-1]), channels))
    x = levels.pop()
    for channels in (256, 128, 64, 64):
        x = twice(net.join(net.grow(x, 2, "linear"), levels.pop()), channels)
    return net.conv(x, 3, 1)


def hrfae(net: _Network, photo: str) -> str:
    def layer(x: str, channels: int, side: int = 3, stride: int = 1) -> str:
        return net.leaky(net.norm(net.conv(x, channels, side, stride=stride, mirror=True)))

    half = layer(layer(photo, 32, 9), 64, stride=2)
    x = quarter = layer(half, 128, stride=2)
    for _ in range(4):
        x = net.plus(x, layer(layer(x, 128), 128))
    gains = net.weight(net.random.random((1, 128, 1, 1), np.float32))
    x = layer(net.grow(net.join(net.add("Mul", [x, gains], 128), quarter), 2), 64)
    x = layer(net.grow(net.join(x, half), 2), 32)
    return net.conv(x, 3, 9, mirror=True)


def published(net: _Network, photo: str) -> str:
    def block(x: str, channels: int, *, norm: bool, shrink: int = 1, grow: int = 1) -> str:
        def resized(y: str) -> str:
            return net.shrink(y, shrink) if shrink > 1 else net.grow(y, grow) if grow > 1 else y

        def prepared(y: str) -> str:
            return net.leaky(net.norm(y) if norm else y)

        y = net.conv(prepared(net.conv(resized(prepared(x)), channels, 3)), channels, 3)
        shortcut = resized(x)
        if net.channels[x] != channels:
            shortcut = net.conv(shortcut, channels, 1)
        return net.plus(shortcut, y)

    x = net.conv(photo, 64, 4)
    for channels, factor in ((128, 2), (256, 2), (512, 2), (512, 5), (512, 1), (512, 1)):
        x = block(x, channels, norm=factor > 1, shrink=factor)
    for channels, factor in ((512, 1), (512, 1), (512, 5), (256, 2), (128, 2), (64, 2)):
        x = block(x, channels, norm=True, grow=factor)
    return net.conv(x, 3, 1)


def build(layers: Callable[[_Network, str], str], side: int, channels: int) -> onnx.ModelProto:
    net = _Network({"photo": channels})
    result = layers(net, "photo")
    shape = [1, channels, side, side]
    photo = helper.make_tensor_value_info("photo", TensorProto.FLOAT, shape)
    aged = helper.make_tensor_value_info(result, TensorProto.FLOAT, [1, 3, side, side])
    graph = helper.make_graph(net.nodes, "peer", [photo], [aged], net.weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    return model


def size(model: onnx.ModelProto) -> tuple[float, float]:
    """Millions of weights of the convolutions, and billions of multiplications for one face."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    shapes = {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.value_info, *graph.output):
        shapes[value.name] = [entry.dim_value for entry in value.type.tensor_type.shape.dim]
    weights = work = 0
    for node in graph.node:
        if node.op_type == "Conv":
            count = int(np.prod(shapes[node.input[1]]))
            weights += count
            work += count * int(np.prod(shapes[node.output[0]][2:]))
    return weights / 1e6, work / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description="Time per face beside other networks.")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    print(describe_machine(options.threads))
    peers = {
        "FRAN U-Net": (512, build(fran, 512, 5)),
        "HRFAE": (1024, build(hrfae, 1024, 3)),
        "published": (200, build(published, 200, 3)),
    }
    ours = AgingModel.from_package(threads=options.threads)
    side = ours.image_size
    face = np.random.default_rng(0).uniform(-1, 1, (1, side, side, 3)).astype(np.float32)

    def age_faces() -> None:
        for _ in range(FACES):
            ours.decode(ours.encode(face), AGE)

    runs: dict[str, Callable[[], object]] = {"reage": age_faces}
    for name, (_, model) in peers.items():
        runs[name] = runner(model, options.threads)
    times = measure(runs, options.repeats)
    times["reage"] = Times(*(part / FACES for part in times["reage"]))
    parts = [onnx.load_from_string(load_weights(name)) for name in (ENCODER_FILE, DECODER_FILE)]
    sizes = {"reage": (side, *np.sum([size(part) for part in parts], axis=0))}
    sizes |= {name: (side, *size(model)) for name, (side, model) in peers.items()}
    print(
        f"{'network':<12}{'side':>6}{'M weights':>11}{'GMAC':>8}{'ms':>9}{'CPU ms':>9}{'ratio':>8}"
    )
    base = times["reage"].cpu.min()
    for name, (side, weights, work) in sizes.items():
        wall, cpu = times[name]
        print(
            f"{name:<12}{side:6}{weights:11.2f}{work:8.2f}{wall.min():9.1f}{cpu.min():9.1f}"
            f"{cpu.min() / base:8.1f}"
        )


def runner(model: onnx.ModelProto, threads: int) -> Callable[[], object]:
    session = open_session(model.SerializeToString(), threads=threads)
    shape = session.get_inputs()[0].shape
    photo = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
    return lambda: session.run(None, {"photo": photo})


if __name__ == "__main__":
    main()
