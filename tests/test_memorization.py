"""The golden table, calibration of the permutation null, and planted generators on scanned digits."""

import json
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from tiny_run import finished, flip, noise

import ganaug.measures.memorization
from ganaug.checkpoint import checkpoint_steps, load_module, read_checkpoint
from ganaug.conditioning import CLASS_HEADS, Discriminator
from ganaug.data import LabeledImages, hold_out
from ganaug.errors import DataError
from ganaug.images import to_float
from ganaug.measures.memorization import (
    Memorization,
    assess,
    assess_classes,
    assess_images,
    authpct,
    cas_gap,
    ct,
    dcr_test,
    kmeans_cells,
    neighbour_ratios,
    z_u,
)
from ganaug.nets import NETS
from ganaug.study.memorization import memorization
from ganaug.synthesis import Synthesizer


def distances(samples: torch.Tensor, train: torch.Tensor) -> torch.Tensor:
    return torch.cdist(samples, train, compute_mode="donot_use_mm_for_euclid_dist").min(1).values


@pytest.mark.parametrize(
    ("name", "auth", "global_z", "two_cells", "share", "median_ratio"),
    [
        ("good", 64.5, 2.2856, 1.5566, 0.445, 0.9197),
        ("copy", 0.0, -17.2985, -12.1646, 1.0, 0.0170),
        ("half", 30.5, -7.4165, -5.1614, 0.705, 0.2546),
        ("shrunk", 25.0, -15.1032, -10.3653, 0.690, 0.8997),
    ],
)
def test_statistics_match_golden_table(golden, name, auth, global_z, two_cells, share, median_ratio):
    train, test, made = golden["train"], golden["test"], golden[name]
    cells = [x[:, 0] > 0 for x in (train, test, made)]
    assert authpct(train, made) == pytest.approx(auth, abs=1e-3)
    assert z_u(distances(test, train), distances(made, train)) == pytest.approx(global_z, abs=1e-3)
    assert ct(train, test, made, *cells) == pytest.approx(two_cells, abs=1e-3)
    assert dcr_test(train, test, made)[0] == pytest.approx(share, abs=1e-3)
    assert np.median(neighbour_ratios(made, train)[0]) == pytest.approx(median_ratio, abs=1e-3)


def test_z_u_equals_scipy_mann_whitney_with_ties():
    stats = pytest.importorskip("scipy.stats")
    held, made = (torch.randint(0, 6, (n,), generator=torch.Generator().manual_seed(n)).double() for n in (40, 55))
    u = stats.mannwhitneyu(made.numpy(), held.numpy()).statistic
    assert z_u(held, made) == pytest.approx((u - (40 * 55 / 2 - 0.5)) / (40 * 55 * 96 / 12) ** 0.5)


def test_ct_of_one_cell_is_z_u(golden):
    train, test, made = golden["train"], golden["test"], golden["half"]
    zeros = [torch.zeros(len(x)) for x in (train, test, made)]
    assert ct(train, test, made, *zeros) == pytest.approx(z_u(distances(test, train), distances(made, train)))


def test_ct_without_a_populated_cell_takes_all_as_one(golden):
    train, test, made = golden["train"], golden["test"], golden["half"][:20]
    cells = kmeans_cells(train, test, made)
    assert ct(train, test, made, *cells) == pytest.approx(z_u(distances(test, train), distances(made, train)))


def test_ratio_of_a_copy_is_zero_even_where_the_training_image_is_doubled():
    train = torch.tensor([[0.0], [0.0], [4.0]])
    assert neighbour_ratios(torch.tensor([[0.0], [2.0]]), train)[0].tolist() == [0.0, 1.0]


def _alarms(make, *, sizes: tuple[int, int], runs: int = 60) -> float:
    """Share of runs in which the permutation test rejects at 5 %."""
    rejected = 0
    for run in range(runs):
        rs = np.random.RandomState(run)
        train, held_out = (torch.from_numpy(rs.randn(n, 8)) for n in sizes)
        rejected += dcr_test(train, held_out, torch.from_numpy(make(train.numpy(), rs)), seed=run)[1] < 0.05
    return rejected / runs


@pytest.mark.parametrize("sizes", [(200, 200), (600, 150)])
@pytest.mark.parametrize("scale", [1.0, 0.3, 0.1])
def test_permutation_null_stays_near_5_percent_where_samples_share_neighbours(sizes, scale):
    assert _alarms(lambda train, rs: scale * rs.randn(200, 8), sizes=sizes) <= 0.12


