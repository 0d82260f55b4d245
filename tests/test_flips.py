"""One flipped bit anywhere in a generator folder or a corpus is found, and the file that holds it is named."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from standin import synthesizer

from ganaug.checkpoint import MANIFEST
from ganaug.corpus import check_corpus, write_corpus
from ganaug.errors import ModelError
from ganaug.synthesis import Architecture, Synthesizer

FLIPS = 200


def flips(path: Path, said: Callable[[], str]) -> list[str]:
    """What is said of each of 200 copies of the file with one bit flipped; the file is whole again afterwards."""
    whole, rng, sentences = path.read_bytes(), random.Random(path.name), []
    for _ in range(FLIPS):
        at = rng.randrange(len(whole))
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << rng.randrange(8)]) + whole[at + 1 :])
        sentences.append(said())
    path.write_bytes(whole)
    return sentences


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    architecture = Architecture(name="residual", width=4, z_dim=6, shape=(1, 8, 8), classes=("ant", "bee"))
    folder = tmp_path_factory.mktemp("flips") / "generator"
    with torch.random.fork_rng(devices=[]):
        Synthesizer(architecture.build(), architecture, {"ganaug": "0.1.0"}, "cpu").save(folder)
    return folder


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(synthesizer(("ant", "bee"), (1, 8, 8)), tmp_path_factory.mktemp("flips") / "corpus", [1, 1])


@pytest.mark.parametrize("name", ["generator.safetensors", "generator.json", MANIFEST])
def test_each_of_200_flips_in_a_generator_is_found_and_the_file_named(generator: Path, name: str):
    def refusal() -> str:
        try:
            return f"nothing: {Synthesizer.load(generator, 'cpu')}"
        except ModelError as error:
            return str(error)

    found = flips(generator / name, refusal)
    assert [said for said in found if name not in said] == [] and len(found) == FLIPS
    assert refusal().startswith("nothing: Synthesizer(")


@pytest.mark.parametrize("name", ["ant/000000.png", "manifest.jsonl", "corpus.json", "README.md"])
def test_each_of_200_flips_in_a_corpus_is_found_and_the_file_named(corpus: Path, name: str):
    found = flips(corpus / name, lambda: "; ".join(check_corpus(corpus)))
    assert [said for said in found if name not in said] == [] and len(found) == FLIPS
    assert check_corpus(corpus) == []
