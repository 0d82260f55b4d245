import logging
import pickle
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.model_selection import train_test_split
from standin import label_of, synthesizer
from torch.utils.data import ConcatDataset, DataLoader, Dataset, Subset, TensorDataset, default_collate, random_split
from torchvision.datasets import FakeData, ImageFolder
from torchvision.transforms import v2

from ganaug.data import LabeledImages
from ganaug.datasets import AugmentedDataset, SyntheticDataset, seed_worker
from ganaug.errors import DataError
from ganaug.synthesis.plan import draw, wanted

REAL = 200  # brightness of every real pixel below; the stand-in's stay under 100
to_float = v2.Compose([v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True)])


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANAUG_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """12 ants, 6 bees, 2 cats of 3x16x16, all of one brightness."""
    for name, n in (("ant", 12), ("bee", 6), ("cat", 2)):
        (tmp_path / "real" / name).mkdir(parents=True)
        for i in range(n):
            Image.new("RGB", (16, 16), (REAL, REAL, REAL)).save(tmp_path / "real" / name / f"{i}.png")
    return tmp_path / "real"


def is_real(image: Any) -> bool:
    return float(np.asarray(image, dtype=np.float64).mean()) > 150


def iterable(dataset: Any) -> Any:
    """`dataset` for a type checker that does not know the old protocol: items 0, 1, ... until an IndexError."""
    return dataset


class ListLike:
    """Neither a torch Dataset nor one with any attribute; items of (numpy image, int)."""

    def __init__(self, images: np.ndarray, labels: list[int]):
        self.items = list(zip(images, labels, strict=True))

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
        return self.items[index]


def list_like(dtype: Any = np.uint8, shape: tuple[int, ...] = (16, 16, 3), value: float = REAL) -> ListLike:
    return ListLike(np.full((20, *shape), value, dtype), [0] * 12 + [1] * 6 + [2] * 2)


def tensors(dtype: torch.dtype = torch.uint8, value: float = REAL) -> TensorDataset:
    labels = torch.tensor([0] * 12 + [1] * 6 + [2] * 2)
    return TensorDataset(torch.full((20, 3, 16, 16), value, dtype=dtype), labels)


def labeled() -> LabeledImages:
    images, labels = tensors().tensors
    return LabeledImages(images, labels, ("ant", "bee", "cat"), tuple(map(str, range(20))))


def kinds(folder: Path) -> dict[str, Any]:
    images = ImageFolder(str(folder))
    return {
        "ImageFolder": images,
        "ImageFolder with a transform": ImageFolder(str(folder), transform=to_float),
        "FakeData": FakeData(20, (3, 16, 16), 3),
        "uint8 TensorDataset": tensors(),
        "float TensorDataset": tensors(torch.float32, REAL / 255),
        "LabeledImages": labeled(),
        "list-like, HWC": list_like(),
        "list-like, float CHW": list_like(np.float32, (3, 16, 16), REAL / 255),
        "list-like, HW": list_like(shape=(16, 16)),
        "Subset": Subset(images, range(1, 20)),
        "Subset of Subset": Subset(Subset(images, range(1, 20)), range(0, 19, 2)),
        "ConcatDataset": ConcatDataset([images, Subset(images, [0, 15, 19])]),
        "random_split": random_split(images, [15, 5])[0],
    }


KINDS = (
    "ImageFolder, ImageFolder with a transform, FakeData, uint8 TensorDataset, float TensorDataset, LabeledImages, "
    "list-like; HWC, list-like; float CHW, list-like; HW, Subset, Subset of Subset, ConcatDataset, random_split"
)
every_kind = pytest.mark.parametrize("kind", [kind.replace(";", ",") for kind in KINDS.split(", ")])


def facts(item: tuple[Any, Any]) -> tuple[Any, ...]:
    """What drop-in means: the types, and the shape, size, mode and dtype of an image."""
    image, label = item
    if isinstance(image, Image.Image):
        return Image.Image, image.size, image.mode, type(label)
    return type(image), tuple(image.shape), image.dtype, type(label)


# ---- SyntheticDataset


