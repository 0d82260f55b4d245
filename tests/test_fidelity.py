"""Distances against closed forms, SciPy's matrix root, the prdc package and the golden table."""

from dataclasses import asdict

import numpy as np
import pytest
import torch

from ganaug.errors import DataError
from ganaug.measures import fidelity
from ganaug.measures.fidelity import (
    frechet_distance,
    joint_features,
    kernel_distance,
    mean_norm,
    nearest,
    prdc,
)
from ganaug.measures.variety import mean_min_cosine, vendi_score


def normal(n: int, d: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(
    ("name", "against_train", "against_test"),
    [
        ("good", (0.915, 0.965, 0.872, 0.960), (0.925, 0.960, 0.897, 0.970)),
        ("copy", (1.0, 1.0, 1.088, 1.0), (0.935, 0.945, 1.011, 0.995)),
        ("half", (0.965, 0.980, 0.935, 0.980), (0.930, 0.970, 0.896, 0.955)),
        ("shrunk", (1.0, 0.025, 2.990, 0.670), (1.0, 0.020, 3.002, 0.720)),
    ],
)
def test_prdc_matches_golden_table(golden, name, against_train, against_test):
    for real, expected in (("train", against_train), ("test", against_test)):
        found = prdc(golden[real], golden[name])
        assert (found.precision, found.recall, found.density, found.coverage) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    ("name", "to_train", "to_test", "kernel"),
    [
        ("good", 0.2706, 0.2050, -0.01331),
        ("copy", 0.0000, 0.1945, -0.01301),
        ("half", 0.1420, 0.1863, -0.02144),
        ("shrunk", 3.8409, 3.6844, 0.27079),
    ],
)
def test_distances_match_golden_table(golden, name, to_train, to_test, kernel):
    assert frechet_distance(golden["train"], golden[name]) == pytest.approx(to_train, abs=1e-3)
    assert frechet_distance(golden["test"], golden[name]) == pytest.approx(to_test, abs=1e-3)
    assert kernel_distance(golden["test"], golden[name]) == pytest.approx(kernel, abs=1e-4)


@pytest.mark.parametrize(
    ("name", "vendi", "cosine"),
    [("good", 7.9078, 0.14844), ("copy", 7.8546, 0.00006), ("half", 7.8661, 0.07185), ("shrunk", 7.8126, 0.14865)],
)
def test_variety_matches_golden_table(golden, name, vendi, cosine):
    assert vendi_score(golden[name]) == pytest.approx(vendi, abs=1e-4)
    assert mean_min_cosine(golden[name], golden["train"]) == pytest.approx(cosine, abs=1e-5)


def test_frechet_distance_of_a_shift_is_its_squared_length():
    x = normal(100, 6)
    assert frechet_distance(x, x + torch.tensor([3.0, 4, 0, 0, 0, 0])) == pytest.approx(25.0, abs=1e-9)


def test_frechet_distance_of_a_scaling_is_the_squared_difference_of_spreads():
    x = normal(100, 6) - normal(100, 6).mean(0)
    assert frechet_distance(x, 3 * x) == pytest.approx(4 * float(x.var(0).sum()), rel=1e-9)


def test_frechet_distance_in_one_dimension_by_hand():
    a, b = normal(50, 1), 2 * normal(70, 1, seed=1) + 1
    expected = (a.mean() - b.mean()) ** 2 + (a.std() - b.std()) ** 2
    assert frechet_distance(a, b) == pytest.approx(float(expected), rel=1e-9)


def test_frechet_distance_equals_scipy_matrix_root_to_1e_6():
    linalg = pytest.importorskip("scipy.linalg")
    real, fake = normal(500, 48) @ normal(48, 48, seed=1), normal(400, 48, seed=2) @ normal(48, 48, seed=3) + 0.5
    a, b = np.cov(real.T.numpy()), np.cov(fake.T.numpy())
    shift = float((real.mean(0) - fake.mean(0)).square().sum())
    expected = shift + np.trace(a + b - 2 * linalg.sqrtm(a @ b).real)
    assert frechet_distance(real, fake) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("case", ["fewer rows than columns", "dead columns", "repeated columns"])
