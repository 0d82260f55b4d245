import json
import math
import re
from typing import Any

import numpy as np
import pytest
import torch
from made_up_study import example_pictures, example_result, first_result, renamed, with_headline
from rich.console import Console

from ganaug.errors import DataError, OutputError
from ganaug.report import Pictures, sentence, summary_table, write_report


def visible(page):
    """The words of a page: no tags, no styles, no attributes."""
    words = re.sub(r"<[^>]*>", " ", re.sub(r"<style>.*?</style>", "", page, flags=re.S))
    return words.replace("\N{NO-BREAK SPACE}", " ")


def squeezed(page):
    """The same, with single spaces and none before a full stop."""
    return re.sub(r" (?=[.,:)])", "", re.sub(r"\s+", " ", visible(page)))


def written(folder, result, pictures=None):
    return write_report(folder / "report", result, pictures or example_pictures()).read_text(encoding="utf-8")


def printed(result, width=80):
    return "".join(segment.text for segment in Console(width=width).render(summary_table(result)))


def with_failed_control(**parts):
    result = with_headline("helps", 0.018, [0.009, 0.027], **parts)
    result["gain"]["controls"]["copy"] |= {"delta": 0.014, "ci": [0.005, 0.023], "verdict": "helps", "passed": False}
    return result


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return write_report(tmp_path_factory.mktemp("reports") / "report", example_result(), example_pictures()).parent


@pytest.fixture(scope="module")
def page(report):
    return (report / "report.html").read_text(encoding="utf-8")


def test_a_report_is_a_page_its_numbers_and_seven_figures(report):
    assert sorted(path.name for path in report.iterdir()) == ["figures", "measure.json", "report.html"]
    figures = ["arms.png", "curve.png", "gap.png", "pairs.png", "per_class.png", "samples.png", "sweep.png"]
    assert sorted(path.name for path in (report / "figures").iterdir()) == figures
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in (report / "figures").iterdir())
    assert [path.name for path in report.parent.iterdir()] == ["report"]


def test_measure_json_is_the_result(report):
    assert json.loads((report / "measure.json").read_text()) == example_result()


def test_the_page_shows_every_promised_number(page):
    words = visible(page)
    verdict = [
        "Use it",
        "+1.8 points",
        "+0.9 to +2.7",
        "0.002",
        "training randomness only",
        "1.1 points",
        "599",
        "healthy",
    ]
    measures = ["80.4 %", "93.1 %", "FD[own:ab12cd]", "12.3", "8.07", "0.0041", "0.83", "58.2", "5 min 12 s"]
    limits = [
        "new test images, not another GAN or another training set.",
        "On validation a quarter of synthetic images",
    ]
    for text in [*verdict, *measures, *limits, "ganaug measure runs/digits"]:
        assert text in words, text
    assert "FID" not in words


def test_the_page_loads_nothing_from_elsewhere(page):
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in page
    links = re.findall(r"""(?:src|srcset|href|action|poster|data)\s*=\s*["']([^"']*)""", page)
    assert links and all(link.startswith("data:") for link in links)
    assert not re.search(r"https?://|url\(|@import|<script|<link|<iframe", page)


def test_numbers_that_are_not_finite_become_null_and_dashes(tmp_path):
    result = with_headline("inconclusive", math.nan, [math.nan, math.inf])
    result["cas"] = {"gan_train": np.float32("nan"), "gan_test": torch.tensor(math.inf), "real": np.float64(0.9)}
    html = write_report(tmp_path / "report", result, example_pictures())

    def refuse(constant):
        raise AssertionError(constant)

    numbers = json.loads((tmp_path / "report" / "measure.json").read_text(), parse_constant=refuse)
    assert numbers["gain"]["headline"]["delta"] is None
    assert numbers["cas"] == {"gan_train": None, "gan_test": None, "real": 0.9}
    assert not re.search(r"\b(nan|NaN|inf|Infinity|None)\b", visible(html.read_text()))


