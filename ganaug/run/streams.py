"""What training is fed with: the images of a plan as endless batches, those without labels under guessed ones."""

import logging

import torch

from ganaug.data import Batches, with_more
from ganaug.measures.selftraining import Guesses, guess_labels
from ganaug.run.planning import Plan

log = logging.getLogger("ganaug")


def streams(todo: Plan, guesses: Guesses | None = None) -> tuple[Batches, Batches]:
    """The training images, as the recipe wants them sampled, and the validation images.

    Unlabelled images come under their guessed labels, which are believed where they are sure; the others teach what
    images look like, and nothing of classes.
    """
    t, data, trust = todo.recipe.train, todo.train, None
    if todo.unlabeled and guesses:
        data = with_more(data, todo.unlabeled, guesses.labels)
        trust = torch.cat([torch.ones(len(todo.train)), t.unlabeled_weight * guesses.sure])
    batches = Batches(data, t.batch_size or 0, t.seed, todo.device, balanced=t.sampling == "balanced", trust=trust)
    return batches, Batches(todo.val, min(batches.size, len(todo.val)), t.seed, todo.device)


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
        device=todo.device,
    )
    share, right = (100 * x for x in guesses.validated)
    log.info(
        "%d of %d are sure; of the validation images %.0f %% are, and %.0f %% of those guesses are right",
        *(int(guesses.sure.sum()), len(more), share, right),
    )
    return guesses
