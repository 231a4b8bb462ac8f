"""A stage of generator training: its GAN, and the weights that it starts from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from reage.data.pipeline import Faces
from reage.models.growth import grow
from reage.models.projected import build_projected_discriminator
from reage.training.augment import augment
from reage.training.config import StageConfig, TrainConfig
from reage.training.distribution import check_batch_size
from reage.training.features import FeatureNetwork, feature_shapes
from reage.training.gan import FaceAgingGAN
from reage.training.generator_terms import GeneratorTerms, TaughtCritic
from reage.training.initial import start_from
from reage.training.moments import FeatureMoments, pooled, real_moments
from reage.training.networks import make_discriminator, make_generator
from reage.training.projected import ProjectedDiscriminator
from reage.training.recognition import FaceRecogniser
from reage.training.shape import mean_shape_flows


def check_stages(config: TrainConfig) -> None:
    """Checks what the stages will need, before the critic has taken hours.

    Raises:
        ConfigError: If a batch cannot be shared out evenly, or as `build_gan`.
    """
    for stage in config.stages:
        check_batch_size(stage.batch_size, stage.accumulate)
    if config.recogniser:
        FaceRecogniser(Path(config.recogniser))
    if any(stage.weights.projected or stage.weights.moments for stage in config.stages):
        FeatureNetwork(Path(config.features))


def build_gan(
    config: TrainConfig,
    stage: StageConfig,
    critics: Sequence[TaughtCritic],
    faces: Faces | None = None,
) -> FaceAgingGAN:
    """Builds and compiles a stage's GAN.

    Args:
        config: Of the run.
        stage: One of its stages.
        critics: Its own age critic, and any others that have a say.
        faces: What the stage is trained on, for its `FeatureMoments`; None if it is to have none.

    Raises:
        ConfigError: If a file that the configuration names is not the network that it should be.
    """
    weights = stage.weights
    used = weights.projected or weights.moments
    features = FeatureNetwork(Path(config.features)) if used else None
    generator = make_generator(config, stage.image_size)
    gan = FaceAgingGAN(
        generator=generator,
        average=make_generator(config, stage.image_size),
        discriminator=make_discriminator(config, stage, critics[0].network),
        generator_terms=_terms(config, stage, generator, critics),
        projected=_projected(features) if features and weights.projected else None,
        moments=_moments(config, stage, features, faces) if features and faces else None,
        weights=stage.weights,
        label_sigma=config.critic.label_sigma,
        realism=stage.realism,
        r1_interval=stage.r1_interval,
        ema_decay=stage.ema_decay,
        augment_strength=stage.augment_strength,
        distance_emphasis=stage.distance_emphasis,
        accumulate=stage.accumulate,
        seed=config.seed,
    )
    gan.compile(
        keras.optimizers.Adam(stage.generator_learning_rate, beta_1=0.5, beta_2=0.99),
        keras.optimizers.Adam(stage.discriminator_learning_rate, beta_1=0.5, beta_2=0.99),
        keras.optimizers.Adam(stage.projected_learning_rate, beta_1=0.5, beta_2=0.99),
    )
    return gan


def initialise(gan: FaceAgingGAN, previous: FaceAgingGAN | None, critic: Any, init: str) -> None:
    """Starts a stage from the one before, the first discriminator from `init` or the critic."""
    if previous is None:
        started = {"generator": gan.generator}
        # Where the critic is the discriminator, it is this run's, whatever it began with.
        if gan.discriminator is not critic:
            grow(critic, gan.discriminator)
            started["discriminator"] = gan.discriminator
        start_from(init, started)
        if gan.projected:
            start_from(init, {"projected": gan.projected.heads})
    else:
        grow(previous.generator, gan.generator)
        grow(previous.discriminator, gan.discriminator)
        if previous.projected and gan.projected:
            grow(previous.projected.heads, gan.projected.heads)
    teacher = gan.generator_terms.teacher
    for copy in (gan.average, *([teacher] if teacher else [])):
        for variable, value in zip(copy.variables, gan.generator.variables, strict=True):
            variable.assign(value)


def _terms(
    config: TrainConfig, stage: StageConfig, generator: Any, critics: Sequence[TaughtCritic]
) -> GeneratorTerms:
    weights = stage.weights
    for critic in critics:
        critic.network.trainable = False
    return GeneratorTerms(
        critics=critics if weights.critic or weights.attributes else (),
        shape_flows=mean_shape_flows() if "flow" in generator.output else None,
        recogniser=FaceRecogniser(Path(config.recogniser)) if weights.recognition else None,
        teacher=make_generator(config, stage.image_size) if weights.teacher else None,
        cycle_share=stage.cycle_share,
        recognition_margin=stage.recognition_margin,
        recognition_growth=stage.recognition_growth,
        teacher_gain=stage.teacher_gain,
    )


def _projected(features: FeatureNetwork) -> ProjectedDiscriminator:
    return ProjectedDiscriminator(features, build_projected_discriminator(feature_shapes()))


def _moments(
    config: TrainConfig, stage: StageConfig, features: FeatureNetwork, faces: Faces
) -> FeatureMoments | None:
    if not stage.weights.moments:
        return None
    random = keras.random.SeedGenerator(0)

    def seen(images: Any) -> Any:
        """Real faces are compared as results are: augmented."""
        return pooled(features(augment(images, random, strength=stage.augment_strength)))

    return FeatureMoments(features, *real_moments(faces, seen, power=config.sampling.power))