@pytest.mark.parametrize("drop", ["None", "missing"])
@pytest.mark.parametrize("kept", ["nothing", "tables"])
def test_what_is_missing_is_a_dash_and_never_none(tmp_path, drop, kept):
    def hollow(value) -> Any:
        if isinstance(value, dict):
            return {key: hollow(item) for key, item in value.items()} if drop == "None" else {}
        return [hollow(item) for item in value] if isinstance(value, list) else None

    result = hollow(example_result()) if kept == "tables" else dict.fromkeys(example_result() if drop == "None" else ())
    pictures = Pictures(torch.zeros(0, 1, 8, 8, dtype=torch.uint8), ())
    words = visible(write_report(tmp_path / "report", result, pictures).read_text())
    assert "–" in words and not re.search(r"\b(None|nan|Undefined)\b", words)
    assert words.count("No verdict") == 2  # in the title and on top
    assert "None" not in "".join(segment.text for segment in Console().render(summary_table(result)))


def test_what_the_gain_is_worth_stands_on_top_and_at_the_curve(page):
    assert re.search(r"worth in real images</dt><dd>\+93 a class\s*<small>\+41 to \+118<", page)
    assert "+93 real images of each class (95 % interval +41 to +118). 120 images a class" in squeezed(page)


def test_real_equivalents_that_are_null_show_why(tmp_path):
    result = example_result()
    result["gain"]["real_equivalents"] = {"per_class": None, "ci": None, "why": "the interval of the gain holds 0"}
    page = written(tmp_path, result)
    assert re.search(r"worth in real images</dt><dd>–\s*<small>the interval of the gain holds 0", page)
    assert "Not given: the interval of the gain holds 0." in squeezed(page)


def test_hostile_names_are_text(tmp_path):
    evil = "<script>alert(1)</script>"
    names = [
        evil,
        "$\\frac{",
        "x" * 200,
        "a\nb\x00\ud800",
        "犬",
        '"><img src=x>',
        "{{ 7*7 }}",
        "[red]",
        "&amp;",
        "--><b>",
    ]
    result = renamed(example_result(), names) | {"command": evil, "model": evil, "notes": [evil]}
    html = write_report(tmp_path / "report", result, example_pictures(names)).read_text(encoding="utf-8")
    assert "<script" not in html and "&lt;script&gt;alert(1)" in html
    assert "<img src=x" not in html and "<b>" not in html and "{{ 7*7 }}" in html and "\x00" not in html
    assert json.loads((tmp_path / "report" / "measure.json").read_text())["data"]["classes"] == names


def test_a_folder_that_holds_something_is_refused_untouched(tmp_path):
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError, match="report: must be a new or empty folder, got a folder with content"):
        write_report(tmp_path / "report", example_result(), example_pictures())
    assert [path.name for path in tmp_path.rglob("*")] == ["report", "thesis.txt"]


def test_a_file_in_the_way_is_refused(tmp_path):
    (tmp_path / "report").write_text("years of work")
    with pytest.raises(OutputError, match="got a file"):
        write_report(tmp_path / "report", example_result(), example_pictures())


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "report").mkdir()
    assert write_report(tmp_path / "report", {}, example_pictures()).is_file()


def test_a_failure_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr("ganaug.report.page.sentence", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_report(tmp_path / "report", {}, example_pictures())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (
            with_headline("helps", 0.018, [0.009, 0.027]),
            "Use it: accuracy on real test images rises by 1.8 points (95 % interval +0.9 to +2.7) "
            "with 25 % synthetic.",
        ),
        (
            with_headline("hurts", -0.012, [-0.02, -0.004], recommendation={"use": True}),
            "Do not use it: accuracy on real test images falls by 1.2 points (95 % interval -2.0 to -0.4) "
            "with 25 % synthetic.",
        ),
        (
            with_headline("no measurable difference", 0.001, [-0.003, 0.005], recommendation={"use": False}),
            "Do not use it: no measurable gain; accuracy on real test images changes by +0.1 points "
            "(95 % interval -0.3 to +0.5), inside the margin of 1.0 points.",
        ),
        (
            with_headline("inconclusive", 0.006, [-0.008, 0.02], recommendation={"use": False}),
            "Do not use it yet: inconclusive; accuracy on real test images changes by +0.6 points "
            "(95 % interval -0.8 to +2.0), and a gain below 1.1 points could not have been detected.",
        ),
        (
            with_headline("inconclusive", 0.03, [0.01, 0.05], recommendation={"use": False}, seeds=3),
            "Do not use it yet: inconclusive; accuracy on real test images changes by +3.0 points "
            "(95 % interval +1.0 to +5.0), from 3 seeds, and a verdict needs 6.",
        ),
        (
            with_headline("helps", 0.018, [0.009, 0.027], memorization={"verdict": "copying", "copies": 37}),
            "Do not use it: samples copy training images (37 found); accuracy on real test images rises by 1.8 points "
            "(95 % interval +0.9 to +2.7) with 25 % synthetic.",
        ),
        (
            with_headline("no measurable difference", 0.002, [-0.004, 0.008]),
            "Use it with care: validation shows a gain that the test does not; no measurable gain; "
            "accuracy on real test images changes by +0.2 points (95 % interval -0.4 to +0.8), "
            "inside the margin of 1.0 points.",
        ),
    ],
    ids=["helps", "hurts", "none", "inconclusive", "few seeds", "copying", "validation only"],
)
def test_the_verdict_is_one_plain_sentence(result, words):
    assert sentence(result) == words