def test_a_synthetic_dataset_looks_like_an_image_folder(folder: Path):
    real, synthetic = ImageFolder(str(folder)), SyntheticDataset(synthesizer(), per_class=4)
    assert facts(synthetic[0]) == facts(real[0])
    assert synthetic.classes == real.classes and synthetic.class_to_idx == real.class_to_idx
    assert len(synthetic) == 12 and synthetic.targets == [0] * 4 + [1] * 4 + [2] * 4
    assert [label_of(image) for image, _ in synthetic] == synthetic.targets
    assert synthetic[-1][0] == synthetic[11][0] and synthetic[np.int64(3)][1] == synthetic[torch.tensor(3)][1] == 0
    for index in (12, -13):
        with pytest.raises(IndexError):
            synthetic[index]


def test_counts_by_name_make_an_unbalanced_set_and_unknown_names_are_refused():
    synthetic = SyntheticDataset(synthesizer(), counts={"cat": 3, "ant": 1})
    assert Counter(synthetic.targets) == {2: 3, 0: 1}
    with pytest.raises(DataError, match="'dog'"):
        SyntheticDataset(synthesizer(), counts={"dog": 3})


def test_transforms_of_a_synthetic_dataset_apply_and_can_be_set_later():
    synthetic = SyntheticDataset(synthesizer(), 2, transform=to_float, target_transform=lambda y: y + 10)
    assert synthetic[5][0].shape == (3, 16, 16) and synthetic[5][1] == 12
    synthetic.transform = None
    assert isinstance(synthetic[5][0], Image.Image)


def test_a_synthetic_dataset_has_what_code_for_image_folders_reads():
    synthetic = SyntheticDataset(synthesizer(), 2)
    assert synthetic.imgs == synthetic.samples and [label for _, label in synthetic.samples] == synthetic.targets
    assert all(synthetic.loader(path) == synthetic[i][0] for i, (path, _) in enumerate(synthetic.samples))
    assert Path(synthetic.root).is_file() and synthetic.transforms is None and synthetic.is_synthetic(-1)
    synthetic.target_transform = str
    assert synthetic.transforms is not None and synthetic.transforms("image", 2) == ("image", "2")


def test_the_source_of_a_synthetic_item_gives_its_pixels_again():
    synth = synthesizer()
    synthetic = SyntheticDataset(synth, 3, seed=5)
    source = synthetic.source_of(-1)
    again = synth.sample([source.label], source.seed, [source.index])[0][0].permute(1, 2, 0)
    assert np.array_equal(np.asarray(synthetic[-1][0]), again)


def test_a_synthetic_dataset_pickles_small():
    synthetic = SyntheticDataset(synthesizer(shape=(3, 64, 64)), 20)
    packed = pickle.dumps(synthetic)
    assert len(packed) < 2000 and pickle.loads(packed)[7][0] == synthetic[7][0]
    assert "\n" not in repr(synthetic)


# ---- AugmentedDataset: every kind of wrapped dataset


@every_kind
def test_replaced_items_have_the_type_size_mode_and_label_of_real_ones(folder: Path, kind: str):
    real = kinds(folder)[kind]
    augmented = AugmentedDataset(real, synthesizer(), fraction=1.0, per_class=5)
    assert len(augmented) == len(real)
    for i in range(len(real)):
        synthetic, original = augmented[i], real[i]
        assert facts(synthetic) == facts(original) and synthetic[1] == original[1] == augmented.targets[i]
        if kind != "list-like, HW":  # turned gray; the others keep the stand-in's pixels exactly
            image = synthetic[0]
            scaled = image * 255 if getattr(image, "dtype", "") in (torch.float32, np.float32) else image
            assert label_of(scaled) == original[1]


@every_kind
@pytest.mark.parametrize("mode", ["append", "balance"])
def test_added_items_follow_the_real_ones_in_the_same_form(folder: Path, kind: str, mode: Any):
    real = kinds(folder)[kind]
    augmented = AugmentedDataset(real, synthesizer(), mode=mode, fraction=0.5)
    n = len(real)
    counts = Counter(augmented.targets)
    assert len(augmented) == (
        n + round(n / 2) if mode == "append" else 3 * max(Counter(augmented.targets[:n]).values())
    )
    assert mode == "append" or len(set(counts.values())) == 1
    assert [augmented.is_synthetic(i) for i in range(len(augmented))] == [i >= n for i in range(len(augmented))]
    assert all(facts(augmented[i]) == facts(real[0]) for i in range(len(augmented)))
    assert [int(y) for _, y in augmented] == augmented.targets


