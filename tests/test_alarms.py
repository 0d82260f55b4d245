"""Collapse and a discriminator that wins are seen, said, and kept out of what is shipped."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from shell import learn_fast
from test_learning import DATA, patterns
from tiny_run import planned
from torch import Tensor, nn

from ganaug.recipe import load_recipe
from ganaug.run import execute, plan
from ganaug.run.gan import GanJob
from ganaug.run.judge import COLLAPSED, EACH, IMAGES, MOST, Judge, Judgement, alike, even, spread, topped_up
from ganaug.run.players import architecture
from ganaug.run.record import Record
from ganaug.run.saving import Keeper, Scores
from ganaug.training import Progress


class Prints(nn.Module):
    """Draws real images of the wanted class; of the classes in `stuck` always the same one."""

    def __init__(self, stuck: tuple[int, ...] = (), wrong: bool = False):
        super().__init__()
        self.stuck, self.wrong, self.z_dim, self.num_classes = stuck, wrong, 8, 3
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, z: Tensor, labels: Tensor, scale: float = 1.0) -> Tensor:
        labels = (labels + self.wrong) % 3
        which = ((z[:, 0].abs() * 1e4).long() % 80) * torch.tensor([k not in self.stuck for k in range(3)])[labels]
        return DATA.images[labels * 80 + which].float() / 127.5 - 1


@pytest.fixture(scope="module", params=["distance", "utility"])
def judged(request: pytest.FixtureRequest) -> Iterator[tuple[Judge, dict[str, Judgement]]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ganaug.measures.features.default_steps", lambda n: 60)
        yield judgements(request.param)


def judgements(choose_by: str) -> tuple[Judge, dict[str, Judgement]]:
    """What is thought of four generators."""
    todo = plan(DATA, load_recipe("auto", ["train.steps=10", f"train.choose_by={choose_by}"]), device="cpu")
    judge, form = Judge.of(todo), architecture(todo)
    drawn = {"real": Prints(), "stuck": Prints((1,)), "all stuck": Prints((0, 1, 2)), "wrong": Prints(wrong=True)}
    return judge, {name: judge(G, form) for name, G in drawn.items()}


def test_a_class_that_is_one_image_has_collapsed_and_no_other(judged: tuple[Judge, dict[str, Judgement]]):
    _, found = judged
    assert found["real"].collapsed == [] and all(0.7 < share < 1.4 for share in found["real"].variety.values())
    assert found["stuck"].collapsed == ["columns"] and found["stuck"].variety["columns"] < 0.05
    assert found["all stuck"].collapsed == ["rows", "columns", "disc"]


def test_wrong_labels_score_worse_than_real_images_under_their_own(judged: tuple[Judge, dict[str, Judgement]]):
    judge, found = judged
    assert found["real"].score < found["wrong"].score
    if judge.todo.recipe.train.choose_by == "utility":
        assert found["real"].score <= 0.1 and found["wrong"].score >= 3  # nats


def test_every_class_is_watched_also_one_that_validation_hardly_shows(judged: tuple[Judge, dict[str, Judgement]]):
    judge, _ = judged
    rare = replace(judge.todo.val, labels=torch.zeros_like(judge.todo.val.labels))
    scarce = replace(judge, todo=replace(judge.todo, val=rare))
    found = scarce(Prints((1,)), architecture(judge.todo))
    assert set(found.variety) == {"rows", "columns", "disc"} and found.collapsed == ["columns"]


def test_a_score_takes_some_thousand_images_whatever_the_size_of_validation():
    labels = torch.arange(5).repeat_interleave(torch.tensor([8000, 1000, 500, 400, 100]))
    for part in (labels, labels[::50]):
        wanted = alike(part)
        assert IMAGES <= len(wanted) <= MOST
        assert (wanted.bincount() / len(wanted)).tolist() == pytest.approx([0.8, 0.1, 0.05, 0.04, 0.01], abs=0.015)
    assert even(3).bincount().tolist() == [334] * 3
    assert topped_up(torch.tensor([0] * 50 + [1] * 3), 3).bincount().tolist() == [50, EACH, EACH]


def test_the_spread_of_a_class_by_hand_and_none_of_a_single_image():
    features = torch.tensor([[0.0, 0.0], [0.0, 2.0], [4.0, 1.0], [9.0, 9.0]], dtype=torch.float64)
    assert spread(features[:2], torch.tensor([0, 0]), 1).square().tolist() == pytest.approx([2.0])
    single = spread(features, torch.tensor([0, 0, 0, 1]), 3)
    assert single[0] == pytest.approx((features[:3].var(0).sum()) ** 0.5) and single[1:].isnan().all()


def test_equal_real_images_are_no_collapse(monkeypatch: pytest.MonkeyPatch):
    learn_fast(monkeypatch)
    images = DATA.images.clone()
    images[DATA.labels == 2] = 128
    todo = plan(replace(DATA, images=images), load_recipe("auto", ["train.steps=10"]), device="cpu")
    assert "disc" not in Judge.of(todo)(Prints((2,)), architecture(todo)).collapsed


def test_a_collapsed_checkpoint_is_not_shipped_though_it_scores_best():
    scores = Scores()
    for step, score, variety in ((10, 3.0, 0.8), (20, 2.0, 0.6), (30, 1.0, COLLAPSED / 2)):
        scores.add(step, Judgement(score, {"ant": variety, "bee": 1.0}), {})
    assert scores.best == 20
    scores.drop(20)
    assert scores.best == 10
    scores.drop(10)
    assert scores.best == 30  # there is nothing else


def test_of_checkpoints_that_validation_cannot_tell_apart_the_last_is_shipped():
    scores = Scores()
    for step, score, error in ((10, 0.11, 0.05), (20, 0.15, 0.01), (30, 0.17, 0.09), (40, 0.4, 0.5)):
        scores.add(step, Judgement(score, {"ant": 1.0}, error), {})
        assert scores.best == {10: 10, 20: 20, 30: 20, 40: 20}[step]
    scores.add(50, Judgement(0.1, {"ant": 1.0}, 0.02), {})
    assert scores.best == 50


def keeper(tmp_path: Path, accuracy: list[float]) -> Keeper:
    """A run of 300 steps, with a checkpoint every 10, that has just logged these."""
    todo, record = planned("train.steps=300"), Record(tmp_path / "progress.jsonl")
    for i, share in enumerate(accuracy, start=1):
        record.add(Progress(200 + 2 * i, {"watch/accuracy": share}), 1.0, 1.0)
    state = type("", (), {"step": 200 + 2 * len(accuracy)})()
    return Keeper(GanJob(todo), tmp_path, state, Scores(), record)  # type: ignore[arg-type]


def alarms(kept: Keeper, judgement: Judgement) -> dict[str, str]:
    return kept.job.alarms(judgement, kept.state.step, kept.record.mean)


@pytest.mark.parametrize(("last", "said"), [(1.0, ["100% of pairs"]), (0.9, [])])
def test_a_discriminator_that_ranks_all_pairs_right_since_the_last_checkpoint_wins(
    last: float, said: list[str], tmp_path: Path
):
    found = alarms(keeper(tmp_path, [0.5] * 5 + [last] * 5), Judgement(1.0, {"ant": 1.0}))
    assert [" ".join(alarm.partition("synthetic in ")[2].split()[:3]).strip(",") for alarm in found.values()] == said
    assert all(alarm.startswith("the discriminator wins: ") for alarm in found.values())
    assert list(found) == ["D wins"] * len(said)


def test_a_collapse_names_its_classes_but_not_in_the_first_third_of_a_run(tmp_path: Path):
    kept, shrunken = keeper(tmp_path, [0.5] * 5), Judgement(1.0, {"ant": 1.0, "bee": 0.2, "cat": 0.3})
    found = alarms(kept, shrunken)
    assert list(found) == ["collapse"]
    assert found["collapse"].startswith("collapse: images of 'bee' vary less than 25% as much as real ones;")
    kept.state.step = 90
    assert alarms(kept, shrunken) == {}


def test_a_run_writes_what_it_watches(tmp_path: Path):
    settings = ("nets.width=8", "nets.z_dim=8", "train.batch_size=16", "train.steps=40", "train.checkpoint_every=20")
    with pytest.MonkeyPatch.context() as patch:
        learn_fast(patch)
        execute(plan(patterns(), load_recipe("auto", [*settings]), device="cpu"), tmp_path / "run", quiet=True)
    lines = [json.loads(line) for line in (tmp_path / "run/progress.jsonl").read_text().splitlines()]
    judged = [line for line in lines if "validation" in line]
    assert [line["step"] for line in judged] == [20, 40]
    assert all(set(line["variety"]) == set(DATA.classes) for line in judged)
    assert all(0 <= line["watch/accuracy"] <= 1 for line in lines)
