"""Sizes, times and differences from Keras of every format and precision of `reage export`.

Usage: python benchmarks/exports.py RUN [--data DIR] [--repeats 30] [--threads 1]

Exports RUN's averaged generator in every way into a temporary folder, and prints a Markdown table:
megabytes on disk, median milliseconds to encode one face and to decode one age of it, and the
absolute difference of deltas from Keras over 16 validation faces at the 14 age groups' centers, in
units of the [-1, 1] images. int8 is measured with dynamic quantisation as well, which `reage
export` does not offer. A SavedModel has no separate encoder: its time is that of both.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf
from machine import describe_machine
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.shape_inference import quant_pre_process

from reage.ages import soft_code
from reage.errors import ExportError
from reage.export.difference import Difference, difference
from reage.export.litert import MODEL, export_litert, open_interpreter
from reage.export.onnx import DECODER, ENCODER
from reage.export.quantize import Precision, export_precision, open_onnx
from reage.export.run import load_exportable
from reage.export.savedmodel import SAVED_MODEL, SIGNATURE, export_savedmodel
from reage.onnx_session import open_session

TERMS = {"training_data": "", "licence": ""}
CODE = soft_code([70.0])
Call = Callable[[], Any]


def main() -> None:
    options = parse_arguments()
    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    print(describe_machine(options.threads, "tensorflow", "keras", "tf2onnx"))
    generator, faces, calibration = load_exportable(options.run, options.data)
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        for precision in Precision:
            folder = root / precision
            try:
                found = export_precision(
                    generator, folder, faces, precision=precision, calibration=calibration, **TERMS
                )
            except ExportError as error:
                print(f"left out: {error}")
                continue
            rows.append((f"onnx {precision}", folder, found, onnx_calls(folder, faces, options)))
        folder = quantise_dynamically(root / Precision.FLOAT32, root / "dynamic")
        found = difference(generator, open_onnx(folder), faces)
        rows.append(("onnx int8, dynamic", folder, found, onnx_calls(folder, faces, options)))
        folder = root / "savedmodel"
        found = export_savedmodel(generator, folder, faces, **TERMS)
        rows.append(("savedmodel", folder, found, savedmodel_calls(folder, faces)))
        folder = root / "litert"
        found = export_litert(generator, folder, faces, **TERMS)
        rows.append(("litert", folder, found, litert_calls(folder, faces, options)))
        print_table(rows, options.repeats)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compares every format of `reage export`.")
    parser.add_argument("run", type=Path)
    parser.add_argument("--data", type=Path, default=Path("prepared"))
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def quantise_dynamically(source: Path, target: Path) -> Path:
    target.mkdir()
    for name in (ENCODER, DECODER):
        simple = target / "simple.onnx"
        quant_pre_process(source / name, simple, skip_symbolic_shape=True)
        quantize_dynamic(simple, target / name, per_channel=True, weight_type=QuantType.QInt8)
        simple.unlink()
    return target


def onnx_calls(folder: Path, faces: np.ndarray, options: argparse.Namespace) -> tuple[Call, Call]:
    encoder = open_session((folder / ENCODER).read_bytes(), threads=options.threads)
    decoder = open_session((folder / DECODER).read_bytes(), threads=options.threads)
    names = [output.name for output in encoder.get_outputs()]
    features = dict(zip(names, encoder.run(names, {"image": faces[:1]}), strict=True))
    return (
        lambda: encoder.run(names, {"image": faces[:1]}),
        lambda: decoder.run(["delta"], {**features, "age_code": CODE}),
    )


def litert_calls(folder: Path, faces: np.ndarray, options: argparse.Namespace) -> tuple[Call, Call]:
    interpreter = open_interpreter(folder / MODEL, threads=options.threads)
    encode = interpreter.get_signature_runner("encode")
    decode = interpreter.get_signature_runner("decode")
    features = encode(image=faces[:1])
    return lambda: encode(image=faces[:1]), lambda: decode(**features, age_code=CODE)


def savedmodel_calls(folder: Path, faces: np.ndarray) -> tuple[None, Call]:
    loaded = tf.saved_model.load(str(folder / SAVED_MODEL))
    image, code = tf.constant(faces[:1]), tf.constant(CODE)
    # `loaded` stays in the closure: a signature alone does not keep its variables alive.
    return None, lambda: loaded.signatures[SIGNATURE](image=image, age_code=code)["delta"].numpy()


def print_table(
    rows: list[tuple[str, Path, Difference, tuple[Call | None, Call]]], repeats: int
) -> None:
    print("| format | MB | ms to encode | ms to decode | max difference | mean |")
    print("|---|---|---|---|---|---|")
    for name, folder, found, (encode, decode) in rows:
        first = f"{milliseconds(encode, repeats):.1f}" if encode else "both:"
        second = f"{milliseconds(decode, repeats):.1f}"
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
        print(f"| {name} | {size:.1f} | {first} | {second} | {found.max:.1e} | {found.mean:.1e} |")


def milliseconds(call: Call, repeats: int) -> float:
    times = []
    for _ in range(repeats + 3):
        start = time.perf_counter()
        call()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times[3:])


if __name__ == "__main__":
    main()
