"""Studies of planted translators: what is said where the effect is known, on what it rests, and what is refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from planted_domains import domains, faded, looking, negative, quick, some_classes, studied, translator
from rich.console import Console

from ganaug.data import LabeledImages, first_per_class, hold_out, without_labels
from ganaug.demo import write_folder
from ganaug.errors import DataError, ModelError, OutputError
from ganaug.measures.advice import recommend_translation
from ganaug.measures.domains import CHEAP, MIXED, ORACLE, ORDER, PLAIN
from ganaug.measures.features import encoder_of
from ganaug.measures.marginals import label_marginals
from ganaug.measures.selftraining import given_guesses
from ganaug.nets.translation import as_channels
from ganaug.report import sentence, summary_table
from ganaug.study import measure_translation
from ganaug.study.adaptation import TRANSFORMS, adapted
from ganaug.study.domains import gather_domains
from ganaug.study.fidelity import domain_fidelity
from ganaug.study.memorization import memorization_of_target
from ganaug.synthesis.translator import Architecture, Translator

KEYS = ("name", "fraction", "scores", "mean", "train_mean", "gap", "per_class", "delta", "ci", "p", "verdict")
Sets = dict[str, Any]  # a, b, test


@pytest.fixture(scope="module")
def sets(digits: LabeledImages, test_digits: LabeledImages) -> Sets:
    """A few digits in white on black, others in black on white, and test digits of these."""
    return domains(digits, test_digits, negative, each=20)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, sets: Sets) -> Path:
    """The report of a translator that is right, over two seeds."""
    out = tmp_path_factory.mktemp("study") / "report"
    studied(translator(negative, negative), out, command="ganaug translate measure runs/a", **sets)
    return out


@pytest.fixture(scope="module")
def result(report: Path) -> dict[str, Any]:
    """Its measure.json."""
    return json.loads((report / "measure.json").read_text())


def arm(result: dict[str, Any], name: str) -> dict[str, Any]:
    return next(row for row in result["gain"]["arms"] if row["name"] == name)


def gathered(model: Any, sets: dict[str, Any], **keys: Any) -> Any:
    return gather_domains((model,), **{"val": None, "asked": quick().data, **sets, **keys})


# what is known beforehand


@pytest.mark.slow
def test_a_right_translation_helps_and_keeps_every_label(tmp_path: Path, digits, test_digits):
    sets = domains(digits, test_digits, negative)
    result = studied(translator(negative, negative), tmp_path / "r", seeds=6, recipe=quick("measure.steps=80"), **sets)
    headline, kept = result["gain"]["headline"], result["label_preservation"]
    assert headline["verdict"] == "helps" and headline["delta"] > 0.5
    assert headline["best_baseline"]["verdict"] == "helps" and headline["best_baseline"]["name"] in (PLAIN, *CHEAP)
    assert result["recommendation"]["use"] and sentence(result).startswith("Use it: accuracy")
    assert arm(result, MIXED)["mean"] > arm(result, ORACLE)["mean"] - 0.03
    assert kept["there_and_back"]["accuracy"] == kept["a_itself"]["accuracy"] > 0.98  # what A's classifier can read
    assert kept["b_classifier"]["accuracy"] > 0.98 and kept["fresh"]["accuracy"] > 0.98
    fd = result["fidelity"]
    assert fd["fd"] < 0.01 * fd["fd_start"] and fd["fd_start_ci"][0] > fd["fd_floor_ci"][1]
    assert fd["fd"] < 2 * fd["fd_floor"] and result["memorization"]["verdict"] == "healthy"
    assert result["gain"]["guesses"]["translated+source+self-training"] > 0.8


@pytest.mark.slow
def test_a_translation_to_one_image_of_b_is_not_recommended(tmp_path: Path, digits, test_digits):
    sets = domains(digits, test_digits, negative)
    one = sets["b"].images[:1].float() / 127.5 - 1
    lost = translator(lambda x: one.expand(len(x), -1, -1, -1), lambda x: x)
    result = studied(lost, tmp_path / "r", seeds=6, recipe=quick("measure.steps=80"), **sets)
    kept = result["label_preservation"]
    assert result["gain"]["headline"]["verdict"] != "helps" and not result["recommendation"]["use"]
    assert [kept[name]["accuracy"] for name in ("there_and_back", "b_classifier", "fresh")] == [0.25] * 3
    assert sum(kept["per_class"].values()) == pytest.approx(1) and kept["a_itself"]["accuracy"] > 0.95
    assert result["memorization"]["verdict"] == "copying" and "copy" in result["recommendation"]["why"]


@pytest.mark.slow
def test_a_baseline_that_costs_nothing_and_does_better_is_said_to(tmp_path: Path, digits, test_digits):
    """B has a seventh of A's contrast; the translation has a third, and matching histograms all that it takes."""
    sets = domains(digits, test_digits, faded)
    result = studied(translator(lambda x: x / 3), tmp_path / "r", seeds=6, recipe=quick("measure.steps=80"), **sets)
    headline = result["gain"]["headline"]
    assert headline["verdict"] == "helps" and headline["best_baseline"]["name"] == "source+histogram"
    assert headline["best_baseline"]["ci"][0] < 0 and not result["recommendation"]["use"]
    assert "at no cost" in result["recommendation"]["why"]
    assert sentence(result).startswith("Do not use it: source+histogram ") and "at no cost" in sentence(result)


