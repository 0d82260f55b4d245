"""Studies of planted corpora: what the whole path says where the answer is known beforehand."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ganaug.data import LabeledImages, first_per_class
from ganaug.demo import write_folder
from ganaug.recipe import load_recipe
from ganaug.run import execute, plan
from ganaug.study import gather, measure

QUICK = load_recipe("auto", ["measure.steps=100", "measure.fractions=[0.7]"])
PROMISED = {
    "schema",
    "ganaug",
    "model",
    "splits",
    "seconds",
    "gain",
    "cas",
    "fidelity",
    "memorization",
    "recommendation",
}


@pytest.fixture(scope="module")
def parts(digits: LabeledImages) -> tuple[LabeledImages, LabeledImages, LabeledImages]:
    """Few training images, validation images, and others that stand in for synthetic ones."""
    train, rest = first_per_class(digits, 20)
    val, spare = first_per_class(rest, 50)
    return train, val, spare


def judge(
    tmp_path: Path, parts: tuple[LabeledImages, ...], test: LabeledImages, images: Tensor, labels: Tensor
) -> dict[str, Any]:
    corpus = tmp_path / "corpus.npz"
    np.savez(corpus, images=images.permute(0, 2, 3, 1).numpy(), labels=labels.numpy(), classes=np.array(test.classes))
    return measure(corpus, train=parts[0], val=parts[1], test=test, out=tmp_path / "report", recipe=QUICK, n_jobs=1)


@pytest.mark.slow
def test_real_images_are_healthy_and_never_hurt(tmp_path: Path, parts, test_digits: LabeledImages):
    result = judge(tmp_path, parts, test_digits, parts[2].images, parts[2].labels)
    assert set(result) >= PROMISED
    assert result["memorization"]["verdict"] == "healthy"
    assert result["gain"]["headline"]["verdict"] != "hurts" and result["cas"]["gan_train"] > 0.9
    assert result["fidelity"]["fd"] < 2 * result["fidelity"]["fd_floor"]


@pytest.mark.slow
def test_noisy_copies_are_called_copying_and_never_recommended(tmp_path: Path, parts, test_digits: LabeledImages):
    train = parts[0]
    noise = torch.randn(3, *train.images.shape, generator=torch.Generator().manual_seed(0))
    copies = (train.images + 8 * noise).clamp(0, 255).to(torch.uint8).flatten(0, 1)
    result = judge(tmp_path, parts, test_digits, copies, train.labels.repeat(3))
    assert result["memorization"]["verdict"] == "copying" and result["memorization"]["nn_ratio"] > 0.9
    advice = result["recommendation"]
    assert advice["use"] is False and advice["fraction"] == 0.0 and advice["classes"] == []
    assert advice["why"].startswith("the synthetic images copy training images")


@pytest.mark.slow
def test_wrong_labels_hurt_and_are_never_recommended(tmp_path: Path, parts, test_digits: LabeledImages):
    wrong = (parts[2].labels + 1) % 10
    result = judge(tmp_path, parts, test_digits, parts[2].images, wrong)
    assert result["gain"]["headline"]["verdict"] == "hurts" and result["recommendation"]["use"] is False
    assert result["cas"]["gan_train"] < 0.1 and result["cas"]["gan_test"] < 0.1


@pytest.mark.slow
def test_one_image_a_class_is_no_variety(tmp_path: Path, parts, test_digits: LabeledImages):
    one = torch.stack([parts[2].images[parts[2].labels == k][0] for k in range(10)])
    noise = torch.randn(60, *one.shape, generator=torch.Generator().manual_seed(0))
    repeated = (one + 4 * noise).clamp(0, 255).to(torch.uint8).flatten(0, 1)
    result = judge(tmp_path, parts, test_digits, repeated, torch.arange(10).repeat(60))
    assert result["memorization"]["verdict"] in ("shrunken", "copying")
    assert result["gain"]["headline"]["verdict"] != "helps" and result["recommendation"]["use"] is False


@pytest.mark.slow
def test_a_minute_of_training_teaches_a_classifier(
    tmp_path: Path, digits: LabeledImages, test_digits: LabeledImages, capsys: pytest.CaptureFixture[str]
):
    """Synthetic digits alone give 93 % on the real test digits; what real ones give stands beside it."""
    execute(plan(digits, load_recipe("auto", ["train.steps=800"])), tmp_path / "run", quiet=True)
    result = measure(tmp_path / "run", train=digits, test=test_digits, out=tmp_path / "report", n_jobs=1)
    with capsys.disabled():
        print(
            f"\nGAN-train {result['cas']['gan_train']:.3f}, real {result['cas']['real']:.3f}, 599 test images, 6 seeds"
        )
    assert result["cas"]["gan_train"] >= 0.93


def test_a_corpus_of_another_split_is_judged_with_a_note(tmp_path: Path, parts, test_digits: LabeledImages):
    train, val, spare = parts
    write_folder(tmp_path / "corpus", spare)
    facts = {"classes": list(spare.classes), "directories": list(spare.classes), "real_data": "0" * 64}
    (tmp_path / "corpus/corpus.json").write_text(json.dumps(facts))
    evidence = gather(tmp_path / "corpus", train, val, test_digits, QUICK)
    assert len(evidence.notes) == 1 and "another training split" in evidence.notes[0]
    facts["real_data"] = train.fingerprint
    (tmp_path / "corpus/corpus.json").write_text(json.dumps(facts))
    assert gather(tmp_path / "corpus", train, val, test_digits, QUICK).notes == ()
