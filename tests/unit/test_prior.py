"""prior: what season and place say, what they do not, and a file that a phone can trust."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mushroom_tasks.errors import BundleError, SettingsError
from mushroom_tasks.mobile.prior import Moment, Prior, month_of, read, weighed, write
from mushroom_tasks.mobile.prior_fitting import Counts, fit, fitted_weight, log_loss

DENMARK, JUTLAND_SEA, SYDNEY, NOWHERE = (56.0, 12.0), (52.0, 12.0), (-33.9, 151.2), (-60.0, -120.0)
ALWAYS_DANISH, AUTUMN, SPRING, RARE = range(4)


def _counts(*rows: tuple[int, tuple[float, float], int, int]) -> Counts:
    """Rows of class, place, month and observations."""
    label, place, month, observations = zip(*rows, strict=True)
    cells = [(int((lat + 90) // 5), int((lon + 180) // 5)) for lat, lon in place]
    return Counts(4, *map(np.array, (label, *zip(*cells, strict=True), month, observations)))


@pytest.fixture(scope="module")
def prior() -> Prior:
    return fit(
        _counts(
            (ALWAYS_DANISH, DENMARK, 6, 400),
            (AUTUMN, DENMARK, 10, 100),
            (AUTUMN, SYDNEY, 4, 400),
            (SPRING, DENMARK, 4, 100),
            (SPRING, SYDNEY, 10, 400),
            (RARE, DENMARK, 10, 1),
        )
    )


def test_prior__a_place_speaks_for_what_grows_there(prior):
    there, away = prior.log_ratio(Moment(*DENMARK)), prior.log_ratio(Moment(*SYDNEY))
    assert there[ALWAYS_DANISH] > 0.5 > 0 > there[AUTUMN]
    assert away[ALWAYS_DANISH] < -2
    assert away[AUTUMN] > 0.3


def test_prior__seasons_are_those_of_the_hemisphere(prior):
    danish, australian = prior.log_ratio(Moment(*DENMARK, 10)), prior.log_ratio(Moment(*SYDNEY, 10))
    assert danish[AUTUMN] > danish[SPRING] + 2
    assert australian[SPRING] > australian[AUTUMN] + 2
    far_north, far_south = (70.0, -150.0), (-50.0, -70.0)  # nobody observed there
    assert prior.log_ratio(Moment(*far_north, 10))[AUTUMN] > prior.log_ratio(Moment(*far_south, 10))[AUTUMN]


def test_prior__neighbouring_months_are_in_season_too(prior):
    by_month = [prior.log_ratio(Moment(*DENMARK, month))[AUTUMN] for month in range(1, 13)]
    assert by_month[9] > by_month[8] > by_month[5]
    assert by_month[10] > by_month[5]


def test_prior__unknown_places_change_nothing(prior):
    assert not prior.log_ratio(Moment(*NOWHERE)).any()
    probabilities = np.array([0.4, 0.3, 0.2, 0.1])
    assert prior.apply(probabilities, Moment(*NOWHERE)) == pytest.approx(probabilities)
    assert prior.apply(probabilities, Moment()) == pytest.approx(probabilities)


def test_prior__a_cell_without_observations_is_like_its_zone(prior):
    assert prior.log_ratio(Moment(*JUTLAND_SEA)) == pytest.approx(prior.log_ratio(Moment(59.0, 1.0)))
    assert prior.log_ratio(Moment(*JUTLAND_SEA))[ALWAYS_DANISH] > 0.5


def test_prior__one_observation_says_little(prior):
    assert abs(prior.log_ratio(Moment(*DENMARK, 10))[RARE]) < 0.5


def test_prior__a_species_without_observations_is_left_alone():
    found = fit(_counts((0, DENMARK, 9, 500), (1, SYDNEY, 4, 500)))
    assert found.log_ratio(Moment(*DENMARK, 9))[3] == 0


def test_apply__adds_up_to_one_and_weighs(prior):
    even = np.full(4, 0.25)
    whole = prior.apply(even, Moment(*DENMARK, 10))
    assert whole.sum() == pytest.approx(1)
    ratios = np.exp(prior.log_ratio(Moment(*DENMARK, 10)))
    assert whole == pytest.approx(ratios / ratios.sum())
    assert replace(prior, weight=0.0).apply(even, Moment(*DENMARK, 10)) == pytest.approx(even)


def test_fitted_weight__is_high_where_places_tell_and_zero_where_they_mislead():
    labels = np.arange(200) % 2
    even = np.full((200, 2), 0.5)
    telling = np.where(np.eye(2)[labels] > 0, 1.0, -1.0)
    assert fitted_weight(even, labels, telling) == 1.5
    assert fitted_weight(even, labels, -telling) == 0.0
    assert fitted_weight(even[:0], labels[:0], telling[:0]) == 0.0


def test_fitted_weight__lowers_the_loss():
    random = np.random.default_rng(1)
    labels = random.integers(0, 3, 500)
    ratios = np.eye(3)[labels] + random.normal(0, 1, (500, 3))
    probabilities = random.dirichlet(np.ones(3), 500)
    weight = fitted_weight(probabilities, labels, ratios)
    assert 0 < weight < 1.5
    assert log_loss(weighed(probabilities, ratios, weight), labels) < log_loss(probabilities, labels)


def test_write__reads_back_and_is_the_same_every_time(prior):
    data = write(replace(prior, weight=0.75))
    found = read(data)
    assert found.weight == 0.75
    for moment in (Moment(*DENMARK, 10), Moment(*SYDNEY), Moment(month=3), Moment(*NOWHERE, 1)):
        assert np.array_equal(found.log_ratio(moment), prior.log_ratio(moment))
    assert write(found) == data


def test_write__is_small_for_500_species_all_over_the_world():
    random = np.random.default_rng(0)
    many = 100_000
    counts = Counts(
        500,
        random.integers(0, 500, many),
        random.integers(0, 36, many),
        random.integers(0, 72, many),
        random.integers(0, 13, many),
        np.ones(many, np.int64),
    )
    assert len(write(fit(counts))) < 1_000_000


def test_fit__refuses_counts_outside_the_world():
    counts = _counts((0, DENMARK, 9, 5))
    with pytest.raises(BundleError, match="month"):
        fit(replace(counts, month=np.array([13])))
    with pytest.raises(BundleError, match="label"):
        fit(replace(counts, label=np.array([4])))


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ({"latitude": 5.0}, "Give both, or neither"),
        ({"longitude": 5.0}, "Give both, or neither"),
        ({"latitude": 90.5, "longitude": 0.0}, "latitude is between -90 and 90. Received: 90.5"),
        ({"latitude": float("nan"), "longitude": 0.0}, "Received: nan"),
        ({"latitude": 0.0, "longitude": -181.0}, "longitude is between"),
        ({"month": 13}, "month is between 1 and 12"),
    ],
)
def test_moment__refuses_what_is_nowhere(place, message):
    with pytest.raises(SettingsError, match=message):
        Moment(**place)


@given(st.floats(-90, 90), st.floats(-180, 180), st.integers(1, 12) | st.none())
def test_log_ratio__is_finite_everywhere(latitude, longitude, month):
    found = fit(_counts((0, DENMARK, 9, 500), (1, SYDNEY, 4, 500))).log_ratio(Moment(latitude, longitude, month))
    assert np.isfinite(found).all()


def test_month_of__reads_a_day():
    assert month_of("2026-10-03") == 10
    for wrong in ("10/3/2026", "2026-13-01", "today", ""):
        with pytest.raises(SettingsError, match="a date is YYYY-MM-DD"):
            month_of(wrong)


def _with_header(data: bytes, **changes: object) -> bytes:
    length = int.from_bytes(data[8:12], "little")
    text = json.dumps({**json.loads(data[12 : 12 + length]), **changes}).encode()
    return data[:8] + len(text).to_bytes(4, "little") + text + data[12 + length :]


@pytest.mark.parametrize(
    "change",
    [
        lambda data: b"",
        lambda data: data[:20],
        lambda data: data[:-1],
        lambda data: data + b"x",
        lambda data: b"X" + data[1:],
        lambda data: data[:8] + b"\xff\xff\xff\xff" + data[12:],
        lambda data: _with_header(data, schema_version=2),
        lambda data: _with_header(data, degrees_cell=1),
        lambda data: _with_header(data, classes=-4),
        lambda data: _with_header(data, classes=10**18),
        lambda data: _with_header(data, cells="many"),
        lambda data: _with_header(data, weight=float("nan")),
    ],
)
def test_read__refuses_what_is_damaged(prior, change):
    with pytest.raises(BundleError, match="the prior is damaged"):
        read(change(write(prior)))