# what is written


def test_every_promised_key_is_written(result: dict[str, Any], sets: Sets):
    assert result["schema"] == 1 and result["study"] == "translation" and len(result["model"]) == 64
    assert set(result["splits"]) == {"train", "val", "test", "target"}
    gain = result["gain"]
    assert [row["name"] for row in gain["arms"]] == list(ORDER)
    assert all(set(KEYS) <= set(row) and len(row["scores"]) == gain["seeds"] == 2 for row in gain["arms"])
    assert [row["fraction"] for row in gain["arms"]] == [0, 0, 0.5, 0.5, 0.5, 1, 0.5, 0.25, 0, 0]
    assert gain["steps_per_arm"] == 6 and gain["metric"] == "accuracy" and gain["margin"] == 0.01
    headline = gain["headline"]
    assert (headline["against"], headline["arm"], headline["fraction"]) == (PLAIN, MIXED, 0.5)
    assert set(headline) >= {"delta", "ci", "p", "minimum_detectable", "verdict", "best_baseline"}
    assert set(headline["best_baseline"]) == {"name", "mean", "delta", "ci", "p", "verdict"}
    assert gain["real_equivalents"] == {"per_class": None, "ci": None, "why": ""}
    assert gain["controls"] == {"a_a": {}, "copy": {}, "wrong_label": {}}
    assert set(result["cas"]) == {"gan_train", "gan_test", "real"}
    assert set(result["recommendation"]) == {"use", "fraction", "classes", "why"}
    measures = {"encoder", "fd", "fd_floor", "fd_start", "kid", "kid_floor", "kid_start", "precision", "recall"}
    assert set(result["fidelity"]) >= measures | {"density", "coverage", "per_class"}
    copying = {"verdict", "copies", "ct", "authpct", "dcr_p", "nn_ratio", "per_class"}
    assert set(result["memorization"]) >= copying
    for name in ("there_and_back", "a_itself", "b_classifier", "fresh"):
        kept = result["label_preservation"][name]
        assert kept["ci"][0] <= kept["accuracy"] <= kept["ci"][1] and kept["n"] == 16 and kept["seeds"] == 2
    assert result["label_preservation"]["main"] == "there_and_back"


def test_numbers_that_stand_twice_are_equal(result: dict[str, Any]):
    """The best baseline is the best, its difference that of the means, and CAS is what the arms score."""
    gain = result["gain"]
    best, means = gain["headline"]["best_baseline"], {row["name"]: row["mean"] for row in gain["arms"]}
    assert best["mean"] == means[best["name"]] == max(means[name] for name in (PLAIN, *CHEAP))
    assert best["delta"] == pytest.approx(means[MIXED] - best["mean"])
    assert gain["headline"]["delta"] == pytest.approx(means[MIXED] - means[PLAIN])
    assert result["cas"]["gan_train"] == means["translated"] and result["cas"]["real"] == means[ORACLE]
    assert result["cas"]["gan_test"] == pytest.approx(result["label_preservation"]["b_classifier"]["accuracy"])
    assert arm(result, ORACLE)["p_holm"] is None  # it is there for scale