@every_kind
def test_a_loader_collates_every_kind_and_cutmix_takes_the_batch(folder: Path, kind: str):
    augmented = AugmentedDataset(kinds(folder)[kind], synthesizer(), fraction=0.5, per_class=5)
    if kind in ("ImageFolder", "FakeData", "Subset", "Subset of Subset", "ConcatDataset", "random_split"):
        augmented.transform = to_float
    images, labels = next(iter(DataLoader(augmented, len(augmented), shuffle=True)))
    assert labels.dtype == torch.int64
    if images.ndim == 4:
        assert v2.CutMix(num_classes=len(augmented.classes))(images, labels)[1].shape == (len(augmented), 3)


@every_kind
def test_a_transform_set_later_reaches_real_and_synthetic_items_alike(folder: Path, kind: str):
    real = kinds(folder)[kind]
    before = facts(real[0])
    augmented = AugmentedDataset(real, synthesizer(), mode="balance")
    augmented.transform, augmented.target_transform = (lambda image: ("seen", type(image))), (lambda label: -label)
    assert augmented.transform is not None and augmented.transform(0) == ("seen", int)
    seen = {image for image, _ in augmented}
    assert len(seen) == 1 and [-label for _, label in augmented] == augmented.targets
    assert facts(real[0]) == before, "the wrapped dataset itself stays as it was"


def test_a_transform_set_on_the_wrapped_dataset_reaches_synthetic_items(folder: Path):
    real = ImageFolder(str(folder))
    augmented = AugmentedDataset(real, synthesizer(), mode="balance")
    real.transform = to_float
    assert {facts(item) for item in augmented} == {facts(real[0])}


# ---- AugmentedDataset: modes


def test_replacing_shows_the_fraction_and_over_visits_every_real_image(folder: Path):
    augmented = AugmentedDataset(ImageFolder(str(folder)), synthesizer(), fraction=0.25, per_class=50)
    visits = np.array([[is_real(augmented[i][0]) for i in range(20)] for _ in range(100)])
    assert 1 - visits.mean() == pytest.approx(0.25, abs=0.03)  # 2,000 draws: sd 0.0097
    assert visits.any(axis=0).all() and not visits.all(axis=0).any()


def test_what_a_visit_shows_is_a_function_of_seed_item_and_visit(folder: Path):
    def epochs(seed: int, order: list[int]) -> list[dict[int, bytes]]:
        augmented = AugmentedDataset(ImageFolder(str(folder)), synthesizer(), fraction=0.5, seed=seed, per_class=9)
        return [{i: augmented[i][0].tobytes() for i in order} for _ in range(3)]

    forward, backward = list(range(20)), list(range(19, -1, -1))
    assert epochs(0, forward) == epochs(0, backward)
    assert epochs(0, forward) != epochs(1, forward)
    first, second, _ = epochs(0, forward)
    assert first != second


def test_draws_are_uniform_and_independent_over_items_visits_and_seeds():
    grid = np.array([[[draw(s, i, k) for k in range(20)] for i in range(50)] for s in range(10)])
    shares, numbers = grid[..., 0].ravel(), (grid[..., 1] % 7).ravel()
    assert shares.mean() == pytest.approx(0.5, abs=0.01) and shares.std() == pytest.approx(12**-0.5, abs=0.01)
    assert abs(np.corrcoef(shares, numbers)[0, 1]) < 0.03 and 0 <= shares.min() < shares.max() < 1


def test_is_synthetic_and_source_of_tell_the_latest_visit(folder: Path):
    synth = synthesizer()
    augmented = AugmentedDataset(ImageFolder(str(folder)), synth, fraction=0.5, per_class=9)
    foreseen = [augmented.is_synthetic(i) for i in range(20)]
    assert [not is_real(augmented[i][0]) for i in range(20)] == foreseen
    for _ in range(3):
        for i in range(20):
            image, _ = augmented[i]
            source = augmented.source_of(i)
            assert is_real(image) == (source is None) == (not augmented.is_synthetic(i))
            if source:
                again = synth.sample([source.label], source.seed, [source.index])[0][0].permute(1, 2, 0)
                assert np.array_equal(np.asarray(image), again)


def test_fraction_zero_changes_nothing_and_one_leaves_no_real_image(folder: Path):
    real = ImageFolder(str(folder))
    for mode in ("replace", "append"):
        assert [x.tobytes() for x, _ in AugmentedDataset(real, synthesizer(), mode, 0.0)] == [
            x.tobytes() for x, _ in real
        ]
    assert not any(is_real(x) for x, _ in AugmentedDataset(real, synthesizer(), fraction=1.0, per_class=3))