@pytest.mark.parametrize("sizes", [(200, 200), (600, 150)])
def test_permutation_test_finds_noisy_copies(sizes):
    def jitter(train, rs):
        return train[rs.randint(0, len(train), 200)] + 0.5 * rs.randn(200, 8)

    assert _alarms(jitter, sizes=sizes, runs=20) == 1.0


def test_dcr_share_is_one_half_whatever_the_sizes():
    rs = np.random.RandomState(0)
    shares = [dcr_test(*(torch.from_numpy(rs.randn(n, 8)) for n in (600, 150, 400)))[0] for _ in range(30)]
    assert np.mean(shares) == pytest.approx(0.5, abs=0.02)


@pytest.fixture(scope="module")
def digits() -> dict[str, torch.Tensor]:
    """600 training, 240 held-out and 500 fresh scans as 64 pixels in [0, 1], with their labels."""
    pixels, labels = load_digits(return_X_y=True)
    order = np.random.RandomState(0).permutation(len(pixels))
    sets = dict(zip(("train", "held_out", "fresh"), np.split(order, [600, 840, 1340])[:3], strict=True))
    x, y = torch.from_numpy(pixels / 16), torch.from_numpy(labels)
    return {k: x[i] for k, i in sets.items()} | {f"{k}_labels": y[i] for k, i in sets.items()}


def planted(digits: dict[str, torch.Tensor], name: str) -> torch.Tensor:
    """500 samples of a generator with a known fault."""
    train, fresh, labels = digits["train"], digits["fresh"], digits["fresh_labels"]
    noise = torch.randn(500, 64, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    copies = train[torch.arange(500) % 400] + 0.01 * noise
    first = torch.tensor([int((digits["fresh_labels"] == k).nonzero()[0]) for k in range(10)])
    first_train = torch.tensor([int((digits["train_labels"] == k).nonzero()[0]) for k in range(10)])
    means = torch.stack([fresh[labels == k].mean(0) for k in range(10)])[labels]
    return {
        "real": fresh,
        "copies": copies,
        "20 % copies": torch.cat([copies[:100], fresh[100:]]),
        "5 % copies": torch.cat([copies[:25], fresh[25:]]),
        "noisy copies": copies + 0.08 * noise,
        "one training image per class": train[first_train].repeat(50, 1),
        "one new image per class": fresh[first].repeat(50, 1),
        "three classes": fresh[labels < 3],
        "shrunken to the class means": (fresh + means) / 2,
        "noise": noise.sigmoid(),
    }[name]


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("real", "healthy"),
        ("copies", "copying"),
        ("20 % copies", "copying"),
        ("5 % copies", "copying"),
        ("noisy copies", "copying"),
        ("one training image per class", "copying"),
        ("one new image per class", "shrunken"),
        ("three classes", "shrunken"),
        ("shrunken to the class means", "shrunken"),
        ("noise", "underfit"),
    ],
)
def test_planted_generators_get_their_verdict(digits, name, verdict):
    assert assess(digits["train"], digits["held_out"], planted(digits, name)).verdict == verdict


def assess_digits(digits, name: str, held_out: int = 240, train: int = 600) -> Memorization:
    return assess(digits["train"][:train], digits["held_out"][:held_out], planted(digits, name))


def test_copies_are_counted_and_listed_first_with_their_training_rows(digits):
    panel = assess_digits(digits, "20 % copies")
    assert panel.copies == 100 and panel.nn_ratio == 0.2 and panel.null_nn_ratio == 0.0
    made, source = panel.pairs[:100].T
    assert torch.equal(made.sort().values, torch.arange(100))
    assert torch.equal(made, source)
    assert bool((panel.ratios.diff() >= 0).all())


def test_real_images_score_like_their_own_null(digits):
    panel = assess_digits(digits, "real")
    assert panel.authpct == pytest.approx(panel.null_authpct, abs=8)
    assert abs(panel.ct) < 3
    assert panel.dcr == pytest.approx(panel.null_dcr, abs=0.1)
    assert panel.fidelity is not None and panel.reference is not None
    assert panel.fidelity.recall == pytest.approx(panel.reference.recall, abs=0.05)


