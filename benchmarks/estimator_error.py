"""How wrong the shipped age estimator is, by age group, sex and ethnicity, as Markdown.

python benchmarks/estimator_error.py --data prepared
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reage.ages import AGE_GROUPS, age_quantile
from reage.data.pipeline import Faces, load_faces
from reage.data.utkface import ETHNICITIES, SEXES
from reage.inference.estimator import AgeEstimator

BATCH = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("prepared"))
    parser.add_argument("--split", default="test")
    arguments = parser.parse_args()
    estimator = AgeEstimator.from_package()
    faces = load_faces(arguments.data, arguments.split, estimator.image_size)
    probabilities = predict(estimator, faces.images)
    share = (1 - estimator.coverage) / 2
    middle, low, high = (age_quantile(probabilities, s) for s in (0.5, share, 1 - share))
    error = middle - faces.ages
    # Ages are whole years; a person of 30 may be nearly 31.
    inside = (faces.ages >= np.floor(low)) & (faces.ages <= high)
    print(f"{len(error):,} faces of the {arguments.split} split\n")
    print(f"| | faces | MAE, years | bias | in the {estimator.coverage:.0%} interval |")
    print("|---|---|---|---|---|")
    for name, members in rows(faces):
        if members.any():
            print(
                f"| {name} | {members.sum():,} | {np.abs(error[members]).mean():.1f} | "
                f"{error[members].mean():+.1f} | {inside[members].mean():.0%} |"
            )


def predict(estimator: AgeEstimator, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Probabilities (N, 14) of faces (N, S, S, 3), RGB."""
    parts = [
        estimator.probabilities(images[i : i + BATCH].astype(np.float32) / 127.5 - 1.0)
        for i in range(0, len(images), BATCH)
    ]
    return np.concatenate(parts)


def rows(faces: Faces) -> list[tuple[str, NDArray[np.bool_]]]:
    """What the table has lines for, and the faces that belong there."""
    found = [("all", np.ones(len(faces.ages), bool))]
    found += [(f"{group.name} years", faces.groups == i) for i, group in enumerate(AGE_GROUPS)]
    found += [(name, faces.sexes == i) for i, name in enumerate(SEXES)]
    found += [(name, faces.ethnicities == i) for i, name in enumerate(ETHNICITIES)]
    return found


if __name__ == "__main__":
    main()
