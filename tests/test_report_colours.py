"""The page's ramps, as colour-blind readers see them (Machado, Oliveira and Fernandes, 2009, severity 1)."""

import numpy as np
import pytest

from textiba.show.scale import RAMPS, blend

# Linear RGB as people without one kind of cone see it.
SIGHT = {
    "all cones": np.eye(3),
    "no red cones": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "no green cones": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "no blue cones": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
# Björn Ottosson's OKLab (2020): differences in it are those that people see, and 0.02 is about the least of them.
LMS = np.array(
    [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
     [0.0883024619, 0.2817188376, 0.6299787005]]
)  # fmt: skip
LAB = np.array(
    [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
     [0.0259040371, 0.7827717662, -0.8086757660]]
)  # fmt: skip
STRENGTHS = (1 / 3, 1 / 2, 2 / 3, 1)


def _seen(color: str, sight: str) -> np.ndarray:
    """A CSS hex colour in OKLab."""
    srgb = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    return LAB @ np.cbrt(LMS @ np.clip(SIGHT[sight] @ linear, 0, 1))


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_for_and_against_differ_at_any_strengths(theme: str, sight: str):
    ramp = RAMPS[theme]["diverging"]
    against = [_seen(blend(ramp, (1 - s) / 2), sight) for s in STRENGTHS]
    favour = [_seen(blend(ramp, (1 + s) / 2), sight) for s in STRENGTHS]
    assert min(float(np.linalg.norm(a - f)) for a in against for f in favour) > 0.05
    assert min(float(np.linalg.norm(a - f)) for a, f in zip(against[1:], favour[1:], strict=True)) > 0.09


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_more_is_further_from_the_ground_in_lightness(theme: str, sight: str):
    places = np.linspace(0, 1, 9)
    for ramp in (RAMPS[theme]["sequential"], RAMPS[theme]["diverging"][3:], RAMPS[theme]["diverging"][3::-1]):
        lightness = np.array([_seen(blend(ramp, float(p)), sight)[0] for p in places])
        steps = np.diff(lightness) * (-1 if theme == "light" else 1)
        assert (steps > 0.004).all()
