"""Which text encoders there are, how one is loaded, and how one is told from another."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch

from ..errors import SpriteError

if TYPE_CHECKING:  # transformers takes seconds to import, and sampling from pixels does not need it
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

TRAIN, TRAIN_LSTM = "train", "lstm"
TEXT_ENCODERS = {
    TRAIN: "a small BERT and its WordPiece vocabulary, trained here on the captions; nothing is downloaded",
    TRAIN_LSTM: "the same of an LSTM that reads from both ends; give it minutes of training",
    "prajjwal1/bert-mini": "BERT of 4 layers of width 256 (https://arxiv.org/abs/1908.08962)",
    "openai/clip-vit-base-patch32": "the text half of CLIP (https://arxiv.org/abs/2103.00020), 77 tokens",
}
"""What ``--text_encoder`` takes, with what it is. Besides these any folder or Hub id of a transformers text encoder."""


def load_text_encoder(source: str | Path) -> tuple[PreTrainedTokenizerBase, PreTrainedModel]:
    """A tokenizer and its text encoder in evaluation mode, from a folder or a Hub id.

    Any class that transformers' ``AutoModel`` knows, registered ones included; of CLIP the text half, of an
    encoder-decoder (T5) the encoder. A pipeline's folder gives its ``tokenizer`` and ``text_encoder``.

    The same source always gives the same weights: a pooler that it lacks (no text encoder here uses it) is drawn from a
    fixed seed.

    Raises:
        SpriteError: it cannot be had (no such folder, not downloaded and no network), is no text encoder, has no
            vocabulary, lacks weights, or its vocabulary is larger than the encoder's.
    """
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoTokenizer

    if str(source) in (TRAIN, TRAIN_LSTM):
        raise SpriteError(
            f"the text encoder {source!r} is trained on captions, not loaded: give a folder or Hub id of a trained one."
        )
    folders = {"tokenizer": "", "text_encoder": ""}
    if (Path(source) / "text_encoder").is_dir():
        folders = {name: name for name in folders}
    try:
        with quiet_transformers():
            config = AutoConfig.from_pretrained(str(source), subfolder=folders["text_encoder"])
            tokenizer = AutoTokenizer.from_pretrained(str(source), subfolder=folders["tokenizer"])
            model, missing = _load_model(str(source), config, folders["text_encoder"])
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        # which of these a broken or absent folder raises depends on the file that is at fault
        reason = " ".join(str(error).split())[:160]
        raise SpriteError(
            f"the text encoder {str(source)!r} cannot be loaded ({type(error).__name__}: {reason}): give the folder of one "
            f"(config.json, weights and tokenizer), or {TRAIN!r} to train one on the captions, which needs no download."
        ) from error
    _check(str(source), tokenizer, model, missing)
    return tokenizer, model.eval()


def _load_model(source: str, config: PretrainedConfig, subfolder: str) -> tuple[PreTrainedModel, list[str]]:
    """The encoder of a configuration, and the names of weights that the source lacks."""
    from transformers import AutoModel, AutoModelForTextEncoding, CLIPTextModel

    loader: Any = AutoModelForTextEncoding if config.is_encoder_decoder else AutoModel
    if config.model_type == "clip":
        loader = CLIPTextModel
    with torch.random.fork_rng(devices=[]):  # what is missing is drawn on the CPU
        torch.random.default_generator.manual_seed(0)
        model, report = loader.from_pretrained(source, subfolder=subfolder, output_loading_info=True)
    return model, sorted(report["missing_keys"])


def _check(source: str, tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel, missing: list[str]) -> None:
    """Refuses what transformers loads without complaint, and gives a tokenizer without padding a padding token."""
    needed = [name for name in missing if not name.startswith("pooler.")]
    if needed:
        raise SpriteError(
            f"the text encoder {source!r} lacks {len(needed)} of its weights (e.g. {needed[0]}): give one that is whole."
        )
    vocabulary = tokenizer.get_vocab()
    if not set(vocabulary) - set(tokenizer.all_special_tokens):
        raise SpriteError(
            f"the text encoder {source!r} has no vocabulary: save its tokenizer (vocab.txt or tokenizer.json) beside it."
        )
    known = len(cast(torch.Tensor, model.get_input_embeddings().weight))
    if max(vocabulary.values()) >= known:
        raise SpriteError(
            f"the tokenizer of {source!r} has ids up to {max(vocabulary.values())}, but its encoder knows {known} tokens: "
            "give the tokenizer that it was trained with."
        )
    if tokenizer.pad_token is None:
        if tokenizer.eos_token is None:
            raise SpriteError(
                f"the tokenizer of {source!r} has neither a padding nor an end token: set its `pad_token` and save it."
            )
        tokenizer.pad_token = tokenizer.eos_token


def text_fingerprint(tokenizer: PreTrainedTokenizerBase, model: torch.nn.Module) -> str:
    """sha256, in hex, of a vocabulary and of the names, shapes and signs of an encoder's weights.

    Signs are the same in every floating-point precision, so that a model loaded in half precision is still itself.
    """
    digest = hashlib.sha256()
    for token, index in sorted(tokenizer.get_vocab().items()):
        digest.update(f"{token!r} {index}\n".encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {list(tensor.shape)}".encode() + torch.signbit(tensor).cpu().numpy().tobytes())
    return digest.hexdigest()


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Without its bars and its list of weights found and not found, of which `load_text_encoder` tells what matters."""
    from transformers.utils import logging

    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()
