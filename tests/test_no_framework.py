from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FORBIDDEN = ("tensorflow", "keras", "tf2onnx", "onnx", "matplotlib", "torch", "pandas")
PROGRAM = """
import sys
for name in {forbidden!r}:
    sys.modules[name] = None  # an import of it raises ImportError
import reage
from reage.cli.app import main

photo, model, output = sys.argv[1:]
result = reage.FaceAger(model, threads=1)(photo, to=70)
assert len(result.faces) == 1
sys.exit(main(["age", photo, "--to", "70", "--model", model, "-o", output]))
"""


def test_ageing_a_photo_needs_no_training_framework(
    astronaut_path: Path, tiny_model: Path, tmp_path: Path
) -> None:
    output = tmp_path / "aged.png"
    program = PROGRAM.format(forbidden=FORBIDDEN)
    arguments = [str(astronaut_path), str(tiny_model), str(output)]
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert output.is_file()
