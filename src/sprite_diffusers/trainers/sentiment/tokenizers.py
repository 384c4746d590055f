"""A vocabulary of the training texts, by ``tokenizers``, as a transformers tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PAD, UNKNOWN, END = "[PAD]", "[UNK]", "[SEP]"
SPECIAL_TOKENS = [PAD, UNKNOWN, END]
WORD = r"\w+(?:['\u2019]\w+)*|[^\w\s]"  # "don't" is one word; a mark is one by itself
MARKUP = r"<[^<>]{1,40}>"  # line breaks of texts from web pages


def train_tokenizer(
    texts: Sequence[str],
    kind: str = "word",
    vocab_size: int = 20_000,
    min_frequency: int = 2,
    max_length: int = 400,
    truncation_side: str = "left",
) -> PreTrainedTokenizerFast:
    """Trains a lower-case tokenizer; every text ends with ``[SEP]``, so that none is without tokens.

    Args:
        texts: to train on.
        kind: ``"word"``, ``"bpe"`` (byte pairs, https://arxiv.org/abs/1508.07909) or ``"unigram"``
            (https://arxiv.org/abs/1804.10959).
        vocab_size: tokens, at most, special ones included.
        min_frequency: least count of a word, or of a pair that is merged.
        max_length: tokens that truncation leaves, with the one that marks the end.
        truncation_side: which end of a text truncation takes.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    shared: dict[str, Any] = {"vocab_size": vocab_size, "special_tokens": SPECIAL_TOKENS, "show_progress": False}
    words = pre_tokenizers.Split(Regex(WORD), behavior="removed", invert=True)
    if kind == "word":
        tokenizer = Tokenizer(models.WordLevel(unk_token=UNKNOWN))
        tokenizer.pre_tokenizer = words
        trainer: Any = trainers.WordLevelTrainer(min_frequency=min_frequency, **shared)
    elif kind == "bpe":
        tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        trainer = trainers.BpeTrainer(min_frequency=min_frequency, initial_alphabet=alphabet, **shared)
    else:
        tokenizer = Tokenizer(models.Unigram())
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        tokenizer.decoder = decoders.Metaspace()
        trainer = trainers.UnigramTrainer(unk_token=UNKNOWN, **shared)
    tokenizer.normalizer = normalizers.Sequence([
        normalizers.Replace(Regex(MARKUP), " "), normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase(),
    ])  # fmt: skip
    tokenizer.train_from_iterator(texts, trainer)
    end = tokenizer.token_to_id(END)
    tokenizer.post_processor = processors.TemplateProcessing(single=f"$A {END}", special_tokens=[(END, end)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=max_length,
        truncation_side=truncation_side,
        pad_token=PAD,
        unk_token=UNKNOWN,
        sep_token=END,
        eos_token=END,
        model_input_names=["input_ids", "attention_mask"],
    )