def test_repeated_training_images_do_not_hide_their_copies(digits):
    doubled = torch.cat([digits["train"], digits["train"]])
    panel = assess(doubled, digits["held_out"], planted(digits, "copies"))
    assert panel.verdict == "copying" and panel.copies == 500
    assert int(panel.pairs[:, 1].max()) < 600


def test_few_held_out_images_are_not_testable_but_blatant_copies_are_called(digits):
    assert assess_digits(digits, "real", held_out=30).verdict == "not testable"
    assert assess_digits(digits, "noise", held_out=30).verdict == "not testable"
    assert assess_digits(digits, "20 % copies", held_out=10).verdict == "copying"
    assert assess_digits(digits, "real", held_out=1).verdict == "not testable"


def test_few_training_images_are_not_testable(digits):
    assert assess_digits(digits, "real", train=8).verdict == "not testable"
    assert assess_digits(digits, "real", train=2).verdict == "not testable"


def test_an_encoder_that_tells_train_from_held_out_is_no_evidence_of_copying(digits):
    train, held_out, fresh = digits["train"], digits["held_out"], digits["fresh"]
    apart = torch.cat([held_out, held_out.new_full((240, 1), 2.0)], 1)  # as if the encoder knew its training set
    panel = assess(torch.nn.functional.pad(train, (0, 1)), apart, torch.nn.functional.pad(fresh, (0, 1)))
    assert panel.dcr > 0.9 and panel.dcr_p < 0.01 and panel.null_dcr < 0.1
    assert panel.verdict != "copying"


def test_panel_is_a_function_of_the_seed(digits):
    first, second = assess_digits(digits, "real"), assess_digits(digits, "real")
    assert first == second


def test_float32_arrays_are_taken(digits):
    train, held_out, fresh = (digits[k].float().numpy() for k in ("train", "held_out", "fresh"))
    assert assess(train, held_out, fresh).verdict == "healthy"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("train", "held_out", "synthetic", "words"),
    [
        (torch.zeros(1, 2), torch.zeros(5, 2), torch.zeros(5, 2), "train features .* N >= 2"),
        (torch.zeros(9, 2), torch.zeros(5, 2), torch.zeros(5, 2), "train features .* N >= 2"),
        (torch.rand(9, 2), torch.zeros(0, 2), torch.zeros(5, 2), "held_out features .* N >= 1"),
        (torch.rand(9, 2), torch.zeros(5, 2), torch.zeros(5, 3), "one D"),
    ],
)
def test_sets_that_do_not_fit_are_refused(train, held_out, synthetic, words):
    with pytest.raises(DataError, match=words):
        assess(train, held_out, synthetic)


def drawn(digits: LabeledImages, name: str) -> torch.Tensor:
    """400 samples, as images, of a generator with a known fault; the training images are the first 600 digits."""
    generator = torch.Generator().manual_seed(0)
    train, fresh, labels = digits.images[:600], digits.images[760:], digits.labels[760:]
    picked = train[torch.randint(600, (400,), generator=generator)]
    first = fresh[torch.tensor([int((labels == k).nonzero()[0]) for k in range(10)])]
    first_train = train[torch.tensor([int((digits.labels[:600] == k).nonzero()[0]) for k in range(10)])]
    grain = torch.randn(400, 1, 8, 8, generator=generator)

    def noisy(images: torch.Tensor, levels: float) -> torch.Tensor:
        return (images + levels * grain).round().clamp(0, 255).byte()

    return {
        "real": fresh,
        "noisy copies": noisy(picked, 24),
        "noisier copies": noisy(picked, 32),
        "shifted copies": picked.roll((1, -1), (2, 3)),
        "mirrored copies": picked.flip(2),
        "one training image per class": first_train.repeat(40, 1, 1, 1),
        "one new image per class": first.repeat(40, 1, 1, 1),
        "one new image per class with noise": noisy(first.repeat(40, 1, 1, 1), 8),
        "one bright new image per class": 255 - first.repeat(40, 1, 1, 1),
        "means of pairs": ((fresh[:-1].float() + fresh[1:].float()) / 2).byte(),
        "noise": torch.randint(256, (400, 1, 8, 8), generator=generator).byte(),
        "faint noise": noisy(torch.full((400, 1, 8, 8), 80.0), 8),
    }[name]


