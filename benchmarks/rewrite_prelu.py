"""Rewrites the PRelu layers of a packaged network as operators that ONNX Runtime runs vectorised.

python benchmarks/rewrite_prelu.py src/reage/weights face_landmark.onnx

Its PRelu takes one number at a time, and more than half of the face mesh's time. The results stay
the same to the last bit: max(x, s x) where no slope s exceeds 1, else y + s (x - y) of
y = max(x, 0). The weights card is brought up to date.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper


def main(folder: Path, name: str) -> None:
    before = (folder / name).read_bytes()
    after = rewritten(before)
    check_same(before, after)
    card_path = folder / "weights.json"
    card = json.loads(card_path.read_text(encoding="utf-8"))
    card[name]["sha256"] = hashlib.sha256(after).hexdigest()
    card[name]["origin"] += "; PRelu written as Max, Mul and Add"
    (folder / name).write_bytes(after)
    card_path.write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")


def rewritten(content: bytes) -> bytes:
    model = onnx.load_from_string(content)
    graph = model.graph
    slopes = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    nodes = []
    for node in graph.node:
        nodes += without_prelu(node, slopes) if node.op_type == "PRelu" else [node]
    if len(nodes) == len(graph.node):
        raise SystemExit("there is no PRelu in it")
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()


def without_prelu(node: onnx.NodeProto, slopes: dict[str, np.ndarray]) -> list[onnx.NodeProto]:
    (x, slope), y = node.input, node.output[0]
    high, low, scaled = (f"{y}/{part}" for part in ("high", "low", "scaled"))
    if slopes[slope].max() <= 1:
        return [
            helper.make_node("Mul", [x, slope], [scaled]),
            helper.make_node("Max", [x, scaled], [y]),
        ]
    return [
        helper.make_node("Relu", [x], [high]),
        helper.make_node("Sub", [x, high], [low]),
        helper.make_node("Mul", [low, slope], [scaled]),
        helper.make_node("Add", [high, scaled], [y]),
    ]


def check_same(before: bytes, after: bytes) -> None:
    old, new = (
        onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        for content in (before, after)
    )
    entry = old.get_inputs()[0]
    random = np.random.default_rng(0)
    for _ in range(5):
        feed = {entry.name: random.random(entry.shape, np.float32)}
        for one, other in zip(old.run(None, feed), new.run(None, feed), strict=True):
            np.testing.assert_array_equal(one, other)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
