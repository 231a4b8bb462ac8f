"""Same person, age error and sex of generators on 260 validation faces at 7 ages, in two minutes.

python benchmarks/quick_figures.py [RUN_OR_EXPORT...] [--data prepared] [--judges DIR]

Without a run or an export it takes the packaged weights. "Same person" is the share that
`faceapi_recognition` verifies among faces of 30 years or less from source to target age; "age MAE"
is the error of `age_v1` against the target age, over all; "sex kept" is the share whose sex
`faceres` judges as that of the source, by the source's age. A last line tells how often it judges
the sources themselves as they are labelled.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reage.data.pipeline import Faces, load_faces, take
from reage.evaluation.judges import Judges
from reage.evaluation.systems import open_system

AGES = (2.5, 8.0, 18.0, 28.0, 45.5, 65.5, 75.5)
PER_GROUP = 20
# Of the oldest group there are too few.
GROUPS = 13
YEARS = 30
YOUNG, GROWN = 10, 16
# What `reage evaluate` finds: one in a thousand pairs of different held-out faces is closer.
THRESHOLD = 0.4163691683820484


def main() -> None:
    parser = argparse.ArgumentParser(description="Identity and age error of generators, quickly.")
    parser.add_argument("models", type=Path, nargs="*", metavar="RUN_OR_EXPORT")
    parser.add_argument("--data", type=Path, default=Path("prepared"))
    parser.add_argument("--judges", type=Path, default=Path("judges"))
    options = parser.parse_args()
    judges = Judges(options.judges)
    faces = pick(load_faces(options.data, "validation", 128))
    own = judges.embeddings(faces.images)
    sexes = female(judges, faces.images)
    young, grown = faces.ages <= YOUNG, faces.ages >= GROWN
    print(
        f"| | same person | age MAE, years | sex kept, to {YOUNG} | from {GROWN} | judged age at",
        *AGES,
        "|",
    )
    print("|---|---|---|---|---|---|")
    for path in options.models or [None]:
        system = open_system(path, faces.files)
        aged = [system(faces.images, np.full(len(own), age))[0] for age in AGES]
        judged = np.stack([judges.ages(images) for images in aged])
        apart = np.stack([np.linalg.norm(judges.embeddings(i) - own, axis=1) for i in aged])
        targets = np.array(AGES)[:, None]
        near = np.abs(targets - faces.ages) <= YEARS
        kept = np.stack([female(judges, images) == sexes for images in aged])
        print(
            f"| {system.name} | {(apart[near] < THRESHOLD).mean():.1%} |"
            f" {np.abs(judged - targets).mean():.2f} |"
            f" {kept[:, young].mean():.1%} | {kept[:, grown].mean():.1%} |",
            *(f"{years:.1f}" for years in judged.mean(axis=1)),
            "|",
            flush=True,
        )

    right = sexes == (faces.sexes == 1)
    print(f"sources judged as labelled: to {YOUNG} {right[young].mean():.1%},", end=" ")
    print(f"from {GROWN} {right[grown].mean():.1%}")


def female(judges: Judges, images: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return judges(images).sexes < 0.5


def pick(faces: Faces) -> Faces:
    rng = np.random.default_rng(1)
    rows: list[NDArray[np.int64]] = [
        rng.permutation(np.flatnonzero(faces.groups == group))[:PER_GROUP]
        for group in range(GROUPS)
    ]
    return take(faces, np.concatenate(rows))


if __name__ == "__main__":
    main()