@pytest.fixture(scope="module")
def scans() -> LabeledImages:
    """The training split, in an order in which classes mix."""
    scans = ganaug.load("sklearn:digits")
    return scans.subset(torch.randperm(len(scans), generator=torch.Generator().manual_seed(0)))


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("real", "healthy"),
        ("noisy copies", "copying"),
        ("noisier copies", "copying"),
        ("shifted copies", "copying"),
        ("mirrored copies", "copying"),
        ("one training image per class", "copying"),
        ("one new image per class", "shrunken"),
        ("one new image per class with noise", "shrunken"),
        ("one bright new image per class", "shrunken"),
        ("means of pairs", "shrunken"),
        ("noise", "underfit"),
        ("faint noise", "shrunken"),
    ],
)
def test_planted_images_get_their_verdict_whatever_the_seed(scans, name, verdict):
    made = drawn(scans, name)
    panels = [assess_images(scans.images[:600], scans.images[600:760], made, seed=seed) for seed in (0, 1)]
    assert [panel.verdict for panel in panels] == [verdict] * 2


def test_noisy_copies_are_told_by_neighbours_where_no_pair_is_near(scans):
    panel = assess_images(scans.images[:600], scans.images[600:760], drawn(scans, "noisier copies"))
    assert panel.nn_ratio < 0.01 and panel.dcr > 0.95 and panel.authpct < 0.4 * panel.null_authpct
    assert "nearer to training images" in panel.why and f"{panel.dcr:.0%}" in panel.why


def test_why_names_the_numbers_that_decided(scans):
    train, held_out = scans.images[:600], scans.images[600:760]
    copies = assess_images(train, held_out, train[:100])
    assert copies.why.startswith("100 of 100 samples (100.0%) are near copies of training images, against 0.0%")
    assert "C_T +" in assess_images(train, held_out, drawn(scans, "noise")).why
    assert "Samples repeat each other" in assess_images(train, held_out, drawn(scans, "one new image per class")).why
    few = assess_images(train, held_out[:20], drawn(scans, "real"))
    assert few.verdict == "not testable" and few.why.startswith("20 held-out images and 438 samples beside 600")


def test_pairs_of_images_name_their_rows_in_the_sets_as_given(scans):
    doubled = torch.cat([scans.images[:300], scans.images[:300].flip(3), scans.images[300:600]])
    made = torch.cat([drawn(scans, "real")[:150], scans.images[300:350].roll(1, 3)])
    panel = assess_images(doubled, scans.images[600:760], made)
    found = {(i, j) for i, j in panel.pairs[: panel.copies].tolist()}
    assert len(found) > 45 and found <= {(150 + i, 600 + i) for i in range(50)}


def test_of_many_images_a_sample_is_looked_at(scans, monkeypatch):
    monkeypatch.setattr(ganaug.measures.memorization, "PAIRS", 60_000)
    monkeypatch.setattr(ganaug.measures.memorization, "FEWEST", 50)
    copies = torch.cat([drawn(scans, "real"), scans.images[:101]])
    panel = assess_images(scans.images[:600], scans.images[600:760], copies)
    assert panel.images == 100 and panel.verdict == "copying"
    made, source = panel.pairs[: panel.copies].T
    assert torch.equal(copies[made], scans.images[source])


def test_few_held_out_images_leave_only_blatant_copies_to_be_called(scans):
    train, few = scans.images[:600], scans.images[600:610]
    assert assess_images(train, few, drawn(scans, "real")).verdict == "not testable"
    assert assess_images(train, few, train[:200].roll(1, 3)).verdict == "copying"