def test_numbers_added_per_class_follow_the_rules():
    counts = np.array([12, 6, 2])
    quarter, by_class = np.full(3, 0.25), np.array([0.0, 0.5, 1.0])
    assert wanted("append", counts, quarter, None).tolist() == [3, 2, 0]  # shares 3, 1.5 and 0.5 of 5
    assert wanted("append", counts, quarter, 4).tolist() == [4, 4, 4]
    assert wanted("append", counts, by_class, None).tolist() == [0, 3, 2]
    assert wanted("balance", counts, quarter, None).tolist() == [0, 6, 10]
    assert wanted("balance", counts, quarter, 8).tolist() == [0, 2, 6]
    assert wanted("replace", np.array([12, 0, 2]), quarter, None).tolist() == [500, 0, 500]
    assert wanted("replace", counts, by_class, 7).tolist() == [0, 7, 7]


def test_no_synthetic_image_is_added_twice(folder: Path):
    augmented = AugmentedDataset(ImageFolder(str(folder)), synthesizer(), mode="balance")
    sources = [augmented.source_of(i) for i in range(20, len(augmented))]
    assert len(set(sources)) == len(sources) == 16 and None not in sources


def test_a_class_without_real_images_is_filled_too():
    real = TensorDataset(torch.zeros(4, 3, 16, 16, dtype=torch.uint8), torch.tensor([0, 0, 0, 2]))
    assert Counter(AugmentedDataset(real, synthesizer(), mode="balance").targets) == {0: 3, 1: 3, 2: 3}


# ---- AugmentedDataset: the contract of a torchvision dataset


def test_attributes_that_loops_read_are_there(folder: Path):
    real = ImageFolder(str(folder))
    augmented = AugmentedDataset(real, synthesizer(), mode="balance")
    assert augmented.classes == real.classes and augmented.class_to_idx == real.class_to_idx
    assert augmented.root == real.root and augmented.transforms is None and augmented.imgs == augmented.samples
    for i in (0, 20, -1):  # `loader` leads from any path to its image
        assert augmented.loader(augmented.samples[i][0]) == augmented[i][0]
    assert augmented.samples[:20] == real.samples and augmented.samples[20][0].startswith("synthetic:")
    assert [label for _, label in augmented.samples] == augmented.targets
    assert all(type(label) is int for label in augmented.targets) and augmented.real_only() is real
    assert not hasattr(augmented, "nonsense")
    assert repr(augmented).startswith(
        "AugmentedDataset(ImageFolder, mode='balance': 20 real + 16 synthetic items, Pool("
    )


@pytest.mark.parametrize("mode", ["replace", "append", "balance"])
def test_indices_are_those_of_a_sequence(folder: Path, mode: Any):
    augmented = AugmentedDataset(ImageFolder(str(folder)), synthesizer(), mode)
    n = len(augmented)
    assert len([*iterable(augmented)]) == n and augmented[-1][1] == augmented.targets[-1]
    assert augmented[torch.tensor(3)][1] == augmented[np.int64(3)][1] == 0
    for index in (n, -n - 1):
        with pytest.raises(IndexError):
            augmented[index]
        with pytest.raises(IndexError):
            augmented.is_synthetic(index)


def test_stratified_splits_subsets_and_weighted_samplers_work(folder: Path):
    augmented = AugmentedDataset(ImageFolder(str(folder), transform=to_float), synthesizer(), mode="balance")
    train, test = train_test_split(range(len(augmented)), stratify=augmented.targets, random_state=0)
    train, test = Subset(augmented, [*map(int, train)]), Subset(augmented, [*map(int, test)])
    assert len([*iterable(train)]) + len(test) == 36
    sampler = torch.utils.data.WeightedRandomSampler([1.0] * 36, 36)
    assert sum(len(y) for _, y in DataLoader(augmented, 8, sampler=sampler)) == 36
    twice = AugmentedDataset(train, synthesizer(), mode="append")
    assert facts(twice[-1]) == facts(augmented[0])


@pytest.mark.parametrize("mode", ["replace", "append"])
@pytest.mark.parametrize("persistent", [True, False])
def test_two_forked_workers_serve_what_none_serve(folder: Path, mode: Any, persistent: bool):
    def epochs(workers: int) -> list[torch.Tensor]:
        real = ImageFolder(str(folder), transform=to_float)
        augmented = AugmentedDataset(real, synthesizer(), mode, 0.5, seed=3)
        loader = DataLoader(augmented, 4, num_workers=workers, persistent_workers=persistent and workers > 0)
        return [torch.cat([images for images, _ in loader]) for _ in range(3)]

    alone, together = epochs(0), epochs(2)
    assert all(torch.equal(a, b) for a, b in zip(alone, together, strict=True))
    assert mode == "append" or not torch.equal(alone[0], alone[1])


