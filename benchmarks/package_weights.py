"""Copy a run's exported models and its training weights into the package, and record them.

python benchmarks/package_weights.py RUN src/reage/weights
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from pathlib import Path

from reage.training.initial import read_initial, write_initial

TRAINING = "training.npz"
PURPOSES = {
    "generator_encoder.onnx": "Turns an aligned face into feature maps",
    "generator_decoder.onnx": "Turns feature maps and an age code into a delta and a flow",
    "age_estimator.onnx": "Tells how likely a face is of each age group",
    TRAINING: "Critic, generator and discriminator in half precision, to train on from",
}
INPUTS = {
    "generator_encoder.onnx": "image: float32 (N, S, S, 3), RGB in [-1, 1], aligned to template",
    "generator_decoder.onnx": "the encoder's outputs by name, and age_code: float32 (N, 14)",
    "age_estimator.onnx": "image: float32 (N, 64, 64, 3), RGB in [-1, 1], aligned to template",
    TRAINING: "read by `reage train --init shipped`",
}


def main(run: Path, target: Path) -> None:
    write_initial(target / TRAINING, read_initial(str(run)))
    card_path = target / "weights.json"
    card = json.loads(card_path.read_text(encoding="utf-8"))
    for name, purpose in PURPOSES.items():
        if name != TRAINING:
            shutil.copyfile(run / "export" / name, target / name)
        data = (target / name).read_bytes()
        card[name] = {
            "sha256": hashlib.sha256(data).hexdigest(),
            "licence": "Non-commercial research use, as its training data UTKFace",
            "origin": "Trained with reage on the training split of UTKFace",
            "purpose": purpose,
            "input": INPUTS[name],
        }
    card_path.write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
