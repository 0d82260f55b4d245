import copy
import json
import math
import re
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

from ganaug.data import load
from ganaug.errors import DataError, OutputError
from ganaug.report import Pictures, sentence, summary_table, write_report

CLASSES = tuple(map(str, range(10)))
RECALL = (0.97, 0.86, 0.95, 0.88, 0.93, 0.91, 0.97, 0.94, 0.82, 0.87)
SEEDS = 6


def example_arm(name, fraction, mean, train, delta, ci, p, verdict, seed):
    """A made-up arm whose scores and recalls scatter around `mean`; no measurement stands behind it."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 0.004, SEEDS)
    recalls = np.clip(np.array(RECALL) + (mean - 0.91) + rng.normal(0, 0.012, 10), 0, 1)
    return {
        "name": name, "fraction": fraction, "scores": (mean + noise - noise.mean()).tolist(), "mean": mean,
        "train_mean": train, "gap": train - mean, "per_class": dict(zip(CLASSES, recalls.tolist(), strict=True)),
        "validation": {"mean": mean + 0.01, "delta": delta - 0.002},
        "delta": delta, "ci": ci, "p": p, "verdict": verdict,
    }  # fmt: skip


def example_result():
    """A made-up study with every part that a report shows."""
    base, both = "real+classical", "real+classical+synthetic"
    none = "no measurable difference"
    return {
        "schema": 1,
        "ganaug": "0.1.0",
        "model": "runs/digits",
        "command": "ganaug measure runs/digits --train sklearn:digits:train --test sklearn:digits:test -o report",
        "splits": {"train": "3f9a1c2b77d0e4", "val": "b81d0e55aa3412", "test": "0c77e1f29b5d60"},
        "seconds": {"gan_training": 312.4, "synthetic_images": 1.9, "classifiers": 188.0, "measures": 21.3},
        "data": {
            "classes": list(CLASSES),
            "train": 160,
            "val": 40,
            "test": 599,
            "per_class": dict.fromkeys(CLASSES, 16),
        },
        "versions": {"python": "3.11.9", "torch": "2.14.1"},
        "gain": {
            "metric": "accuracy",
            "seeds": SEEDS,
            "steps_per_arm": 400,
            "margin": 0.01,
            "classifier": "small residual network, 0.3 M weights",
            "augmentation": {
                "chosen": "shift+rotate",
                "scores": {"none": 0.871, "shift": 0.902, "shift+rotate": 0.913},
            },
            "arms": [
                example_arm("real", 0.0, 0.872, 1.0, -0.038, [-0.049, -0.027], 0.03125, "hurts", 0),
                example_arm(base, 0.0, 0.910, 0.994, 0.0, [0.0, 0.0], 1.0, none, 1),
                example_arm(both, 0.25, 0.928, 0.981, 0.018, [0.009, 0.027], 0.03125, "helps", 2),
                example_arm(both, 0.5, 0.921, 0.969, 0.011, [-0.001, 0.023], 0.09375, "inconclusive", 3),
                example_arm("synthetic", 1.0, 0.804, 0.842, -0.106, [-0.121, -0.091], 0.03125, "hurts", 4),
            ],
            "headline": {
                "against": base,
                "arm": both,
                "fraction": 0.25,
                "delta": 0.018,
                "ci": [0.009, 0.027],
                "p": 0.03125,
                "minimum_detectable": 0.011,
                "verdict": "helps",
            },
            "real_equivalents": {"per_class": None, "ci": None, "why": "no unused real images to compare with"},
            "controls": {
                "a_a": {"delta": -0.001, "ci": [-0.008, 0.006], "p": 0.84, "verdict": none},
                "copy": {},
                "wrong_label": {},
            },
        },
        "cas": {"gan_train": 0.804, "gan_test": 0.931, "real": 0.910},
        "fidelity": {
            "encoder": "own:ab12cd",
            "fd": 12.31,
            "fd_floor": 8.07,
            "kid": 0.0041,
            "precision": 0.83,
            "recall": 0.71,
            "density": 0.92,
            "coverage": 0.88,
            "per_class": {name: {"coverage": 0.8 + k / 100} for k, name in enumerate(CLASSES)},
        },
        "memorization": {
            "verdict": "healthy",
            "copies": 0,
            "ct": -0.8,
            "authpct": 58.2,
            "dcr": 0.51,
            "null_dcr": 0.49,
            "dcr_p": 0.41,
            "nn_ratio": 0.0,
            "null_nn_ratio": 0.005,
            "per_class": {},
        },
        "recommendation": {
            "use": True,
            "fraction": 0.25,
            "classes": [],
            "why": "on validation a quarter of synthetic images gained 1.6 points, and the test images agree",
        },
        "notes": ["One generator was trained, once."],
    }


def example_pictures(classes=CLASSES):
    """Scans stand in for samples: what is tested is the page, not a generator."""
    digits = load("sklearn:digits")
    rows = torch.cat([(digits.labels == k).nonzero()[:8, 0] for k in range(len(classes))])
    pairs = [(digits.images[i], digits.images[i + 40], 0.31 + 0.06 * i) for i in range(8)]
    return Pictures(digits.images[rows], tuple(classes), pairs)


def with_headline(verdict, delta, ci, **parts):
    result = example_result()
    result["gain"]["headline"] |= {"verdict": verdict, "delta": delta, "ci": ci}
    result["gain"] |= {key: parts.pop(key) for key in list(parts) if key in result["gain"]}
    return result | {key: result[key] | value for key, value in parts.items()}


def renamed(result, names):
    """The same study with other class names."""
    result = copy.deepcopy(result)
    result["data"] |= {"classes": list(names), "per_class": dict.fromkeys(names, 16)}
    for arm in result["gain"]["arms"]:
        arm["per_class"] = dict(zip(names, arm["per_class"].values(), strict=True))
    return result


def visible(page):
    """The words of a page: no tags, no styles, no attributes."""
    words = re.sub(r"<[^>]*>", " ", re.sub(r"<style>.*?</style>", "", page, flags=re.S))
    return words.replace("\N{NO-BREAK SPACE}", " ")


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return write_report(tmp_path_factory.mktemp("reports") / "report", example_result(), example_pictures()).parent


@pytest.fixture(scope="module")
def page(report):
    return (report / "report.html").read_text(encoding="utf-8")


def test_a_report_is_a_page_its_numbers_and_five_figures(report):
    assert sorted(path.name for path in report.iterdir()) == ["figures", "measure.json", "report.html"]
    figures = ["arms.png", "gap.png", "pairs.png", "per_class.png", "samples.png"]
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
        "0.031",
        "training randomness only",
        "1.1 points",
        "599",
        "healthy",
    ]
    measures = ["80.4 %", "93.1 %", "FD[own:ab12cd]", "12.3", "8.07", "0.0041", "0.83", "58.2", "5 min 12 s"]
    limits = ["does not cover another GAN or another training set", "On validation a quarter of synthetic images"]
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


def test_real_equivalents_that_are_null_show_why(page):
    assert re.search(r"worth in real images</dt><dd>–\s*<small>no unused real images to compare with", page)


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


def test_the_terminal_shows_an_arm_a_row_and_the_reason():
    console = Console(width=160)
    text = "".join(segment.text for segment in console.render(summary_table(example_result())))
    assert "On validation a quarter of synthetic images" in text and "baseline" in text
    assert re.search(r"synthetic, 25 % .*92\.8 %.*\+1\.8.*\+0\.9 to \+2\.7.*0\.031.*helps", text)


def test_uneven_pictures_are_refused_in_a_sentence():
    with pytest.raises(DataError, match="as many samples of each class, got 7 for 3 classes"):
        Pictures(torch.zeros(7, 1, 8, 8, dtype=torch.uint8), ("a", "b", "c"))


def test_large_pictures_are_reduced_to_what_a_page_needs(tmp_path):
    photo = torch.randint(0, 256, (1, 3, 600, 300), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    pictures = Pictures(photo, ("cat",), [(photo[0], photo[0], 0.0)])
    assert write_report(tmp_path / "report", {}, pictures).stat().st_size < 300_000


def test_the_page_names_the_clipped_arms_value_though_its_dot_is_off_the_axis(page):
    assert "synthetic −10.6 (−12.1 to −9.1)" in page
