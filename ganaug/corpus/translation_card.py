"""What a corpus of translations says of itself: corpus.json and the data card."""

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from ganaug.corpus.card import SCHEMA, SIZES, class_table

if TYPE_CHECKING:
    from ganaug.synthesis.translator import Translator

SETTINGS = ("model", "direction", "classes", "counts", "seed", "source_data")  # that make one corpus another

CARD = """---
task_categories:
- {task}
size_categories:
- {size}
tags:
- synthetic
- ganaug
configs:
- config_name: default
  data_files:
  - split: train
    path: "{path}"
---

# Translated images

{total} images of {form} (channels, height, width){classes}, each of them
translated by a model from another image into the look of domain {to}. Written by ganaug {ganaug}.
{table}
## Origin

- Translator: sha256 `{model}`, direction {direction}, noise seed {seed}.
- Training data of the translator: fingerprint `{real_data}` (A), `{real_data_b}` (B).
- Source images: fingerprint `{source_data}`.
  Each image keeps the name of its source, but for the ending.
- An image is a function of translator, direction, noise seed, source image and the number of that one in its set alone;
  `manifest.jsonl` names the source and holds the sha256 of its pixels, and of the file here and of its shape and
  pixels, `corpus.json` those of the manifest, this card and itself; `ganaug check` verifies them all.
- Each PNG carries XMP `DigitalSourceType` = `compositeWithTrainedAlgorithmicMedia`. Metadata is easily stripped.

## Known limits

- {labels}
- Whether these images help a classifier is not recorded here; `ganaug translate measure` tells.
- Each image shows what its source shows: what holds for the source images (licence, consent, which split they are of)
  holds for these.
- Licence and consent for the source images and the training data are not known to ganaug; state them where you publish
  (`ganaug check` names an edited card).
"""
LABELLED = (
    "A label is that of the source image; how often a translation still shows it is what the translator's run reports\n"
    "  as label preservation."
)
PLAIN = "There are no labels: the source has none."


def describe_translations(
    translator: "Translator",
    *,
    direction: str,
    seed: int,
    shape: tuple[int, int | None, int | None],
    classes: tuple[str, ...],
    directories: list[str],
    counts: list[int],
    source_data: str,
) -> dict[str, Any]:
    """The content of corpus.json, but for the sums of the manifest, the card and itself.

    Height and width are None where they differ from image to image.
    """
    splits = translator.provenance.get("splits", {})
    return {
        "schema": SCHEMA,
        "ganaug": version("ganaug"),
        "model": translator.hash,
        "direction": direction,
        "shape": list(shape),
        "classes": list(classes),
        "directories": directories,
        "class_to_idx": {name: label for label, name in enumerate(classes)},
        "seed": seed,
        "counts": counts,
        "real_data": splits.get("train"),
        "real_data_b": splits.get("b_train"),
        "source_data": source_data,
    }


def translation_card(facts: dict[str, Any]) -> str:
    """README.md with the front matter that Hugging Face reads; `facts` as in corpus.json."""
    total, (channels, height, width) = sum(facts["counts"]), facts["shape"]
    labelled = bool(facts["classes"])
    form = f"{channels} x {height} x {width}" if height and width else f"{channels} channels in sizes of their own"
    return CARD.format(
        task="image-classification" if labelled else "image-to-image",
        size=next((name for bound, name in SIZES if total < bound), "n>10M"),
        path="*/*.png" if labelled else "**/*.png",
        total=f"{total:,}",
        form=form,
        classes=f" in {len(facts['classes'])} classes" if labelled else "",
        to=facts["direction"][1],
        table=f"\n{class_table(facts)}\n" if labelled else "",
        labels=LABELLED if labelled else PLAIN,
        **{key: facts[key] for key in ("ganaug", "model", "direction", "seed", "source_data")},
        **{key: facts[key] or "not recorded" for key in ("real_data", "real_data_b")},
    )
