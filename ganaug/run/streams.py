"""What training is fed with: the images of a plan as endless batches, those without labels under guessed ones."""

import logging

import torch
from torch import Tensor

from ganaug.data import Batches, with_more
from ganaug.measures.selftraining import SURE, Guesses, guess_labels
from ganaug.ranks import rank, size
from ganaug.run.planning import Plan

log = logging.getLogger("ganaug")


def streams(todo: Plan, guesses: Guesses | None = None) -> tuple[Batches, Batches]:
    """The training images, as the recipe wants them sampled, and the validation images.

    Unlabelled images come under their guessed labels. Where those are sure they are believed as far as such guesses
    are right on validation; the others teach what images look like, and nothing of classes.
    """
    t, data, val, trust = todo.recipe.train, todo.train, todo.val, torch.ones(len(todo.train))
    if todo.unlabeled and guesses:
        data = with_more(data, todo.unlabeled, guesses.labels)
        trust = torch.cat([trust, t.unlabeled_weight * guesses.right * guesses.sure])
    balanced = t.sampling == "balanced"
    batches = Batches(
        *(data, t.batch_size or 0, t.seed, todo.device),
        strata=strata(data.labels, trust, balanced),
        trust=trust,
        share=(rank(), size()),
    )
    # Like the training images: what D says of these is held against what it says of those.
    held_out = strata(val.labels, torch.ones(len(val)), balanced)
    return batches, Batches(val, min(batches.size, len(val)), t.seed, todo.device, strata=held_out)


def strata(labels: Tensor, trust: Tensor, balanced: bool) -> Tensor | None:
    """What is to come as often as what, int64 [N]: each class, and images of which nothing but the look is believed no
    more often than others, or they would leave few that teach classes. None where images may come as they are.

    >>> labels = torch.tensor([0, 0, 0, 1])
    >>> strata(labels, torch.tensor([1.0, 0.0, 0.0, 0.0]), balanced=False).tolist()
    [0, 1, 1, 1]
    >>> strata(labels, torch.ones(4), balanced=True).tolist(), strata(labels, torch.ones(4), balanced=False)
    ([0, 0, 0, 1], None)
    """
    unsure = (trust == 0).long()
    crowd = 2 * int(unsure.sum()) > len(unsure) > int(unsure.sum())
    if balanced:
        return labels + int(labels.max() + 1) * unsure * crowd
    return unsure if crowd else None


def guess(todo: Plan) -> Guesses | None:
    """The classes of the unlabelled images, as far as classifiers of the labelled ones can tell; said in the log."""
    if not todo.unlabeled:
        return None
    train, val, more = todo.train, todo.val, todo.unlabeled
    log.info("guessing the classes of %s images without labels", f"{len(more):,}")
    guesses = guess_labels(
        *(train.images, train.labels, more.images),
        held_out=(val.images, val.labels),
        num_classes=train.num_classes,
        seed=todo.recipe.train.seed,
        device=todo.device,
    )
    log.log(
        logging.INFO if guesses.right >= SURE else logging.WARNING,
        "%d of %d are sure; of the validation images %.0f %% are, and %.0f %% of those guesses are right",
        *(int(guesses.sure.sum()), len(more), 100 * guesses.share, 100 * guesses.right),
    )
    return guesses
