"""The published architecture beside this one: each trained from nothing for the same CPU time.

python benchmarks/same_budget.py --data prepared --judges DIR [--minutes 20] [--runs runs/budget]

Presets `published` and `cpu-128` get the same CPU time for their steps, a third of it for the
critic. Building networks, which takes the first step of each, reading data and judging are not
counted. The published architecture takes CPU seconds for each face: it gets batches of 4, so that
there are some steps at all. Then both age the same validation faces, to the ages of `reage evaluate
--quick`, and the examples' astronaut, in RUNS/picture.jpg: source, published, ours. A run that is
complete is not trained again.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from functools import cache, reduce
from operator import getitem
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from machine import astronaut, describe_machine
from numpy.typing import NDArray
from PIL import Image

from reage.ages import NUM_GROUPS
from reage.data.pipeline import Faces, Sampling, as_dataset, load_faces, take, training_batches
from reage.evaluation.grid import GRID_AGES
from reage.evaluation.judges import Judges
from reage.evaluation.protocol import draw_faces
from reage.evaluation.run import Protocol, evaluate
from reage.evaluation.systems import open_system
from reage.faces.align import crop_face, estimate_similarity
from reage.faces.finder import FaceFinder
from reage.training.config import TrainConfig, load_config, preset_path
from reage.training.critic import build_critic_trainer
from reage.training.generator_terms import TaughtCritic
from reage.training.run import stage_folder, start_run
from reage.training.samples import to_float
from reage.training.stage import build_gan, initialise
from reage.training.state import save_variables

SYSTEMS = {"published": ("critic.batch_size=4", "stages.0.batch_size=4"), "cpu-128": ()}
FIGURES = {
    "FD-EffLite0 to the target group": ("{:.1f}", "headline_distance"),
    "age MAE to 80 (age_v1, faceres), years": ("{:.1f}", "age_5_to_80", "mean_absolute_error"),
    "in the target group": ("{:.1%}", "age", "group_accuracy"),
    "same person to 30 years (faceapi_recognition)": ("{:.1%}", "verified_to_30_years"),
    "cycle PSNR, dB": ("{:.1f}", "cycle_psnr"),
}
CRITIC_SHARE = 1 / 3
CRITIC_FACES = 70
# Of the published networks, a larger batch takes many gigabytes.
PREDICTED_AT_ONCE = 8
SIDE = 128


def main() -> None:
    options = parse_arguments()
    machine = describe_machine(None, "tensorflow", "keras")
    print(machine, f"{options.minutes:g} CPU minutes each", sep="\n", flush=True)
    runs = {name: options.runs / name for name in SYSTEMS}
    for name, overrides in SYSTEMS.items():
        if not (runs[name] / "config.json").exists():
            config = load_config(preset_path(name), overrides)
            train(config, options.data, runs[name], 60 * options.minutes)
    save_picture(list(runs.values()), options.runs / "picture.jpg")
    judges = Judges(options.judges)
    protocol = Protocol("validation", options.faces, baselines=False).quick()
    cache = options.runs / "cache"
    reports = [
        evaluate(run, options.data, judges, protocol, cache=cache, progress=lambda *_: None)[0]
        for run in runs.values()
    ]
    print_table(reports)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Trains two architectures for the same CPU time.")
    parser.add_argument("--data", type=Path, default=Path("prepared"))
    parser.add_argument("--judges", type=Path, default=Path("judges"))
    parser.add_argument("--runs", type=Path, default=Path("runs/budget"))
    parser.add_argument("--minutes", type=float, default=20.0, help="CPU time of each")
    parser.add_argument("--faces", type=int, default=56, help="faces to judge, 140 at most")
    return parser.parse_args()


def train(config: TrainConfig, prepared: Path, run: Path, budget: float) -> None:
    """Trains critic and generator for `budget` CPU seconds, and saves what `evaluate` opens."""
    keras.utils.set_random_seed(config.seed)
    keras.config.set_dtype_policy(config.precision)
    print(run.name, flush=True)
    critic = train_critic(config, prepared, budget * CRITIC_SHARE)
    validation = load_faces(prepared, "validation", config.critic.image_size)
    some = take(validation, draw_faces(validation, CRITIC_FACES))
    predicted = predict(critic, some.images)
    right = (predicted.argmax(axis=-1) == some.groups).mean()
    print(f"  critic right about {right:.1%} of {len(predicted)} validation faces", flush=True)
    targets = np.stack([predicted[some.groups == g].mean(axis=0) for g in range(NUM_GROUPS)])
    steps = sum(stage.steps for stage in config.stages)
    gan: Any = None
    for index, stage in enumerate(config.stages):
        faces = training_faces(prepared, stage.image_size)
        previous, gan = gan, build_gan(config, stage, [TaughtCritic(critic, targets)])
        initialise(gan, previous, critic, "")
        share = (1 - CRITIC_SHARE) * stage.steps / steps
        fit(gan, faces, stage.batch_size, config.sampling, f"stage {index}", budget * share)
        folder = stage_folder(run, index, stage)
        folder.mkdir(parents=True, exist_ok=True)
        save_variables(folder / "state.npz", {"average": gan.average.variables})
    start_run(run, config, resume=False)


@cache
def training_faces(prepared: Path, image_size: int) -> Faces:
    return load_faces(prepared, "train", image_size)


def train_critic(config: TrainConfig, prepared: Path, budget: float) -> Any:
    """Trains the averaged critic; its learning rate stays, for nobody knows the last step."""
    settings = config.critic
    faces = training_faces(prepared, settings.image_size)
    trainer = build_critic_trainer(replace(config, critic=replace(settings, epsilon_ramp=0.0)))
    adam = keras.optimizers.Adam(settings.learning_rate, beta_1=0.9, beta_2=0.99)
    trainer.compile(optimizer=adam, jit_compile=False)
    adam.build(trainer.heads.trainable_variables)
    sampling = Sampling(power=settings.power)
    fit(trainer, faces, settings.batch_size, sampling, "critic", budget)
    return trainer.average


def predict(critic: Any, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Probabilities (N, 14) of the age groups."""
    parts = [
        critic(to_float(images[i : i + PREDICTED_AT_ONCE]), training=False)["age_logits"]
        for i in range(0, len(images), PREDICTED_AT_ONCE)
    ]
    return np.asarray(keras.ops.softmax(keras.ops.concatenate(parts), axis=-1))


