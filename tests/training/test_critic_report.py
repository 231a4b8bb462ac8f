from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from reage.ages import GROUP_CENTERS
from reage.data.pipeline import Faces
from reage.training.critic_report import mean_predictions


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