def test_a_failed_control_takes_the_certainty_out_of_the_verdict():
    assert sentence(with_failed_control()) == (
        "Use it with care: a control failed (copies); accuracy on real test images rises by 1.8 points "
        "(95 % interval +0.9 to +2.7) with 25 % synthetic."
    )


def test_a_failed_control_is_loud_and_one_that_passed_is_not(tmp_path, page):
    loud = written(tmp_path, with_failed_control())
    assert page.count('role="alert"') == page.count("FAILED") == 0 and "3 of 3 as expected" in page
    assert 'class="verdict good"' in page and 'class="verdict neutral"' in loud
    assert loud.count('role="alert"') == loud.count(">FAILED<") == 1 and "2 of 3 as expected" in loud
    assert loud.index('role="alert"') < loud.index('<dl class="facts">')
    assert "Expected: no help. Found: +1.4 points (+0.5 to +2.3), helps." in squeezed(loud)


def test_an_unusable_encoder_is_loud(tmp_path):
    result = example_result()
    result["fidelity"] |= {"usable": False, "why": "the distance falls as images are blurred"}
    result["fidelity"]["ladder"]["blur"] = [8.1, 7.2, 6.9, 9.9]
    page = written(tmp_path, result)
    assert page.count('role="alert"') == 1 and "8.1 → 7.2 → 6.9 → 9.9 " in squeezed(page)
    assert "This encoder is unusable. The distance falls as images are blurred." in squeezed(page)
    assert "Encoder unusable: The distance falls as images are blurred." in re.sub(r"\s+", " ", printed(result))


def test_the_page_answers_first_and_proves_later(page):
    parts = [
        'class="verdict', 'class="facts"', "What each arm changes", "How much synthetic", "All arms",
        "What it is worth in real images", "own overfitting</h2>", "Class by class", "Does it copy",
        "Fidelity and variety", "What it cost", "How to reproduce",
    ]  # fmt: skip
    assert sorted(parts, key=page.index) == parts


def test_secondary_arms_have_holms_p_beside_their_own_and_the_headline_none(page):
    rows = {squeezed(row).strip() for row in re.findall(r"<tr.*?</tr>", page, flags=re.S)}
    assert "p training randomness only p, Holm" in squeezed(page)
    numbers = "91.9 % ±0.3 +0.9 +0.1 to +1.7 1.1 0.021 0.129 +0.7 +7.1 −1.3 −2.1 to −0.5 helps"
    assert f"real + classical + synthetic, 10 % {numbers}" in rows
    assert any(row.startswith("real + classical + synthetic, 25 %") and " 0.002 – +1.6 " in row for row in rows)
    assert any(row.startswith("real + classical + longer 1,600 steps") for row in rows)
    assert "real + classical 91.0 % ±0.5 – – – – – +8.4 – baseline" in rows


def test_arms_that_were_left_out_say_why(page):
    assert "real + held-out + longer: no real image is unused." in squeezed(page)


def test_worst_class_tail_third_and_too_few_images_are_named(tmp_path):
    result = example_result()
    for name, count in {"2": 9, "5": 4}.items():
        result["data"]["per_class"][name] |= {"test": count}
    page = written(tmp_path, result)
    assert "Worst class without synthetic images: 8 (82.0 %); with them: 8" in squeezed(page)
    assert "Fewest training images, the tail third: 7, 8, 9." in squeezed(page)
    assert page.count('<tr class="few">') == 2


def test_recall_and_metrics_have_intervals_without_and_with_and_of_the_change(page):
    text = squeezed(page)
    assert "8 112 / 60 82.0 80.7–83.3 " in text
    assert re.search(r"macro-F1 mean F1 of the classes 89.0 90.8 \+1.8 \+0.9 to \+2.7", text)
    assert re.search(r"calibration error .*? lower is better 4.1 2.3 −1.8 −2.7 to −0.9", text)
    assert page.count('<td class="up">') == 6 and page.count('<td class="down">') <= len("0123456789")


