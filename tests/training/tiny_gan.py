"""A whole GAN of a few thousand weights, which are a function of their names alone."""

from __future__ import annotations

import zlib
from typing import Any

import keras
import numpy as np

from reage.ages import NUM_GROUPS, soft_code
from reage.models.discriminator import build_critic, build_discriminator
from reage.models.generator import build_generator
from reage.models.layers import downsample
from reage.models.presets import discriminator_size, generator_size
from reage.models.projected import build_projected_discriminator
from reage.training.gan import FaceAgingGAN
from reage.training.generator_terms import GeneratorTerms, TaughtCritic
from reage.training.loss_weights import LossWeights
from reage.training.moments import CELLS, FeatureMoments
from reage.training.projected import ProjectedDiscriminator
from reage.training.shape import mean_shape_flows

SIZE, WIDTH = 32, 0.1


def tiny_gan(cycle_share: float = 0.5, **settings: Any) -> FaceAgingGAN:
    """Builds and compiles it, without augmentation; R1 is taken in every second step.

    It learns by plain descent: Adam takes whole steps along gradients that are zero but for
    rounding, as those of a bias before a normalisation, and no two sums round alike.
    """
    sizes = generator_size(SIZE, width=WIDTH), discriminator_size(SIZE, width=WIDTH)
    defaults = {
        "r1_interval": 2,
        "ema_decay": 0.9,
        "augment_strength": 0.0,
        "weights": LossWeights(grain=1.0, cool=1.0, projected=1.0, moments=1.0, shape=1e-4),
    }
    projected, critic = tiny_projected(), build_critic(sizes[1])
    gan = FaceAgingGAN(
        generator=build_generator(sizes[0]),
        average=build_generator(sizes[0]),
        discriminator=build_discriminator(sizes[1]),
        generator_terms=GeneratorTerms(
            critics=[
                TaughtCritic(critic, np.eye(NUM_GROUPS, dtype=np.float32) * 0.9 + 0.1 / NUM_GROUPS)
            ],
            shape_flows=mean_shape_flows(),
            cycle_share=cycle_share,
        ),
        projected=projected,
        moments=tiny_moments(projected.features),
        **(defaults | settings),
    )
    gan.compile(*(keras.optimizers.SGD(1e-2) for _ in range(3)))
    heads = [gan.projected.heads] if gan.projected else []
    for network in (gan.generator, gan.average, gan.discriminator, critic, *heads):
        for variable in network.variables:
            seed = zlib.crc32(variable.path.encode())
            noise = np.random.default_rng(seed).normal(0.0, 0.1, variable.shape)
            variable.assign(noise.astype(np.float32))
    return gan


def tiny_projected() -> ProjectedDiscriminator:
    """Its features are the image at a half and at a quarter of its size."""

    def features(images: Any) -> list[Any]:
        half = downsample(images)
        return [half, downsample(half)]

    shapes = [(SIZE // 2, SIZE // 2, 3), (SIZE // 4, SIZE // 4, 3)]
    return ProjectedDiscriminator(features, build_projected_discriminator(shapes))


def tiny_moments(features: Any) -> FeatureMoments:
    """Those of real faces, and others of results, so that there is a pull from the first step."""
    of_real, of_results = np.random.default_rng(1).uniform(0.1, 0.4, (2, 2, CELLS, 2 * 6))
    moments = FeatureMoments(features, *of_real.astype(np.float32))
    mean, deviation = of_results
    moments.mean.assign(mean)
    moments.square.assign(mean**2 + deviation**2)
    return moments


def tiny_batch(count: int) -> dict[str, Any]:
    """A batch of noise of all ages; some faces are to stay as they are."""
    rng = np.random.default_rng(0)
    source, target, wrong = rng.uniform(0, 100, (3, count))
    return {
        "image": rng.uniform(-0.8, 0.8, (count, SIZE, SIZE, 3)).astype(np.float32),
        "source_group": rng.integers(0, NUM_GROUPS, count),
        "sex": rng.integers(-1, 2, count),
        "ethnicity": rng.integers(-1, 5, count),
        "source_code": soft_code(source),
        "target_code": soft_code(target),
        "wrong_code": soft_code(wrong),
        "is_self": (np.arange(count) % 3 == 0).astype(np.float32),
    }


def weights(gan: FaceAgingGAN) -> dict[str, np.ndarray]:
    """The weights that training moves, and their average, by name."""
    return {
        f"{owner}/{variable.path}": np.array(variable.numpy())
        for owner in ("generator", "average", "discriminator", "projected")
        for variable in gan.state()[owner]
    }