@pytest.mark.slow
def test_spawned_workers_serve_what_none_serve(folder: Path):
    def epochs(**options: Any) -> list[torch.Tensor]:
        augmented = AugmentedDataset(ImageFolder(str(folder), transform=to_float), synthesizer(), fraction=0.5)
        return [torch.cat([x for x, _ in DataLoader(augmented, 4, **options)]) for _ in range(2)]

    for method in ("spawn", "forkserver"):
        spawned = epochs(num_workers=2, multiprocessing_context=method)
        assert all(torch.equal(a, b) for a, b in zip(epochs(), spawned, strict=True))


def test_a_pickle_carries_the_path_and_the_visits_and_its_workers_agree_again(folder: Path):
    augmented = AugmentedDataset(ImageFolder(str(folder), transform=to_float), synthesizer(), fraction=0.5)
    _ = [*iterable(augmented)]
    packed = pickle.dumps(augmented)
    copy = pickle.loads(packed)
    assert len(packed) < 20_000
    for _ in range(2):
        served = torch.cat([images for images, _ in DataLoader(copy, 4, num_workers=2)])
        assert torch.equal(served, torch.stack([augmented[i][0] for i in range(20)]))


# ---- AugmentedDataset: classes, sizes, forms


def test_classes_correspond_by_name_when_numbers_differ(folder: Path):
    synth = synthesizer(("cat", "dog", "bee", "ant"))  # cat is 0 there and 2 here
    for augmented in (
        AugmentedDataset(ImageFolder(str(folder)), synth, fraction=1.0, per_class=3),
        AugmentedDataset(ImageFolder(str(folder)), synth, mode="balance"),
    ):
        for i in (i for i in range(len(augmented)) if augmented.is_synthetic(i)):
            image, label = augmented[i]
            assert label == augmented.targets[i] and label_of(image) == [3, 2, 0][label]
    assert augmented.classes == ["ant", "bee", "cat"]


def test_a_class_unknown_to_the_generator_is_named(folder: Path):
    with pytest.raises(DataError, match="'cat'"):
        AugmentedDataset(ImageFolder(str(folder)), synthesizer(("ant", "bee", "dog")))


def test_numbers_out_of_range_are_refused_where_there_are_no_names():
    with pytest.raises(DataError, match=r"\[0, 2\), got 0 to 2"):
        AugmentedDataset(tensors(), synthesizer(("ant", "bee")))


def test_parts_that_number_their_classes_differently_are_refused(folder: Path):
    other: Any = labeled()
    swapped: Any = LabeledImages(other.images, other.labels, ("bee", "ant", "cat"), other.names)
    with pytest.raises(DataError, match="ConcatDataset"):
        AugmentedDataset(ConcatDataset([other, swapped]), synthesizer())


def test_synthetic_images_take_the_size_of_the_real_ones_and_the_log_says_so_once(caplog: pytest.LogCaptureFixture):
    real = TensorDataset(torch.zeros(9, 1, 20, 30, dtype=torch.uint8), torch.arange(9) % 3)
    with caplog.at_level(logging.INFO, "ganaug"):
        augmented = AugmentedDataset(real, synthesizer(), fraction=1.0, per_class=3)
        assert all(image.shape == (1, 20, 30) for image, _ in augmented)
    assert sum("resized" in record.message for record in caplog.records) == 1


def test_floats_from_minus_one_are_served_from_minus_one():
    real = TensorDataset(torch.linspace(-1, 1, 9 * 768).reshape(9, 3, 16, 16).double(), torch.arange(9) % 3)
    image, _ = AugmentedDataset(real, synthesizer(), fraction=1.0, per_class=3)[0]
    assert image.dtype == torch.float64 and label_of((image + 1) * 127.5) == 0


def test_floats_of_unknown_scale_are_refused_with_the_way_out():
    real = TensorDataset(torch.randn(9, 3, 16, 16) * 3, torch.arange(9) % 3)
    with pytest.raises(DataError, match=r"\.transform"):
        AugmentedDataset(real, synthesizer())


