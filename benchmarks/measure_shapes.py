"""Measures how the shape of faces changes with age, which teaches the generator's flow.

    python benchmarks/measure_shapes.py prepared src/reage/weights/shape_flows.npz

Fits the face mesh to training faces of each age group, takes the mean mesh of each, and from it and
the mean over all groups the flow that makes a mean face into one of the group: thin-plate splines
between the points of the mesh, still along the edge of the crop, and the same left and right. The
flow from one age to another is then the difference of theirs, to first order. Needs scipy.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy.interpolate import RBFInterpolator

from reage.ages import AGE_GROUPS, NUM_GROUPS, group_index
from reage.data.pipeline import decode_faces
from reage.data.record_reader import read_split
from reage.faces.align import TEMPLATE
from reage.faces.mesh import FaceMesh
from reage.models.generator import FLOW_RESOLUTION
from reage.weights import load_weights

SIDE = 192
FACES = 300
MIN_SCORE = 0.8
# Every third of 468 points, which lie close together around eyes and mouth.
STEP = 3
SMOOTHING = 1e-2


def main() -> None:
    """Measures, prints how far the points lie apart, and writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("prepared", type=Path, help="folder made by `reage data prepare`")
    parser.add_argument("output", type=Path, help="the file to write")
    options = parser.parse_args()
    shapes = mean_shapes(options.prepared)
    middle = shapes.mean(axis=0)
    flows = np.stack([symmetric(flow_to(shape, middle)) for shape in shapes])
    np.savez_compressed(options.output, flows=flows.astype(np.float16))
    for group, flow in zip(AGE_GROUPS, flows, strict=True):
        percent = 100 * np.linalg.norm(flow, axis=-1)
        print(f"{group.name:8} {percent.mean():.2f} % of the side, at most {percent.max():.2f} %")


def mean_shapes(prepared: Path) -> np.ndarray:
    """Mean meshes (14, 468, 2) in sides of the crop."""
    records = read_split(prepared, "train")
    groups = group_index(np.array([record.age for record in records], np.float64))
    mesh = FaceMesh(load_weights("face_landmark.onnx"))
    rng = np.random.default_rng(0)
    shapes = []
    for group in range(NUM_GROUPS):
        rows = rng.permutation(np.flatnonzero(groups == group))[:FACES]
        faces = decode_faces([records[row] for row in rows], SIDE)
        found = [locate(mesh, image) for image in faces.images]
        shapes.append(np.mean([points for points in found if points is not None], axis=0))
    return np.stack(shapes)


def locate(mesh: FaceMesh, image: np.ndarray) -> np.ndarray | None:
    """The mesh of a face that fills its crop, (468, 2) in sides; None if the model is not sure."""
    eyes_nose, mouth = np.array(TEMPLATE)[:3], np.array(TEMPLATE)[3:].mean(axis=0)
    keypoints = np.vstack([eyes_nose, mouth, [[0.0, 0.5], [1.0, 0.5]]]) * SIDE
    found = mesh.locate(image, np.array([0.14, 0.08, 0.86, 0.92]) * SIDE, keypoints, passes=2)
    return (found.points + 0.5) / SIDE if found.score > MIN_SCORE else None


def flow_to(shape: np.ndarray, middle: np.ndarray) -> np.ndarray:
    """From where the pixels of a face of that shape are taken in a mean one, (F, F, 2) in sides."""
    line = np.linspace(0, 1, 9)
    edge = np.array([(x, y) for x in line for y in line if {x, y} & {0.0, 1.0}])
    places = np.vstack([middle[::STEP], edge])
    moves = np.vstack([(middle - shape)[::STEP], np.zeros_like(edge)])
    center = (np.arange(FLOW_RESOLUTION) + 0.5) / FLOW_RESOLUTION
    grid = np.stack(np.meshgrid(center, center), axis=-1)
    spline = RBFInterpolator(places, moves, smoothing=SMOOTHING)
    return spline(grid.reshape(-1, 2)).reshape(grid.shape)


def symmetric(flow: np.ndarray) -> np.ndarray:
    """The mean of a flow and its mirror image."""
    return (flow + flow[:, ::-1] * (-1, 1)) / 2


if __name__ == "__main__":
    main()
