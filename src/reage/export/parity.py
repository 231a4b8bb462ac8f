"""Does an exported model compute what the trained one does?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reage.ages import GROUP_CENTERS, soft_code
from reage.export.difference import change_by_keras
from reage.faces.change import join_change
from reage.onnx_session import open_session


def max_difference(
    generator: Any, encoder: bytes, decoder: bytes, faces: NDArray[np.float32]
) -> float:
    """The largest absolute difference of changes between Keras and ONNX Runtime.

    Args:
        generator: `build_generator`, of dtype policy float32.
        encoder: The exported encoder.
        decoder: The exported decoder.
        faces: (N, S, S, 3) in [-1, 1]; each is aged to every group's center.
    """
    encode, decode = open_session(encoder, threads=None), open_session(decoder, threads=None)
    names = [output.name for output in encode.get_outputs()]
    features = dict(zip(names, encode.run(names, {"image": faces}), strict=True))
    worst = 0.0
    for center in GROUP_CENTERS:
        codes = np.repeat(soft_code([center]), len(faces), axis=0)
        expected = change_by_keras(generator, faces, codes)
        found = join_change(*decode.run(["delta", "flow"], {**features, "age_code": codes}))
        worst = max(worst, float(np.abs(found - expected).max()))
    return worst
