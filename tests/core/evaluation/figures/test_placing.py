"""Labels beside points: where they go, and what they keep off."""

import math

import numpy as np

from knnrouter.evaluation.figures.placing import Box, pieces, place

BOUNDS = Box(0, 0, 200, 100)


def test_the_first_choice_is_on_the_right():
    [spot] = place([(50, 50)], [(30, 10)], bounds=BOUNDS, gap=5)
    assert (spot.box, spot.lead) == (Box(55, 45, 85, 55), ())


def test_at_the_right_edge_it_is_on_the_left():
    [spot] = place([(195, 50)], [(30, 10)], bounds=BOUNDS, gap=5)
    assert spot.box == Box(160, 45, 190, 55)


def test_a_line_to_the_right_is_kept_free():
    [spot] = place([(50, 50)], [(30, 10)], bounds=BOUNDS, gap=5, soft=pieces((50, 50), (200, 50)))
    assert spot.box == Box(15, 45, 45, 55)


def test_a_mark_is_never_covered():
    around = [Box(40, 40, 60, 44), Box(40, 56, 60, 60), Box(56, 40, 60, 60), Box(40, 40, 44, 60)]
    [spot] = place([(50, 50)], [(30, 10)], bounds=BOUNDS, gap=5, hard=around)
    assert spot is None or not any(spot.box.meets(each) for each in around)


def test_a_label_far_away_has_a_lead():
    walls = [Box(0, 30, 200, 42), Box(0, 58, 200, 62), Box(56, 42, 60, 58), Box(40, 42, 44, 58)]
    [spot] = place([(50, 50)], [(30, 8)], bounds=BOUNDS, gap=5, hard=walls)
    assert spot is None, "a lead would cross a wall"
    [spot] = place([(50, 50)], [(30, 8)], bounds=BOUNDS, gap=5, hard=[Box(56, 20, 90, 80)])
    assert spot.lead == ()


def test_no_room_no_label():
    assert place([(5, 5)], [(300, 10)], bounds=BOUNDS) == [None]


def test_labels_of_a_crowd_stay_apart_and_off_the_points():
    points = [tuple(each) for each in np.random.default_rng(3).uniform(20, 80, (14, 2))]
    marks = [Box(x - 2, y - 2, x + 2, y + 2) for x, y in points]
    spots = place(points, [(26, 8)] * 14, bounds=Box(-40, -20, 140, 120), hard=marks)
    found = [spot for spot in spots if spot]
    assert len(found) >= 10
    for number, spot in enumerate(found):
        assert not any(spot.box.meets(other.box) for other in found[number + 1 :])
        assert not any(spot.box.meets(mark) for mark in marks)


def test_pieces_follow_the_line():
    found = pieces((0, 0), (30, 40))
    assert len(found) == 14
    for each in found:
        x, y = (each.left + each.right) / 2, (each.bottom + each.top) / 2
        assert math.isclose(4 * x, 3 * y, abs_tol=1e-9)