def fit(
    model: Any, faces: Faces, batch_size: int, sampling: Sampling, name: str, budget: float
) -> None:
    """Takes one step, and then more until they have taken `budget` seconds of CPU time."""
    batches = training_batches(faces, 0, batch_size=batch_size, seed=0, sampling=sampling)
    stream = iter(as_dataset(batches))
    step = tf.function(model.train_step, autograph=False)
    step(next(stream))
    start = cpu_seconds()
    while cpu_seconds() < start + budget:
        step(next(stream))
    spent, taken = cpu_seconds() - start, int(model.steps.numpy())
    print(f"  {name}: {taken} steps, {taken * batch_size} faces, {spent:.0f} s", flush=True)


def cpu_seconds() -> float:
    """CPU time of all threads of this process so far."""
    times = os.times()
    return times.user + times.system


def save_picture(runs: list[Path], path: Path) -> None:
    """Draws the astronaut, then what each run makes of her at every age, a row each."""
    crop = astronaut_crop()
    columns = np.repeat(crop[None], len(GRID_AGES), axis=0)
    rows = [columns]
    for run in runs:
        system = open_system(run, ())
        rows.append(system(columns, np.array(GRID_AGES))[0])
    joined = np.concatenate([np.hstack(list(row)) for row in rows])
    Image.fromarray(joined).save(path, quality=92)


def astronaut_crop() -> NDArray[np.uint8]:
    pixels = np.asarray(astronaut())
    (face, *_) = FaceFinder(threads=1).find(pixels)
    return crop_face(pixels, estimate_similarity(face.landmarks, SIDE), SIDE)


def print_table(reports: list[dict[str, Any]]) -> None:
    print("| | published | ours |", "|---|---|---|", sep="\n")
    for label, (form, *path) in FIGURES.items():
        values = [reduce(getitem, path, report["systems"][0]["overall"]) for report in reports]
        print(f"| {label} |", " | ".join(form.format(value) for value in values), "|")


if __name__ == "__main__":
    main()