def by_class(scans: LabeledImages, rows: slice, *classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The images of some classes, numbered anew."""
    images, labels = scans.images[rows], scans.labels[rows]
    kept = torch.isin(labels, torch.tensor(classes))
    return images[kept], torch.searchsorted(torch.tensor(classes), labels[kept])


def test_classes_get_a_verdict_of_their_own(scans):
    train, held_out = by_class(scans, slice(300), 1, 3, 7), by_class(scans, slice(300, 860), 1, 3, 7)
    images, labels = by_class(scans, slice(860, None), 1, 3, 7)
    copies = train[0][train[1] == 2].repeat(3, 1, 1, 1)[:60]
    images = torch.cat([*[held_out[0][held_out[1] == 0][-1:]] * 60, images[labels == 1], copies])
    made = images, torch.tensor([0] * 60 + [1] * int((labels == 1).sum()) + [2] * 60)
    thin = torch.cat([(held_out[1] == k).nonzero()[:n, 0] for k, n in ((0, 50), (1, 49), (2, 20))])
    panel, classes = assess_classes(train, (held_out[0][thin], held_out[1][thin]), made, num_classes=3)
    assert [found.verdict for found in classes] == ["shrunken", "not testable", "copying"]
    assert [found.copies for found in classes] == [0, 0, 60]
    assert sum(found.images for found in classes) == panel.images and panel.verdict == "copying"
    assert classes[0].dcr is not None and classes[1].dcr is None and classes[2].nn_ratio == 1.0


def test_a_class_without_samples_or_held_out_images_is_not_testable(scans):
    train, held_out = by_class(scans, slice(300), 1, 3, 7), by_class(scans, slice(300, 600), 1, 3)
    _, classes = assess_classes(train, held_out, by_class(scans, slice(600, None), 1), num_classes=3)
    assert [found.verdict for found in classes[1:]] == ["not testable"] * 2
    assert classes[2].images == 0 and classes[2].nn_ratio == 0.0


def test_cas_gap_is_the_difference_of_accuracies_and_covers_chance():
    rng, covered = np.random.default_rng(0), 0
    for _ in range(60):
        seen, unseen = (rng.random((8, n)) < rng.beta(8, 2, (1, n)) for n in (300, 150))
        gap, low, high = cas_gap(seen, unseen)
        assert gap == pytest.approx(seen.mean() - unseen.mean())
        covered += low <= 0 <= high
    assert covered >= 54


def test_cas_gap_of_a_leaning_classifier_is_above_zero():
    rng = np.random.default_rng(0)
    gap, low, high = cas_gap(rng.random((6, 400)) < 0.9, rng.random((6, 200)) < 0.6)
    assert 0.15 < low < gap < high < 0.45


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished(tmp_path_factory.mktemp("tiny") / "run")


def test_facts_tell_what_the_discriminator_of_the_run_knows(run):
    train, held_out = hold_out(noise(), 0.2)
    model = Synthesizer.load(run, "cpu")
    images, labels = model.sample([0, 1, 2] * 10)
    facts, pairs, verdict = memorization(train, held_out, images, labels, model)
    D = Discriminator(NETS["residual"].trunk((1, 8, 8), 4), 3, projection=True, class_head=CLASS_HEADS["adcgan"])
    step = checkpoint_steps(run / "checkpoints")[-1]
    load_module(D, read_checkpoint(run / "checkpoints", step)["D.safetensors"], "D")
    with torch.no_grad():
        seen, unseen = (D(to_float(part.images), part.labels).logits for part in (train, held_out))
    pairwise = (seen[:, None] > unseen).double() + 0.5 * (seen[:, None] == unseen)
    assert facts["discriminator_auc"] == pytest.approx(float(pairwise.mean()))
    assert facts["verdict"] == verdict == "not testable" and facts["images"] == 30 and facts["encoder"] == "pixels"
    assert list(facts["per_class"]) == ["ant", "bee", "cat"] and facts["per_class"]["ant"]["images"] == 10
    assert len(pairs) == 12 and pairs[0][0].shape == pairs[0][1].shape == (1, 8, 8) and 0 <= pairs[0][2] <= pairs[11][2]
    json.dumps(facts, allow_nan=False)


def test_no_run_or_a_damaged_one_leaves_the_discriminator_unasked(run, tmp_path):
    train, held_out = hold_out(noise(), 0.2)
    copied = Path(shutil.copytree(run, tmp_path / "run"))
    model = Synthesizer.load(copied, "cpu")
    images, labels = model.sample([0, 1, 2] * 10)

    def known(model: Synthesizer | None) -> float | None:
        return memorization(train, held_out, images, labels, model).facts["discriminator_auc"]

    assert known(None) is None and known(model) is not None
    newest = max((copied / "checkpoints").iterdir()) / "D.safetensors"
    flip(newest, random.Random(0))
    assert known(model) is None
    shutil.rmtree(copied / "checkpoints")
    assert known(model) is None


@pytest.mark.slow
def test_fresh_real_images_are_almost_never_called_copies():
    pixels, _ = load_digits(return_X_y=True)
    x = torch.from_numpy(pixels / 16)
    verdicts = []
    for run in range(100):
        order = np.random.RandomState(run).permutation(len(x))
        train, held_out, fresh, _ = (x[i] for i in np.split(order, [300, 600, 1100]))
        verdicts.append(assess(train, held_out, fresh, seed=run).verdict)
    assert verdicts.count("copying") <= 3 and verdicts.count("healthy") >= 95
