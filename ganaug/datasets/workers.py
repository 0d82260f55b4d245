"""Seeding of albumentations pipelines in DataLoader workers."""

import gc
import random
import re
import sys
import zlib

import numpy as np
import torch


def seed_worker(worker_id: int = 0) -> None:
    """Give every albumentations pipeline of this process a stream of its own; pass it as `worker_init_fn`.

    albumentations 2.0.8 draws the same numbers in every worker, and in every epoch unless workers persist; a seeded
    Compose draws the same numbers in all of its transforms. Here each outermost pipeline gets one generator, shared by
    its transforms, seeded from (torch.initial_seed(), the pipeline): different per worker and epoch, the same on a
    rerun. Where albumentations is not loaded nothing is done: torch seeds `random`, numpy and itself in each worker.

    Args:
        worker_id: Given by the DataLoader; torch.initial_seed() holds it already.

    Example:
        >>> loader = torch.utils.data.DataLoader(list(range(4)), num_workers=0, worker_init_fn=seed_worker)
    """
    albumentations = sys.modules.get("albumentations")
    if albumentations is None:
        return
    base = torch.initial_seed() % 2**64
    # type(o).__mro__, because isinstance() would wake lazily loaded objects that only warn
    pipelines = [o for o in gc.get_objects() if albumentations.BaseCompose in type(o).__mro__]
    inner = {id(transform) for pipeline in pipelines for transform in pipeline.transforms}
    seen: dict[int, int] = {}
    for text, pipeline in sorted(((_text(p), p) for p in pipelines if id(p) not in inner), key=lambda pair: pair[0]):
        kind = zlib.crc32(text.encode())
        seen[kind] = seen.get(kind, -1) + 1
        seeds = np.random.SeedSequence([base, kind, seen[kind]])
        pipeline.set_random_state(
            np.random.default_rng(seeds), random.Random(int(seeds.generate_state(2, np.uint64)[0]))
        )


def _text(pipeline: object) -> str:
    """What the pipeline says of itself, without memory addresses, which change from run to run."""
    return re.sub(r"0x[0-9a-f]+", "", repr(pipeline))