def test_memorisation_says_why_which_classes_and_in_whose_eyes(tmp_path):
    result = with_headline("helps", 0.018, [0.009, 0.027], memorization={"verdict": "copying", "copies": 137})
    result["memorization"]["per_class"]["3"] |= {"verdict": "copying"}
    text = squeezed(written(tmp_path, result))
    assert "By class: 8 healthy, 1 copying, 1 not testable. Copied: 3." in text
    assert "CAS gap, points" in text and "+0.4 −0.6 to +1.4" in text and "held-out images; 0.5 it has not" in text
    assert "samples pixels" in text and text.count("own:ab12cd") >= 5


def test_what_a_first_report_did_not_have_is_left_out(tmp_path):
    page = written(tmp_path, first_result())
    for absent in ("Holm", "could detect, points", "What it is worth in real images", "tail third", "FAILED", "None"):
        assert absent not in visible(page), absent
    assert "does not cover another GAN or another training set" in squeezed(page) and "All arms" in page
    assert len(printed(first_result()).splitlines()) < len(printed(example_result()).splitlines())


def test_tables_without_a_number_are_a_sentence(tmp_path):
    text = squeezed(
        written(tmp_path, example_result() | {"fidelity": None, "memorization": {"verdict": "not testable"}})
    )
    assert text.count("Not measured.") == 2 and "C_T" not in text and "KID" not in text and "not testable" in text


def test_a_hundred_classes_with_long_names_stay_a_page(tmp_path):
    names = [f"{k:03d} " + "a species with a rather long name, " * 3 for k in range(100)]
    page = written(tmp_path, renamed(example_result(), names), example_pictures(names))
    assert len(page) < 1_000_000
    shown, folded = page.split("<summary>38 more classes</summary>")
    assert shown.count('class="strip"') == 12 and folded.count('class="strip"') == 38 and "50 more are not" in folded


def test_the_terminal_shows_an_arm_a_row_and_the_reason():
    text = printed(example_result(), width=160)
    assert "On validation a quarter of synthetic images" in text and "baseline" in text
    assert re.search(r"synthetic, 25 % .*92\.8 %.*\+1\.8.*\+0\.9 to \+2\.7.*0\.002.*helps", text)
    assert re.search(r"synthetic, 10 % .*91\.9 %.*\+0\.9.*\+0\.1 to \+1\.7.*0\.129.*helps", text)  # Holm's


def test_the_terminal_says_what_stands_behind_the_verdict_in_a_line_each():
    lines = [line.strip() for line in printed(example_result()).splitlines()]
    assert "p: training randomness only; Holm-corrected but for the headline." in lines
    assert "Controls: A/A -0.1 passed, copies -0.3 passed, wrong labels -4.1 passed." in lines
    assert "Real-equivalents: +93 a class (+41 to +118)." in lines
    assert "Memorisation: healthy, 0 near copies." in lines
    assert "FD[own:ab12cd]: 12.3 (11.4 to 13.2), floor 8.07." in lines
    assert "copies +1.4 FAILED" in printed(with_failed_control())


@pytest.mark.parametrize("metric", ["accuracy", "balanced_accuracy"])
def test_the_terminal_keeps_to_80_columns(metric):
    result = example_result()
    result["gain"]["metric"] = metric
    lines = printed(result).splitlines()
    assert max(map(len, lines)) <= 80 and not any("…" in line for line in lines)


def test_uneven_pictures_are_refused_in_a_sentence():
    with pytest.raises(DataError, match="as many samples of each class, got 7 for 3 classes"):
        Pictures(torch.zeros(7, 1, 8, 8, dtype=torch.uint8), ("a", "b", "c"))


def test_large_pictures_are_reduced_to_what_a_page_needs(tmp_path):
    photo = torch.randint(0, 256, (1, 3, 600, 300), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    pictures = Pictures(photo, ("cat",), [(photo[0], photo[0], 0.0)])
    assert write_report(tmp_path / "report", {}, pictures).stat().st_size < 300_000


def test_the_page_names_the_clipped_arms_value_though_its_dot_is_off_the_axis(page):
    assert "synthetic −10.6 (−12.1 to −9.1)" in page