def test_a_dataset_that_calls_its_transform_by_keyword_is_served_alike():
    class Albumented(Dataset[Any]):
        classes, transform = ("ant", "bee", "cat"), None

        def __len__(self) -> int:
            return 6

        def __getitem__(self, index: int) -> tuple[Any, int]:
            image = np.full((16, 16, 3), REAL, np.uint8)
            return (self.transform(image=image)["image"] if self.transform else image), index % 3

    augmented = AugmentedDataset(Albumented(), synthesizer(), fraction=1.0, per_class=3)
    assert facts(augmented[0]) == facts(Albumented()[0])
    augmented.transform = lambda image: {"image": image.astype(np.int64) + 1000}  # type: ignore[misc]
    assert all(image.min() >= 1000 for image, _ in augmented)


def test_labels_keep_their_array_shape():
    real = ListLike(np.full((6, 16, 16), REAL, np.uint8), [np.array([i % 3]) for i in range(6)])  # type: ignore[misc]
    _, label = AugmentedDataset(real, synthesizer(), fraction=1.0, per_class=3)[4]
    assert isinstance(label, np.ndarray) and label.tolist() == [1]
    assert default_collate([real[0], real[1]])[1].shape == (2, 1)


def test_labels_without_targets_are_read_once_without_the_transform(folder: Path):
    calls = []
    real = FakeData(50, (3, 16, 16), 3, transform=lambda image: calls.append(1) or to_float(image))
    augmented = AugmentedDataset(real, synthesizer())
    assert augmented.targets == [real[i][1] for i in range(50)] and len(calls) == 50


@pytest.mark.parametrize(
    ("real", "word"),
    [
        (ListLike(np.zeros((2, 16, 16), np.int32), [0, 1]), "int32"),
        (ListLike(np.zeros((2, 16, 16, 2), np.uint8), [0, 1]), "channels"),
        (ListLike(np.zeros((2, 16, 16), np.uint8), ["ant", "bee"]), "'ant'"),  # type: ignore[list-item]
        ([{"image": 1, "label": 2}], "dict"),
        ([("image", 1)], "str"),
        ([(Image.new("P", (16, 16)), 1)], "'P'"),
        ([], "list"),
        (Subset(FakeData(4, (3, 16, 16), 3), []), "Subset without"),
        (iter([]), "iterator"),
    ],
)
def test_what_cannot_be_wrapped_is_refused_in_a_sentence(real: Any, word: str):
    with pytest.raises(DataError, match=word):
        AugmentedDataset(real, synthesizer())


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"fraction": 1.5}, "fraction"),
        ({"fraction": -0.1}, "fraction"),
        ({"fraction": float("nan")}, "fraction"),
        ({"mode": "mix"}, "'mix'"),
        ({"per_class": 0}, "per_class"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict[str, Any], word: str):
    with pytest.raises(DataError, match=word):
        AugmentedDataset(tensors(), synthesizer(), **arguments)


# ---- seed_worker


class Augmenting(Dataset[Any]):
    """64 flips, turns and transpositions of one picture whose eight poses all differ."""

    def __init__(self, pipeline: Any):
        self.pipeline = pipeline

    def __len__(self) -> int:
        return 64

    def __getitem__(self, index: int) -> torch.Tensor:
        picture = np.arange(64, dtype=np.uint8).reshape(8, 8)
        return torch.from_numpy(np.ascontiguousarray(self.pipeline(image=picture)["image"]))


@pytest.mark.parametrize("seed", [None, 137])
def test_seeded_workers_and_epochs_differ_and_a_rerun_agrees(seed: int | None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NO_ALBUMENTATIONS_UPDATE", "1")
    A = pytest.importorskip("albumentations")

    def epochs() -> list[torch.Tensor]:
        pipeline = A.Compose([A.HorizontalFlip(p=0.5), A.VerticalFlip(p=0.5), A.Transpose(p=0.5)], seed=seed)
        generator = torch.Generator().manual_seed(5)
        loader = DataLoader(Augmenting(pipeline), 32, num_workers=2, worker_init_fn=seed_worker, generator=generator)
        return [torch.stack(list(loader)) for _ in range(2)]  # batch w of an epoch comes from worker w

    one, two = epochs()
    assert not torch.equal(one[0], one[1]) and not torch.equal(one, two)
    again = epochs()
    assert torch.equal(one, again[0]) and torch.equal(two, again[1])
    poses = Counter(image.numpy().tobytes() for epoch in (one, two) for image in epoch.flatten(0, 1))
    assert len(poses) == 8  # three independent coins; correlated ones show two poses
