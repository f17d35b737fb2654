"""A hand, as it gets into photos: an open palm with four fingers and a thumb.

hand = hand_points(density=4000.0, rng=rng)      # palm up, fingers away from the viewer
"""

from __future__ import annotations

import numpy as np

from mushroom_tasks.sample.drawing.floats import Floats, floats
from mushroom_tasks.sample.drawing.noise import at, smoothstep
from mushroom_tasks.sample.drawing.points import Points, tubes

_SKINS = ((226, 176, 146), (206, 150, 118), (172, 118, 86), (122, 82, 60), (236, 190, 166))
_FINGERS = (1.0, 1.15, 1.1, 0.85)
_JOINTS = (1.0, 0.8, 0.6)
_FINGER_JOINTS = len(_FINGERS) * len(_JOINTS)

# The thumb points to +x; the palm and the wrist are a few thick rolls. Start, end, radii.
_REST = (
    ((0.3, 0.45, 0.95), (1.25, 0.6, 0.35), (0.4, 0.27)),
    ((1.15, 0.6, 0.42), (1.45, 0.65, -0.35), (0.26, 0.19)),
    ((-0.62, 0.5, -0.1), (-0.4, 0.4, 1.15), (0.27, 0.45)),
    ((-0.2, 0.5, -0.15), (-0.1, 0.4, 1.2), (0.29, 0.5)),
    ((0.2, 0.5, -0.15), (0.1, 0.4, 1.2), (0.29, 0.5)),
    ((0.62, 0.5, -0.1), (0.35, 0.4, 1.1), (0.27, 0.45)),
    ((0.0, 0.3, 5.0), (0.0, 0.35, 1.0), (0.75, 0.56)),
)


def hand_points(density: float, rng: np.random.Generator) -> Points:
    """Return a left or right hand, some two and a half units long, about half a unit above the ground."""
    starts, ends, radii = _fingers(rng)
    side = floats([rng.choice([-1.0, 1.0]), 1.0, 1.0])
    rest_starts, rest_ends, rest_radii = (floats([roll[part] for roll in _REST]) for part in range(3))
    which, along, position, normal = tubes(
        np.concatenate([starts, rest_starts * side]),
        np.concatenate([ends, rest_ends * side]),
        np.concatenate([radii, rest_radii]),
        density,
    )
    finger = which < _FINGER_JOINTS
    skin = floats(_SKINS[int(rng.integers(len(_SKINS)))])[:, None] / 255
    colour = skin * (1 + 0.04 * at(position[0] * 90, position[2] * 90, exponent=1.0))
    colour = colour * (1 - floats([[0.0], [0.1], [0.1]]) * (smoothstep(along, 0.6, 1.0) * finger))
    nail = finger & (which % len(_JOINTS) == len(_JOINTS) - 1) & (along > 0.45) & (normal[1] > 0.72)
    colour[:, nail] = np.clip(skin * floats([[1.08], [1.06], [1.1]]), 0, 1)
    return Points(position, normal, floats(colour), floats(np.full(len(along), 0.85)), gloss=0.12)


def _fingers(rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """Return starts, ends (S, 3) and radii (S, 2) of the joints, finger by finger from the palm outwards."""
    turn = rng.uniform(-0.6, 0.6)
    joints = []
    for number, share in enumerate(_FINGERS):
        aside = number - 1.5
        spread = aside * rng.uniform(0.12, 0.24) + turn
        place = floats([aside * 0.42 * np.cos(turn), 0.5, aside * 0.17 * np.sin(turn)])
        way = floats([np.sin(spread), rng.uniform(-0.1, 0.15), -np.cos(spread)])
        length, thick = rng.uniform(0.5, 0.65) * share, 0.21
        for joint in _JOINTS:
            end = place + way * (length * joint)
            joints.append((place, end, (thick, thick * 0.9)))
            place, thick = end - way * (thick * 0.5), thick * 0.92
            way = way - floats([0, rng.uniform(0.0, 0.35), 0])
    starts, ends, radii = (floats(part) for part in zip(*joints, strict=True))
    return starts, ends, radii
