"""The weights of the loss terms."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LossWeights:
    """What each term of the losses counts.

    Attributes:
        adversarial: Real *and* of the target age, by the discriminator.
        projected: As `adversarial`, by the projected discriminator, if there is one.
        moments: Distance of the mean and the spread of what a frozen network sees in results of an
            age from those of real faces; see `training.moments`.
        critic: Divergence from what the critic says of real faces of the target age.
        attributes: Divergence of sex and ethnicity, by the critic, from the source's.
        cycle: L1 between the source and the second pass back to the source age.
        identity: Difference of the identity codes of source and first pass.
        recognition: Cosine distance of source and first pass to a face recogniser, if there is one,
            beyond `recognition_margin`.
        teacher: L1 between the delta and that of the network which the stage begins with, times
            `teacher_gain` where that applies.
        self: L1 of the delta where the target is the source age.
        shape: Mean square difference of the flow from the mean change of shape between the ages,
            in percent of the side, for a generator that has a flow.
        delta: Mean square of the delta.
        chroma: Mean square of the delta's colour.
        cool: Mean square of how much bluer or greener the first pass is than grey and the source.
        grain: Mean square of the delta's finest detail.
        wrong_age: Real faces under a wrong age as negatives of the discriminator.
        age: Cross-entropy of the discriminator's age head on real faces.
        r1: Gamma of the R1 penalty (Mescheder et al. 2018).
        projected_r1: Gamma of that of the projected discriminator, by features of length 1.
    """

    adversarial: float = 1.0
    projected: float = 0.0
    moments: float = 0.0
    critic: float = 0.5
    attributes: float = 0.5
    cycle: float = 4.0
    identity: float = 0.5
    recognition: float = 0.0
    teacher: float = 0.0
    self: float = 4.0
    delta: float = 0.05
    chroma: float = 2.0
    cool: float = 0.0
    grain: float = 0.0
    shape: float = 1.0
    wrong_age: float = 0.5
    age: float = 1.0
    r1: float = 0.1
    projected_r1: float = 0.001
