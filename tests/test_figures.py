import base64
import re

import pytest
from made_up_study import BOTH, example_result, first_result

from ganaug.report.figures import charts
from ganaug.report.figures.chart import ACCENT, DARK
from ganaug.report.figures.classes import classes_chart
from ganaug.report.figures.curve import curve_chart
from ganaug.report.figures.sweep import sweep_chart


def drawn(chart, result):
    found = chart(result)
    assert found is not None
    return found


def curve(**worth):
    result = example_result()
    result["gain"]["real_equivalents"] = {"per_class": None, "ci": None, "why": "", **worth}
    return drawn(curve_chart, result)


def texts(chart):
    return re.findall(r"<text[^>]*>([^<]*)</text>", chart.svg)


def test_five_figures_each_with_words_for_those_who_do_not_see_it():
    found = charts(example_result())
    assert list(found) == ["arms", "sweep", "curve", "gap", "per_class"]
    assert all(chart.alt and chart.png.startswith(b"\x89PNG") for chart in found.values())


def test_a_figure_without_numbers_is_left_out():
    assert charts({}) == {} and charts({"gain": {"arms": [{"name": "real", "mean": None}], "curve": [{}]}}) == {}
    assert list(charts(first_result())) == ["arms", "sweep", "gap", "per_class"]


def test_the_same_result_is_the_same_figure_twice():
    one, two = (charts(example_result()) for _ in range(2))
    assert [c.svg for c in one.values()] == [c.svg for c in two.values()]


def test_a_dark_figure_holds_no_light_colour():
    for chart in charts(example_result()).values():
        dark = base64.b64decode(chart.dark.split(",")[1]).decode()
        assert not any(light in dark for light in DARK) and any(colour in dark for colour in DARK.values())


def test_the_sweep_shows_validation_and_test_of_all_four_shares_and_marks_the_chosen():
    chart = drawn(sweep_chart, example_result())
    said = re.findall(r"(\d+ %) (\S+) \([^)]*\), (\S+) \(", chart.alt)
    assert said == [
        ("10 %", "+0.7", "+0.9"), ("25 %", "+1.6", "+1.8"), ("50 %", "+0.9", "+1.1"), ("70 %", "-0.6", "-0.4"),
    ]  # fmt: skip
    assert texts(chart).count("chosen") == 1
    assert {"validation, 4 seeds: chooses", "test, 10 seeds: decides"} <= set(texts(chart))


def test_a_share_that_was_tried_and_not_reported_is_in_the_sweep():
    result = example_result()
    result["gain"]["arms"] = [a for a in result["gain"]["arms"] if (a["name"], a["fraction"]) != (BOTH, 0.7)]
    assert "70 % -0.6 (-1.9 to +0.7), not run" in drawn(sweep_chart, result).alt


@pytest.mark.parametrize(("worth", "said"), [(93.0, "+93 a class"), (-31.4, "−31 a class"), (0.2, "0 a class")])
def test_the_curve_meets_the_headline_arm_where_the_gain_is_worth_it(worth, said):
    chart = curve(per_class=worth, ci=[worth - 20, worth + 20])
    assert {said, "with synthetic images: 92.8 %"} <= {text.replace("\N{NO-BREAK SPACE}", " ") for text in texts(chart)}


def test_a_curve_without_an_answer_still_shows_both():
    words = [text.replace("\N{NO-BREAK SPACE}", " ") for text in texts(curve())]
    assert "with synthetic images: 92.8 %" in words and not any("a class" in text for text in words)


def test_sizes_that_would_touch_lose_their_label_and_the_largest_keeps_it():
    words = texts(curve())
    assert [text for text in words if text in ("5", "10", "20", "50", "100", "120")] == ["120", "50", "20", "10", "5"]


@pytest.mark.parametrize("ends", [[None, None], [-500.0, None], [-500.0, 500.0], []])
def test_an_interval_that_leaves_the_curve_is_no_trouble(ends):
    assert curve(per_class=93.0, ci=ends).png.startswith(b"\x89PNG")


def test_a_curve_without_a_fit_is_its_points():
    result = example_result()
    for point in result["gain"]["curve"]:
        point["fitted"] = None
    assert "5 74.2 %; 10 81.2 %" in drawn(curve_chart, result).alt


def test_classes_with_too_few_test_images_are_grey():
    result = example_result()
    before = drawn(classes_chart, result).svg
    for counts in result["data"]["per_class"].values():
        counts["test"] = 9
    assert ACCENT in before and ACCENT not in drawn(classes_chart, result).svg
