from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reage.ages import (
    AGE_GROUPS,
    GROUP_CENTERS,
    NUM_GROUPS,
    check_age,
    expected_age,
    group_index,
    soft_code,
)
from reage.errors import AgeRangeError, ReageError, UsageError


def test_groups_follow_each_other() -> None:
    assert NUM_GROUPS == 14
    assert [(g.low, g.high) for g in AGE_GROUPS[:2]] == [(0, 5), (6, 10)]
    assert AGE_GROUPS[-1] == (101, 116)
    assert all(a.high + 1 == b.low for a, b in itertools.pairwise(AGE_GROUPS))
    assert (AGE_GROUPS[6].name, AGE_GROUPS[6].center) == ("31-40", 35.5)


def test_borders_of_the_groups() -> None:
    ages = [0, 5, 5.9, 6, 10, 11, 30, 31, 100, 101, 116, 200, -3]
    expected = [0, 0, 0, 1, 1, 2, 5, 6, 12, 13, 13, 13, 0]
    assert group_index(ages).tolist() == expected


def test_soft_codes() -> None:
    np.testing.assert_array_equal(soft_code(28.0), np.eye(14)[5])
    halfway = (np.eye(14)[5] + np.eye(14)[6]) / 2
    np.testing.assert_allclose(soft_code((28 + 35.5) / 2), halfway, atol=1e-6)
    np.testing.assert_array_equal(soft_code([0.0, 116.0]), np.eye(14)[[0, 13]])
    assert soft_code(np.zeros((2, 3))).shape == (2, 3, 14)


@given(st.floats(0, 116))
def test_soft_codes_sum_to_one_and_give_the_age_back(age: float) -> None:
    code = soft_code(age)
    assert code.sum() == pytest.approx(1.0, abs=1e-6)
    assert (code >= 0).all()
    inside = min(max(age, GROUP_CENTERS[0]), GROUP_CENTERS[-1])
    assert expected_age(code) == pytest.approx(inside, abs=1e-4)


@pytest.mark.parametrize("age", [-1, 116.5, math.nan, math.inf])
def test_ages_out_of_range(age: float) -> None:
    with pytest.raises(AgeRangeError, match="give a number of years from 0 to 116"):
        check_age(age)


def test_an_error_is_one_sentence_and_knows_its_exit_code() -> None:
    error = ReageError("x.jpg", "is empty", "give another file")
    assert str(error) == "x.jpg: is empty; give another file."
    assert (error.exit_code, UsageError("a", "b", "c").exit_code) == (1, 2)