def test_two_seeds_decide_nothing(result: dict[str, Any]):
    assert result["gain"]["headline"]["verdict"] == "inconclusive" and not result["recommendation"]["use"]
    assert "fewer than 6 seeds" in result["recommendation"]["why"]


class Page(HTMLParser):
    """What a page loads, and its words."""

    def __init__(self):
        super().__init__()
        self.loaded, self.words, self.open = list[str](), list[str](), list[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loaded += [value or "" for key, value in attrs if key in ("src", "srcset", "href")]
        self.open += [] if tag in ("meta", "img", "source", "br", "link", "col") else [tag]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += [] if "style" in self.open else data.split()


def test_the_page_is_whole_and_loads_nothing(report: Path):
    page = Page()
    page.feed((report / "report.html").read_text(encoding="utf-8"))
    words = " ".join(page.words)
    assert page.open == [] and page.loaded and all(url.startswith("data:image/") for url in page.loaded)
    for said in ("Do labels survive?", "A as it is", "translated + source", "source + pda", "sure of", "B, without"):
        assert said in words
    assert "ganaug translate measure runs/a" in words and "A to B to A" in words and "fixed at one half" in words
    assert "synthetic" not in words and "Undefined" not in words and "None" not in words
    figures = {path.name for path in (report / "figures").iterdir()}
    assert figures == {"arms.png", "per_class.png", "samples.png", "pairs.png"}


def test_the_terminal_shows_arms_labels_and_distances(result: dict[str, Any]):
    text = "".join(segment.text for segment in Console(width=100).render(summary_table(result)))
    assert all(name.split("+")[-1] in text for name in ORDER)
    assert "Labels kept: A’s classifier on A to B to A" in text and "before, " in text and "floor" in text


# B's labels


def without_oracle(result: dict[str, Any]) -> dict[str, Any]:
    """All but what the oracle's classifiers say."""
    found = json.loads(json.dumps(result))
    found["gain"]["arms"] = [row for row in found["gain"]["arms"] if row["name"] != ORACLE]
    del found["label_preservation"]["b_classifier"], found["seconds"], found["command"]
    del found["cas"]["gan_test"], found["cas"]["real"]
    return found


def test_other_labels_of_b_change_nothing_but_the_oracle(tmp_path: Path, sets: Sets, result: dict[str, Any]):
    turned = replace(sets["b"], labels=(sets["b"].labels + 1) % 4)
    other = studied(translator(negative, negative), tmp_path / "r", **{**sets, "b": turned})
    assert without_oracle(other) == without_oracle(result)
    assert arm(other, ORACLE)["scores"] != arm(result, ORACLE)["scores"]


def test_without_labels_of_b_there_is_no_oracle(tmp_path: Path, sets: Sets):
    one_way = translator(negative)
    result = studied(one_way, tmp_path / "r", **{**sets, "b": without_labels(sets["b"])}, self_training=False)
    names = [row["name"] for row in result["gain"]["arms"]]
    assert names == [name for name in ORDER if "self-training" not in name and name != ORACLE]
    left_out = result["gain"]["left_out"]
    assert left_out[ORACLE] == "B has no labels" and set(left_out) == {*ORDER} - {*names}
    kept = result["label_preservation"]
    assert kept["b_classifier"] is None and kept["there_and_back"] is None and kept["main"] == "fresh"
    assert result["cas"]["real"] is None and result["cas"]["gan_test"] is None
    assert "oracle: B has no labels." in (tmp_path / "r/report.html").read_text(encoding="utf-8")


# what it rests on


def test_images_are_read_in_the_translators_form(tmp_path: Path, digits: LabeledImages, test_digits: LabeledImages):
    """Files of gray digits of 8 px for a translator from gray to RGB of 16 px; B's lie in one folder, unlabelled."""
    a, _ = first_per_class(some_classes(digits), 6)
    colour = replace(a, images=(255 - a.images).expand(-1, 3, -1, -1).contiguous())
    write_folder(tmp_path / "a", a)
    write_folder(tmp_path / "b/all/of them", colour.subset(range(12)))
    test = some_classes(test_digits)
    wide = translator(lambda x: -x.expand(-1, 3, -1, -1), channels=(1, 3))
    wide.architecture = wide.architecture.model_copy(update={"sides": (16, 16)})
    colours = replace(test, images=(255 - test.images).expand(-1, 3, -1, -1).contiguous())
    found = gathered(wide, {"a": tmp_path / "a", "b": tmp_path / "b", "test": colours})
    assert found.train.shape == (1, 16, 16) and found.target.shape == found.test.shape == (3, 16, 16)
    assert len(found.target) == 12 and found.labeled is None
    assert as_channels(found.train.images, 3).equal(found.train.images.expand(-1, 3, -1, -1))


def test_a_folder_with_noise_from_gray_to_colour_is_measured(tmp_path: Path, sets: Sets):
    """Networks nobody trained: four translations of each image, of which none helps."""
    architecture = Architecture(
        name="resnet", width=4, noise_dim=4, downs=1, blocks=1, channels=(1, 3), sides=(16, 16), directions=("AB",)
    )
    torch.manual_seed(0)
    Translator(architecture.build(), architecture, {"splits": {}}).save(tmp_path / "translator")
    coloured = {name: replace(x, images=x.images.expand(-1, 3, -1, -1)) for name, x in sets.items() if name != "a"}
    keys = {**sets, **coloured, "self_training": False, "seeds": 1, "recipe": quick("measure.steps=2")}
    result = studied(tmp_path / "translator", tmp_path / "r", **keys)
    assert result["gain"]["variants"] == 4 and result["gain"]["images"] == 64
    assert result["memorization"]["images"] == 4 * 64 and result["label_preservation"]["fresh"]["n"] == 16
    assert result["gain"]["headline"]["verdict"] == "inconclusive"


def test_colours_become_the_rounded_mean_where_b_is_gray():
    images = torch.tensor([10, 20, 31], dtype=torch.uint8).view(1, 3, 1, 1)
    assert as_channels(images, 1).item() == 20 and as_channels(images, 3) is images


def test_classes_that_only_a_has_are_measured_without(sets: Sets):
    few = some_classes(sets["test"], (0, 2))
    test = replace(few, classes=("0", "4"))
    found = gathered(translator(negative), {**sets, "test": test})
    assert found.test.classes == found.train.classes and found.test.counts.tolist()[1::2] == [0, 0]
    assert any(note.startswith("'1', '6': no image in ") for note in found.notes)


def test_folders_of_b_that_are_no_classes_are_no_labels(sets: Sets):
    years = replace(sets["b"], classes=("2020", "2021", "2022", "2023"))
    found = gathered(translator(negative), {**sets, "b": years})
    assert found.labeled is None and len(found.target) == len(years)
    assert any("are no classes of A" in note for note in found.notes)


def test_validation_is_cut_as_in_the_translators_run(sets: Sets):
    _, val = hold_out(sets["a"], 0.3)
    known = translator(negative, val={"fraction": 0.3}, splits={"val": val.fingerprint})
    found = gathered(known, sets)
    assert found.val.fingerprint == val.fingerprint and found.notes == ()
    assert any("not recorded" in note for note in gathered(translator(negative), sets).notes)
    with pytest.raises(ModelError, match=r"--source must be what .* was trained with, got other validation images"):
        gathered(known, {**sets, "a": sets["a"].subset(range(0, 80, 2))})
    own = translator(negative, splits={"val": "0" * 64})
    with pytest.raises(ModelError, match="run's own validation images, got none; pass --val DATA"):
        gathered(own, sets)


def one_more_class(data: LabeledImages) -> LabeledImages:
    return replace(data, classes=(*data.classes[:3], "nine"))


Change = Callable[[Sets], Sets]
REFUSED: dict[str, tuple[Change, str]] = {
    "a test class that A lacks": (
        lambda s: {**s, "test": one_more_class(s["test"])},
        r"test, negative: every class must be one of .*, got 'nine', which A lacks",
    ),
    "a class of B that A lacks": (
        lambda s: {**s, "b": one_more_class(s["b"])},
        r"train, negative: every class must be one of .*, got 'nine', which A lacks",
    ),
    "test images that B holds": (
        lambda s: {**s, "test": s["b"].subset(range(0, 80, 4), "others")},
        r"others: images must not be among the training images, got 20 that are .*; remove them from one side$",
    ),
    "test images that A holds": (
        lambda s: {**s, "test": s["a"].subset(range(0, 80, 4), "others")},
        r"others: images must not be among the training images",
    ),
    "B with other channels": (
        lambda s: {**s, "b": replace(s["b"], images=s["b"].images.expand(-1, 3, -1, -1))},
        r"images must have 1 channel, as the translator learned them, got 3; .* check which domain is which",
    ),
    "A with other channels": (
        lambda s: {**s, "a": replace(s["a"], images=s["a"].images.expand(-1, 3, -1, -1))},
        r"images must have 1 channel, as the translator learned them, got 3",
    ),
    "one image of B": (
        lambda s: {**s, "b": without_labels(s["b"].subset([0]))},
        r"B must have 2 images or more, got 1",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_measured_is_refused_by_name(tmp_path: Path, sets: Sets, case: str):
    change, message = REFUSED[case]
    with pytest.raises(DataError, match=message):
        studied(translator(negative), tmp_path / "r", **change(sets))
    assert not (tmp_path / "r").exists()


def test_a_report_that_is_there_stays(report: Path, sets: Sets):
    before = (report / "measure.json").read_bytes()
    with pytest.raises(OutputError):
        studied(translator(negative), report, **sets)
    with pytest.raises(DataError, match="--seeds must be 1 or more, got 0"):
        studied(translator(negative), report.parent / "none", seeds=0, **sets)
    assert (report / "measure.json").read_bytes() == before


def test_what_is_no_translator_is_refused(tmp_path: Path, sets: Sets):
    with pytest.raises(ModelError, match="must be a run of `ganaug translate fit` or a translator folder"):
        measure_translation(tmp_path, out=tmp_path / "r", **sets)


# the parts


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", TRANSFORMS)
def test_an_adaptation_is_a_function_of_seed_and_number(digits: LabeledImages, name: str, channels: int):
    images = digits.images[:6].expand(-1, channels, -1, -1)
    likes = 255 - digits.images[6:20].expand(-1, channels, -1, -1)
    found = adapted(name, images, likes, 3, seed=5)
    assert found.shape == (18, channels, 8, 8) and found.dtype == torch.uint8
    assert torch.equal(found, adapted(name, images, likes, 3, seed=5))
    assert torch.equal(found[:6], adapted(name, images, likes, 1, seed=5))
    if name != "source+fda":  # which changes no frequency of 8 px
        assert not torch.equal(found, adapted(name, images, likes, 3, seed=6))
        assert not torch.equal(found[:6], found[6:12])


def test_matched_histograms_come_nearer_to_b(digits: LabeledImages):
    images, likes = digits.images[:50], looking(digits, faded).images[50:100]
    found = adapted("source+histogram", images, likes, 1)
    far, near = (abs(x.float().std() - likes.float().std()) for x in (images, found))
    assert near < far / 2


def test_distances_fall_from_a_as_it_is_to_the_floor(sets: Sets):
    a, encoder = sets["a"], encoder_of("random", sets["a"].images, sets["a"].labels, num_classes=4)
    found = domain_fidelity(encoder, sets["test"].images, sets["b"].images, a.images, 255 - a.images)
    assert found["fd"] < 0.02 * found["fd_start"] and found["kid"] < 0.02 * found["kid_start"]
    assert found["fd"] < 2 * found["fd_floor"] and found["images"] == 80 and found["precision_start"] < 0.1
    nothing = domain_fidelity(encoder, *[a.images[:9]] * 4)
    assert nothing["fd"] is nothing["fd_start"] is None and nothing["why"] == "only 9 images"


def test_pasted_images_of_b_are_copies_and_other_digits_are_none(digits: LabeledImages, test_digits: LabeledImages):
    target, held_out = looking(digits, negative).images[:600], looking(test_digits, negative).images
    pasted = memorization_of_target(target, held_out, target[:100])
    assert pasted.verdict == "copying" and pasted.facts["copies"] == 100 and pasted.facts["per_class"] == {}
    assert memorization_of_target(target, held_out, 255 - digits.images[600:900]).verdict == "healthy"
    assert memorization_of_target(target[:20], held_out[:20], 255 - digits.images[600:620]).verdict == "not testable"


def test_other_shares_of_the_classes_are_told_from_chance_and_from_errors():
    rng, counts, names = np.random.default_rng(0), np.array([300, 300, 400]), ("ant", "bee", "cat")
    same, other = (rng.choice(3, (4, 500), p=p) for p in ((0.3, 0.3, 0.4), (0.1, 0.2, 0.7)))
    alike, apart = (label_marginals(said, counts, names, 0.05) for said in (same, other))
    assert alike["tv"] < alike["noise"] < 0.1 and not alike["differ"]
    assert apart["tv"] == pytest.approx(0.3, abs=0.03) and apart["differ"]
    assert not label_marginals(other, counts, names, 0.4)["differ"]  # errors may explain as much
    assert apart["a"]["cat"] == 0.4 and apart["b"]["cat"] == pytest.approx(0.7, abs=0.03)


@pytest.mark.slow
def test_a_note_says_that_b_has_other_shares(tmp_path: Path, digits: LabeledImages, test_digits: LabeledImages):
    """A's classes are even; two thirds of B show one digit, which classifiers of translations see without a label."""
    sets = domains(digits, test_digits, negative)
    rows = torch.cat([(sets["b"].labels == k).nonzero().squeeze(1)[:n] for k, n in enumerate((40, 7, 7, 6))])
    skewed = {**sets, "b": without_labels(sets["b"].subset(rows))}
    model = translator(negative)
    found = studied(model, tmp_path / "r", recipe=quick("measure.steps=80"), seeds=1, self_training=False, **skewed)
    marginals, note = found["label_marginals"], found["notes"][1]
    assert marginals["differ"] and marginals["tv"] == pytest.approx(40 / 60 - 1 / 4, abs=0.05)
    assert note.startswith("The classes of B seem to have other shares than A's: 0.4") and "balance A's images" in note


def test_sure_guesses_are_learned_from_and_every_class_has_an_image():
    predicted, confidence = np.array([2, 0, 1, 2]), np.array([0.95, 0.89, 0.9, 0.99], np.float32)
    assert given_guesses(predicted, confidence, torch.tensor([0, 1, 2, 0])).tolist() == [2, -1, 1, 2, 0, -1, -1, 0]


def headline(verdict: str, best: tuple[float, float], name: str = "source+fda") -> dict[str, Any]:
    low, high = best
    said = "helps" if low > 0 else "hurts" if high < 0 else "inconclusive"
    beside = {"name": name, "delta": (low + high) / 2, "ci": [low, high], "verdict": said}
    return {
        "against": PLAIN, "arm": MIXED, "fraction": 0.5, "delta": 0.05, "ci": [0.04, 0.06], "verdict": verdict,
        "best_baseline": beside,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("verdict", "best", "copying", "seeds", "use", "why"),
    [
        ("helps", (0.01, 0.03), False, 6, True, "against source+fda, which needs no training, by +2.0 points"),
        ("helps", (-0.01, 0.03), False, 6, False, "source+fda may do as well at no cost"),
        ("helps", (-0.03, -0.01), False, 6, False, "source+fda does better at no cost"),
        ("inconclusive", (0.01, 0.03), False, 6, False, "+5.0 points (+4.0 to +6.0)"),
        ("helps", (0.01, 0.03), True, 6, False, "the translations copy images of B"),
        ("helps", (0.01, 0.03), False, 5, False, "fewer than 6 seeds decide nothing"),
    ],
)
def test_a_translation_is_recommended_where_it_beats_what_costs_nothing(verdict, best, copying, seeds, use, why):
    found = recommend_translation(headline(verdict, best), ("ant", "bee"), copying=copying, seeds=seeds)
    assert found["use"] is use and why in found["why"]
    assert (found["fraction"], found["classes"]) == ((0.5, ["ant", "bee"]) if use else (0.0, []))


def test_the_baseline_itself_may_be_the_best_that_costs_nothing():
    found = recommend_translation(headline("helps", (0.04, 0.06), PLAIN), ("ant", "bee"), copying=False)
    assert found["use"] and found["why"].endswith("nothing that costs less does better")
