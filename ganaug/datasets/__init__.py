"""Datasets for a training loop that already works: synthetic images alone, or real and synthetic together."""

from ganaug.datasets.augmented import AugmentedDataset as AugmentedDataset
from ganaug.datasets.sampler import ShareBatchSampler as ShareBatchSampler
from ganaug.datasets.synthetic import SyntheticDataset as SyntheticDataset
from ganaug.datasets.workers import seed_worker as seed_worker
