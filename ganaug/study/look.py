"""What synthetic images themselves show, beside the real ones: how far they are, and whether they copy."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from ganaug.measures.design import joined
from ganaug.measures.domains import Domains
from ganaug.measures.features import encoder_of
from ganaug.study.domains import DomainEvidence
from ganaug.study.evidence import Evidence, Pool
from ganaug.study.fidelity import domain_fidelity, fidelity
from ganaug.study.memorization import Findings, memorization, memorization_of_target, with_validation_copies

JUDGED = 10_000  # synthetic images at most that are looked at
ENCODER_SEED = 1  # not the encoder that chose the checkpoint


class Look(NamedTuple):
    """What was seen, by one process for all.

    Attributes:
        distances: The part `fidelity` of measure.json.
        copies: What is said of copying.
        judged: The images that were looked at.
        seconds: What it took.
    """

    distances: dict[str, Any]
    copies: Findings
    judged: Pool
    seconds: dict[str, float]


def look_at_pools(
    evidence: Evidence, encoder: str | Callable[[torch.Tensor], torch.Tensor], device: torch.device
) -> Look:
    """Look at what generators or a corpus hold, beside the real images."""
    real, judged, start = evidence.train, _some(joined(evidence.pools)), time.monotonic()
    encode = encoder_of(
        encoder, real.images, real.labels, num_classes=real.num_classes, seed=ENCODER_SEED, device=device
    )
    distances = fidelity(encode, evidence.test, evidence.val, real, *judged)
    looked = time.monotonic()
    copies = memorization(real, evidence.val, *judged, evidence.models[0] if evidence.models else None)
    copies = with_validation_copies(copies, evidence.left_out, sum(len(labels) for _, labels in evidence.pools))
    seconds = {"fidelity": looked - start, "memorization": time.monotonic() - looked}
    return Look(distances, copies, judged, seconds)


def look_at_translations(domains: Domains, evidence: DomainEvidence, encoder: str, device: torch.device) -> Look:
    """Look at the translations, beside B's images."""
    start = time.monotonic()
    distances = _fidelity(domains, encoder, evidence.train.num_classes, device)
    looked = time.monotonic()
    made = _some(joined(domains.translated))
    copies = memorization_of_target(evidence.target.images, evidence.test.images, made[0])
    return Look(distances, copies, made, {"fidelity": looked - start, "memorization": time.monotonic() - looked})


def _fidelity(domains: Domains, spec: str, num_classes: int, device: torch.device) -> dict[str, Any]:
    """Distances in the features of an encoder that knows A's images alone.

    One that knew their translations, too, would have learned to overlook what sets the domains apart: of digits and
    their negatives the start then lies at the floor (FD .74 and .41, where A's encoder gives 63 and .27).
    """
    (own, labels), n = domains.source, len(domains.source[1])
    encoder = encoder_of(spec, own, labels, num_classes=num_classes, seed=ENCODER_SEED, device=device)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(0))
    source = torch.cat([domains.val[0], own[order]])
    translated = torch.cat([domains.there[0][: len(domains.val[1])], domains.translated[0][0][order]])  # by the first
    return domain_fidelity(encoder, domains.test[0], domains.target, source, translated)


def _some(pool: Pool) -> Pool:
    """At most JUDGED synthetic images, in random order."""
    images, labels = pool
    chosen = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))[:JUDGED]
    return images[chosen], labels[chosen]
