"""Synthetic images in augmentation pipelines: `ganaug.transforms.albumentations` and `ganaug.transforms.torchvision`.

Each of the two imports its library, so import the one you use.
"""
