from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tensorflow as tf

from reage.ages import GROUP_CENTERS
from reage.data.pipeline import Faces, load_faces
from reage.data.prepare import prepare
from reage.training.critic_report import faces_of_every_group, mean_predictions


def test_large_faces_are_judged_few_at_a_time() -> None:
    seen: list[tuple[int, ...]] = []

    def critic(images: Any, *, training: bool) -> dict[str, Any]:
        assert not training
        seen.append(tuple(images.shape))
        # As sure of a group as the image is bright, which tells its row.
        return {"age_logits": tf.reduce_mean(images, axis=(1, 2, 3))[:, None] * tf.eye(14)[:1]}

    count = 28
    rows = np.arange(count, dtype=np.uint8)
    labels = np.zeros(count, np.int64)
    images = np.broadcast_to(rows[:, None, None, None], (count, 200, 200, 3))
    ages = np.repeat(np.array(GROUP_CENTERS, np.float32), 2)
    found = mean_predictions(critic, Faces(images, ages, labels, labels, ("",) * count))
    assert sum(shape[0] for shape in seen) == count
    assert max(np.prod(shape[:3]) for shape in seen) <= 128 * 64**2
    # Brighter rows belong to later groups: no batch was dropped or taken twice.
    assert (np.diff(found[:, 0]) > 0).all()


def test_groups_of_few_held_out_faces_are_judged_by_training_faces_too(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for number, age in enumerate([30] * 250 + [70] * 7):
        noise = np.random.default_rng(number).integers(0, 256, (8, 8, 3)).astype(np.uint8)
        picture = cv2.resize(noise, (64, 64), interpolation=cv2.INTER_CUBIC)
        name = f"{age}_0_0_{20170101000000000 + number}.jpg"
        cv2.imwrite(str(photos / name), picture)
    prepared = prepare(photos, tmp_path / "prepared").folder
    held_out = load_faces(prepared, "validation", 32)
    found = faces_of_every_group(prepared, 32)
    # The 26 to 30 year olds have enough of their own; of the seven others, all that train.
    assert (held_out.groups == 5).sum() == (found.groups == 5).sum() == 25
    trained_on = load_faces(prepared, "train", 32).groups == 10
    assert (found.groups == 10).sum() == (held_out.groups == 10).sum() + trained_on.sum()