def test_frechet_distance_survives_lost_rank(case):
    real, fake = normal(40, 64), normal(30, 64, seed=1) + 0.2
    if case != "fewer rows than columns":
        real, fake = normal(300, 8), normal(200, 8, seed=1)
        pad = torch.zeros(8, 4).double() if case == "dead columns" else torch.ones(8, 4).double()
        real, fake = torch.cat([real, real @ pad], 1), torch.cat([fake, fake @ pad], 1)
    # independent route: the root's trace is the nuclear norm of the product of centred feature matrices
    a, b = ((x - x.mean(0)) / (len(x) - 1) ** 0.5 for x in (real, fake))
    cross = torch.linalg.svdvals(a @ b.T).sum()
    expected = (real.mean(0) - fake.mean(0)).square().sum() + a.square().sum() + b.square().sum() - 2 * cross
    assert frechet_distance(real, fake) == pytest.approx(float(expected), rel=1e-6)
    assert frechet_distance(real, real) == pytest.approx(0, abs=1e-5)


def test_kernel_distance_equals_the_double_loop():
    real, fake = normal(12, 3), normal(9, 3, seed=1) + 0.3

    def kernel(x, y):
        return float((x @ y / 3 + 1) ** 3)

    within = [
        sum(kernel(x[i], x[j]) for i in range(len(x)) for j in range(len(x)) if i != j) / (len(x) * (len(x) - 1))
        for x in (real, fake)
    ]
    across = sum(kernel(x, y) for x in real for y in fake) / (12 * 9)
    assert kernel_distance(real, fake) == pytest.approx(sum(within) - 2 * across, rel=1e-9)


def test_kernel_distance_of_equal_distributions_is_zero_on_average():
    values = [kernel_distance(normal(50, 4, seed=s), normal(50, 4, seed=1000 + s)) for s in range(200)]
    assert abs(np.mean(values)) < 3 * np.std(values) / 200**0.5


@pytest.mark.parametrize("k", [3, 5])
def test_prdc_equals_the_prdc_package(k):
    package = pytest.importorskip("prdc")
    real, fake = normal(300, 16), 0.8 * normal(250, 16, seed=1) + 0.2
    expected = package.compute_prdc(real_features=real.numpy(), fake_features=fake.numpy(), nearest_k=k)
    found = prdc(real, fake, k)
    assert asdict(found) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("rows", [300, 40])
def test_distances_equal_torch_fidelity(rows):
    """Frechet to 1e-5, with its eigenvalues of the product of covariances; kernel to 1e-5, one block of all images."""
    fid = pytest.importorskip("torch_fidelity.metric_fid")
    kid = pytest.importorskip("torch_fidelity.metric_kid")
    real, fake = normal(rows, 64) @ normal(64, 64, seed=1) / 8, normal(rows, 64, seed=2) + 0.3
    statistics = [fid.fid_features_to_statistics(x) for x in (real, fake)]
    expected = fid.fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    assert frechet_distance(real, fake) == pytest.approx(expected, rel=1e-5)
    poly = {"kid_kernel_poly_degree": 3, "kid_kernel_poly_gamma": None, "kid_kernel_poly_coef0": 1.0}
    whole = kid.kid_features_to_metric(
        real, fake, kid_subsets=1, kid_subset_size=rows, kid_kernel="poly", rng_seed=0, verbose=False, **poly
    )["kernel_inception_distance_mean"]
    assert kernel_distance(real, fake) == pytest.approx(whole, rel=1e-5)


def test_precision_and_recall_equal_torch_fidelity():
    package = pytest.importorskip("torch_fidelity.metric_prc")
    real, fake = normal(300, 16), 0.8 * normal(250, 16, seed=1) + 0.2
    expected = package.prc_features_to_metric(
        fake, real, prc_neighborhood=5, prc_batch_size=100, save_cpu_ram=False, verbose=False
    )
    found = prdc(real, fake, 5)
    assert found.precision == pytest.approx(expected["precision"], abs=1e-4)
    assert found.recall == pytest.approx(expected["recall"], abs=1e-4)


