"""What a corpus says of itself: corpus.json, the data card, and the mark inside every image."""

import html
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from ganaug.corpus.layout import directory_names

if TYPE_CHECKING:
    from ganaug.synthesis.synthesizer import Synthesizer

SCHEMA = 1
SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"))
# IPTC's terms for media made by a trained model, and for photographs that one changed, in an XMP packet (IPTC Photo
# Metadata Standard, Digital Source Type)
PACKET = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/{}"/>
</rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""
XMP, TRANSLATED_XMP = map(PACKET.format, ("trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia"))

CARD = """---
task_categories:
- image-classification
size_categories:
- {size}
tags:
- synthetic
- ganaug
configs:
- config_name: default
  data_files:
  - split: train
    path: "*/*.png"
---

# Synthetic images

{total} images of {channels} x {height} x {width} (channels, height, width) in {num_classes} classes, all of them made
by a generative model. Written by ganaug {ganaug}.

{table}

## Origin

- Generator: sha256 `{model}`, sampling seed {seed}, latent scale {scale}.
- Training data: fingerprint `{real_data}`.
- Image `<class>/<index>.png` is a function of generator, seed, latent scale, class and index alone; `manifest.jsonl`
  holds the sha256 of each file and of its shape and pixels, `corpus.json` those of the manifest, this card and itself;
  `ganaug check` verifies them all.
- Each PNG carries XMP `DigitalSourceType` = `trainedAlgorithmicMedia`. Metadata is easily stripped.

## Known limits

- Copies of training images: {copies}.
- Whether these images help a classifier is not recorded here; `ganaug measure` tells.
- The images show what the generator learned, with the gaps and biases of its training data.
- Licence and consent for the training data are not known to ganaug; state them where you publish (`ganaug check`
  names an edited card).
"""


def describe(synth: "Synthesizer", counts: list[int], seed: int, scale: float = 1.0) -> dict[str, Any]:
    """The content of corpus.json, but for the sums of the manifest, the card and itself."""
    return {
        "schema": SCHEMA,
        "ganaug": version("ganaug"),
        "model": synth.hash,
        "shape": list(synth.shape),
        "classes": list(synth.classes),
        "directories": directory_names(synth.classes),
        "class_to_idx": {name: label for label, name in enumerate(synth.classes)},
        "seed": seed,
        "latent_scale": scale,
        "counts": counts,
        "real_data": synth.provenance.get("splits", {}).get("train"),
        "copies": "not checked",
    }


def data_card(facts: dict[str, Any]) -> str:
    """README.md with the front matter that Hugging Face reads; `facts` as in corpus.json."""
    total, (channels, height, width) = sum(facts["counts"]), facts["shape"]
    return CARD.format(
        size=next((name for bound, name in SIZES if total < bound), "n>10M"),
        total=f"{total:,}",
        channels=channels,
        height=height,
        width=width,
        num_classes=len(facts["classes"]),
        table=class_table(facts),
        ganaug=facts["ganaug"],
        model=facts["model"],
        seed=facts["seed"],
        scale=f"{facts['latent_scale']:g}",
        real_data=facts["real_data"] or "not recorded",
        copies=facts["copies"],
    )


def class_table(facts: dict[str, Any]) -> str:
    """The classes as Markdown, a row each."""
    entries = zip(facts["classes"], facts["directories"], facts["counts"], strict=True)
    rows = (f"| {k} | {_cell(name)} | {folder} | {n} |" for k, (name, folder, n) in enumerate(entries))
    return "\n".join(["| label | class | directory | images |", "|---|---|---|---|", *rows])


def _cell(text: str) -> str:
    """Text that cannot leave its table cell, nor be taken for markup."""
    return html.escape(" ".join(text.split())).replace("|", "&#124;").replace("`", "&#96;")
