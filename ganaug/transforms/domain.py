"""What `DomainTranslate` is made of in both libraries: the translations of a model, live or out of a pool."""

from pathlib import Path
from typing import Any

from ganaug.errors import DataError, ModelError
from ganaug.synthesis.live import OF_TRANSLATORS
from ganaug.synthesis.translation_pool import TranslationPool, Way
from ganaug.synthesis.translations import PooledTranslations, Translations
from ganaug.synthesis.translator import Translator
from ganaug.transforms.models import device_for, require_model

NAME = "DomainTranslate"


def open_translations(
    source: Any, way: Way, pool: Any, variants: int, sha256: str | None, serving: str
) -> Translations | PooledTranslations:
    """The translations of a model, out of a pool where there is one.

    Args:
        source: A run of `ganaug translate fit`, a translator folder, or a Translator.
        way: How images are translated.
        pool: Images or DATA, translated here where that was not done before; the file of a pool; or None.
        variants: Translations of each image in the pool.
        sha256: Of the weights: refuses another model.
        serving: "worker" where a model without a pool must be on the CPU, "batch" where it may be anywhere.

    Raises:
        ModelError: `source` is no translator, or not the one with `sha256`; or the pool is of another.
        DataError: There is no such direction, an image cannot be translated, or an argument is out of range.
    """
    translator = _opened(source, device_for(serving if pool is None else "pool"))
    require_model(translator, sha256, OF_TRANSLATORS)
    live = Translations(translator, way)
    if pool is None:
        return live
    if isinstance(pool, str | Path) and Path(pool).suffix == ".npy":
        return PooledTranslations(TranslationPool(pool), live)
    from ganaug.transforms.sources import images_of

    images = images_of(pool, live.channels[0])
    return PooledTranslations(TranslationPool.build(translator, images, way, variants), live)


def named_pool(pool: Any, translations: Translations | PooledTranslations) -> str | None:
    """How a saved pipeline names the pool: DATA as it was given, images in memory by the file of their translations."""
    if isinstance(translations, Translations):
        return None
    return str(pool if isinstance(pool, str | Path) else translations.pool.path)


def require_channels(translations: Translations | PooledTranslations, way: Way, given: int) -> None:
    """Refuse images that are not of the domain that is translated.

    Raises:
        DataError: Names both numbers of channels.
    """
    wanted = translations.channels[0]
    if given != wanted:
        raise DataError(
            f"{NAME} must see images of {way.direction[0]} with {wanted} channel{'s' * (wanted > 1)}, as the "
            f"translator learned them, got {given}; convert them, or check the direction"
        )


def _opened(source: Any, device: str) -> Translator:
    if isinstance(source, str | Path):
        return Translator.load(source, device)
    if isinstance(source, Translator):
        return source
    raise ModelError(
        f"{NAME} must be given a run of `ganaug translate fit`, a translator folder or a Translator, got "
        f"{type(source).__name__}; that command makes one"
    )