def test_frechet_distance_of_few_rows_is_that_of_many_repeated():
    """The same Gaussian from fewer rows than columns, and from more, which takes the other way."""
    few, other = normal(20, 32), normal(500, 32, seed=1)
    many = few.repeat(4, 1)
    stretched = few.mean(0) + (few - few.mean(0)) * ((len(few) - 1) / len(few) * len(many) / (len(many) - 1)) ** 0.5
    assert frechet_distance(stretched, other) == pytest.approx(frechet_distance(many, other), rel=1e-6)


def test_vendi_score_counts_equal_clusters():
    directions = torch.eye(6).double()[[0, 0, 1, 1, 2, 2]]
    assert vendi_score(directions * torch.arange(1, 7)[:, None]) == pytest.approx(3.0, abs=1e-9)
    assert vendi_score(normal(50, 200)) == pytest.approx(vendi_score(torch.cat([normal(50, 200)] * 5)), rel=1e-6)


def test_prdc_does_not_depend_on_the_chunks(monkeypatch):
    real, fake = normal(101, 8), normal(97, 8, seed=1)
    whole = prdc(real, fake), kernel_distance(real, fake)
    monkeypatch.setattr(fidelity, "CHUNK", 700)
    monkeypatch.setattr(fidelity, "BLOCK", 4)
    assert prdc(real, fake) == whole[0]
    assert kernel_distance(real, fake) == pytest.approx(whole[1], rel=1e-9)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-3), (torch.bfloat16, 0.05)])
def test_prdc_keeps_lower_precision_within_tolerance(dtype, tolerance):
    real, fake = normal(500, 16) + 50, normal(500, 16, seed=1) + 50  # far from 0, where products cancel
    exact = prdc(real.to(dtype).double(), fake.to(dtype).double())
    found = prdc(real.to(dtype), fake.to(dtype))
    assert found.precision == pytest.approx(exact.precision, abs=tolerance)
    assert found.coverage == pytest.approx(exact.coverage, abs=tolerance)


def test_prdc_of_a_lone_mode_has_precision_without_recall():
    real = torch.cat([normal(200, 4), normal(200, 4, seed=1) + 20])
    found = prdc(real, normal(200, 4, seed=2))
    assert found.precision > 0.9 and found.recall < 0.55 and found.coverage < 0.55


def test_nearest_equals_brute_force_and_separates_copies():
    points = normal(200, 8) + 1000
    queries = torch.cat([points[:5] + 1e-7, normal(50, 8, seed=1) + 1000])
    distances, indices = nearest(queries, points, 3)
    expected = torch.cdist(queries, points, compute_mode="donot_use_mm_for_euclid_dist").topk(3, largest=False)
    assert torch.equal(indices, expected.indices)
    assert torch.allclose(distances, expected.values, rtol=1e-9, atol=0)


def test_joint_distance_sees_swapped_labels_that_features_cannot():
    x, labels = torch.cat([normal(200, 4), normal(200, 4, seed=1) + 3]), torch.arange(400) // 200
    scale = mean_norm(x)
    real = joint_features(x, labels, 2, scale)
    assert frechet_distance(real, joint_features(x, 1 - labels, 2, scale)) > 1
    assert frechet_distance(real, joint_features(x, labels, 2, scale)) == pytest.approx(0, abs=1e-5)


def test_arrays_and_integers_are_taken_too():
    x = np.arange(24).reshape(8, 3) ** 2
    assert frechet_distance(x, x + 1) == pytest.approx(3.0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("real", "fake", "words"),
    [
        (torch.zeros(9, 3), torch.zeros(9, 4), r"\[9, 3\] and \[9, 4\]"),
        (torch.zeros(1, 3), torch.zeros(9, 3), "N >= 2"),
        (torch.zeros(9), torch.zeros(9, 3), r"\[N, D\]"),
        (torch.zeros(9, 3), torch.full((9, 3), float("nan")), "fake features must be finite"),
    ],
)
def test_features_that_do_not_fit_are_refused(real, fake, words):
    with pytest.raises(DataError, match=words):
        frechet_distance(real, fake)


def test_prdc_needs_more_rows_than_neighbours():
    with pytest.raises(DataError, match="N >= 6"):
        prdc(torch.zeros(5, 2), torch.zeros(9, 2))
