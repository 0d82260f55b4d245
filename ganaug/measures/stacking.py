"""Several fits as one network: on an accelerator, small networks side by side cost little more than one of them."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from ganaug.measures.classifier import augmented_batches, descend, initial, peak_rate
from ganaug.measures.networks import SMALL


def fit_stack(
    images: Tensor,
    labels: Tensor,
    orders: Tensor,
    seeds: Sequence[int],
    *,
    num_classes: int,
    augment: str,
    classifier: str = SMALL,
    class_weights: Tensor | None = None,
) -> list[nn.Module]:
    """Train one of our own networks once for each seed, all of them at once, where the images are.

    Args:
        images: Those of all fits, uint8 [N, C, H, W].
        labels: int64 [N] in [0, num_classes).
        orders: Which images make up the batches of each fit, int64 [S, T, B].
        seeds: Of the fits, S of them.
        num_classes: K.
        augment: A name that `augment.policy` knows.
        classifier: A row of `networks.OWN`.
        class_weights: Of each class in the loss, float [K]; None: all alike.

    Returns:
        S classifiers in evaluation mode, up to rounding as `fit_classifier` gives them one by one.
    """
    models = [initial(images.shape[1:], num_classes, seed, classifier).to(images.device).train() for seed in seeds]
    parameters, buffers = stack_module_state(models)  # type: ignore[arg-type]
    template = models[0]

    def one(weights: dict[str, Tensor], statistics: dict[str, Tensor], batch: Tensor) -> Tensor:
        return functional_call(template, (weights, statistics), batch)

    def network(batches: Tensor) -> Tensor:
        return vmap(one)(parameters, buffers, batches.unflatten(0, (len(seeds), -1))).flatten(0, 1)

    descend(
        network,
        parameters.values(),
        augmented_batches(images, labels, orders, seeds, augment, num_classes),
        steps=orders.shape[1],
        peak=peak_rate(classifier),
        weights=class_weights,
        fits=len(seeds),
    )
    for i, model in enumerate(models):
        model.load_state_dict({name: value[i] for name, value in (parameters | buffers).items()})
    return [model.eval() for model in models]
