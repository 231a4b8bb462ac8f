"""Values out of range are refused by name before anything is made."""

from __future__ import annotations

import re

import pytest

from reage.errors import ConfigError
from reage.models.presets import discriminator_size, generator_size
from reage.training.config import TrainConfig, load_config, preset_path
from reage.training.limits import IMAGE_SIZES, LIMITS, settings_of

ABOVE_0 = "a finite number above 0"
AT_LEAST_0 = "a finite number of at least 0"


@pytest.mark.parametrize(
    ("override", "shown", "wanted"),
    [
        ("seed=-1", "-1", "from 0 to 4294967295"),
        ("seed=4294967296", "4294967296", "from 0 to 4294967295"),
        ("architecture=publish", "'publish'", "reage or published"),
        ("precision=fp16", "'fp16'", "mixed_bfloat16 or float32"),
        ("distribution=many", "'many'", "none, mirrored or multi-worker"),
        ("width=0", "0.0", ABOVE_0),
        ("log_every=0", "0", "at least 1"),
        ("sample_every=0", "0", "at least 1"),
        ("patience=-1", "-1", "at least 0"),
        ("checkpoint_minutes=nan", "nan", AT_LEAST_0),
        ("sampling.self_fraction=1.5", "1.5", "from 0 to 1"),
        ("sampling.power=-0.1", "-0.1", "from 0 to 1"),
        ("sampling.wrong_gap=0", "0", "from 1 to 7"),
        ("sampling.wrong_gap=14", "14", "from 1 to 7"),
        ("critic.image_size=100", "100", "32, 64, 128 or 256 for architecture reage"),
        ("critic.batch_size=0", "0", "at least 1"),
        ("critic.steps=-5", "-5", "at least 0"),
        ("critic.learning_rate=nan", "nan", ABOVE_0),
        ("critic.learning_rate=inf", "inf", ABOVE_0),
        ("critic.epsilon=-1", "-1.0", AT_LEAST_0),
        ("critic.clean_share=1.1", "1.1", "from 0 to 1"),
        ("critic.label_sigma=0", "0.0", ABOVE_0),
        ("critic.ema_decay=2", "2.0", "from 0 to 1"),
        ("stages=[]", "[]", "a list of at least one table"),
        ("stages.0.image_size=512", "512", "32, 64, 128 or 256 for architecture reage"),
        ("stages.0.image_size=32", "32", "at least critic.image_size, 64"),
        ("stages.0.accumulate=0", "0", "at least 1"),
        ("stages.0.accumulate=3", "3", "a divisor of batch_size, 16"),
        ("stages.0.cycle_share=1.5", "1.5", "above 0 and at most 1"),
        ("stages.0.cycle_share=0", "0.0", "above 0 and at most 1"),
        ("stages.0.generator_learning_rate=0", "0.0", ABOVE_0),
        ("stages.0.r1_interval=0", "0", "at least 1"),
        ("stages.0.augment_strength=16", "16.0", "from 0 to 15"),
        ("stages.0.recognition_margin=3", "3.0", "from 0 to 2"),
        ("stages.0.recognition_growth=41", "41.0", "from 0 to 40"),
        ("stages.0.distance_emphasis=-1", "-1.0", AT_LEAST_0),
        ("stages.0.weights.cycle=-1", "-1.0", AT_LEAST_0),
        (
            "stages.0.weights.recognition=1",
            "1.0",
            "0 unless `recogniser` is the path of a face recogniser",
        ),
        (
            "stages.0.weights.projected=1",
            "1.0",
            "0 unless `features` is the path of a feature network",
        ),
        ("critic.start_share=0.5", "0.5", "0 unless init or critic.init names initial weights"),
        ('critics="runs/a"', "'runs/a'", "a list of texts"),
        ("stages.0.teacher_gain=1.4", "1.4", "1 unless weights.teacher is above 0"),
        ("stages.0.recognition_margin=1", "1.0", "0 unless weights.recognition is above 0"),
        ("stages.0.recognition_growth=2", "2.0", "1 unless weights.recognition is above 0"),
    ],
)
def test_what_is_out_of_range_is_named(override: str, shown: str, wanted: str) -> None:
    key, _, _ = override.partition("=")
    message = f"--set: {key} = {shown} does not fit; it must be {wanted}."
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        load_config(None, (override,))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("critic.image_size=64", "critic.image_size = 64 does not fit; it must be 200 for"),
        ("stages.0.image_size=128", "stages.0.image_size = 128 does not fit; it must be 200 for"),
        ("stages.0.realism=true", "stages.0.realism = True does not fit; it must be false for"),
    ],
)
def test_the_published_architecture_has_limits_of_its_own(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(preset_path("published"), (override,))


@pytest.mark.parametrize(
    "override",
    [
        "seed=4294967295",
        "sampling.wrong_gap=7",
        "critic.steps=0",
        "critic.epsilon=0",
        "critic.clean_share=1",
        "stages.0.cycle_share=1",
        "stages.0.accumulate=16",
        "stages.0.augment_strength=0",
        "stages.0.teacher_gain=1",
    ],
)
def test_the_ends_of_a_range_belong_to_it(override: str) -> None:
    load_config(None, (override,))


def test_every_number_has_a_limit() -> None:
    keys = {key.replace("stages.0", "stages"): value for key, value in settings_of(TrainConfig())}
    free = {key for key, value in keys.items() if isinstance(value, str | bool)}
    assert keys.keys() - LIMITS.keys() - free == {"critic.image_size", "stages.image_size"}
    assert LIMITS.keys() <= keys.keys()


def test_every_image_size_has_networks() -> None:
    for side in IMAGE_SIZES["reage"]:
        for size in (generator_size(side), discriminator_size(side)):
            assert set(size.resolutions) <= size.channels.keys()


def test_critics_that_no_stage_listens_to_are_refused() -> None:
    mute = ("stages.0.weights.critic=0", "stages.0.weights.attributes=0", 'critics=["runs/a"]')
    with pytest.raises(ConfigError, match=r"critics = \['runs/a'\] does not fit; it must be \[\]"):
        load_config(None, mute)
    assert load_config(None, mute[1:]).critics == ("runs/a",)
