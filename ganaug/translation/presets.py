"""The engines by name, as what differs from the defaults of `Terms` and `Sizes`."""

from typing import Any

ONE_WAY = {
    "cycle": 0.0,
    "identity": 0.0,
    "pool": 0,
    "gammas": {"r1": 1.0},
    "lr": 1e-3,
    "betas": (0.5, 0.99),
}

# engine -> (fields of Terms, fields of Sizes)
PRESETS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    # Zhu et al. 2017, arXiv:1703.10593.
    "cyclegan": ({}, {}),
    # Bousmalis et al. 2017, arXiv:1612.05424: labels and noise, and what ties images together are the labels alone.
    "pixelda": (ONE_WAY | {"task": 1.0}, {"noise_dim": 16}),
    # Park et al. 2020, arXiv:2007.15651, with noise: no labels; light and dark keep their places.
    "cut": (ONE_WAY | {"nce": 1.0}, {"noise_dim": 16}),
    # Isola et al. 2017, arXiv:1611.07004.
    "pix2pix": (
        {"cycle": 0.0, "identity": 0.0, "l1": 100.0, "pool": 0, "jitter": True},
        {"name": "unet", "noise_dim": 8, "downs": 4, "blocks": 0},
    ),
}
