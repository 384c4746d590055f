"""A small BERT or LSTM and its WordPiece vocabulary from captions: word vectors by company, then masked language modelling."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import torch
from tqdm.auto import tqdm

from ..errors import SpriteError
from .autoencoders import FACTS_FILE
from .text_encoders import quiet_transformers, text_fingerprint

if TYPE_CHECKING:
    from transformers import BertForMaskedLM, BertTokenizer, PreTrainedModel

    from .lstm import LSTMForMaskedLM

MASKED_SHARE = 0.15  # of the tokens: 80 % of them hidden, 10 % replaced, 10 % left as they were (BERT, section 3.1)
HELD_OUT_SHARE = 0.1  # of the captions, where no validation captions are given
WARMUP = 0.1  # of the training
SHORTEST_WINDOW = 8  # tokens
COMPANY = 8  # tokens to either side
TEXTS_AT_ONCE = 2000  # whose pairs are in memory
START_STD = 0.05  # of the word vectors; those of the positions begin at 0.02
SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


@dataclass(frozen=True)
class TextTrainingResult:
    """What a training made.

    Attributes:
        tokenizer: as saved.
        model: as saved, in evaluation mode.
        metrics: ``masked_loss`` (nats) and ``masked_accuracy`` (0 to 1) of the tokens guessed in held-out captions,
            the same with ``_before`` of the untrained network, ``masked_accuracy_floor`` for always guessing the commonest
            token; ``steps``, ``seconds``, ``vocab_size``, ``parameters``.
        directory: where both were saved.
    """

    tokenizer: BertTokenizer
    model: PreTrainedModel
    metrics: dict[str, float]
    directory: Path


def train_text_encoder(
    captions: Sequence[str],
    output_dir: str | Path,
    *,
    architecture: Literal["bert", "lstm"] = "bert",
    hidden_size: int = 256,
    num_layers: int = 4,
    num_heads: int = 4,
    vocab_size: int = 8000,
    max_length: int = 128,
    max_train_steps: int | None = None,
    max_train_minutes: float | None = None,
    batch_size: int = 64,
    learning_rate: float = 5e-4,
    seed: int = 0,
    validation: Sequence[str] | None = None,
    device: str | torch.device | None = None,
    progress: bool = True,
) -> TextTrainingResult:
    """Trains a vocabulary and a BERT (Devlin et al. 2019, https://arxiv.org/abs/1810.04805), or an LSTM, on captions alone.

    The folder loads by ``AutoTokenizer`` and ``AutoModel``. The random state of the process is left as it was. Equal
    arguments with `max_train_steps` give equal weights on one machine; with minutes the speed decides.

    Args:
        captions: to train on; those that are longer than `max_length` are seen in windows.
        output_dir: written when training is done.
        architecture: ``"bert"``, or ``"lstm"``: an `LSTMModel` that reads from both ends.
        hidden_size: width, a multiple of `num_heads` for BERT, and of 2 for an LSTM.
        num_heads: of BERT.
        vocab_size: at most; fewer if the captions give no more.
        max_length: tokens that the encoder can take, with the two that mark start and end.
        max_train_steps: of `batch_size` captions each; the training ends at whichever limit comes first. 0 leaves the
            network as it starts (see `start_from_company`).
        max_train_minutes: of training.
        learning_rate: at its peak, after a tenth of the training; falls to 0 at its end.
        validation: held-out captions to measure on; a tenth of `captions` if not given, which is then not trained on.
        device: a GPU if there is one, if not given.
        progress: whether to show a bar.

    Raises:
        SpriteError: no captions, no limit, or sizes that do not fit together.
    """
    _check(
        captions,
        validation,
        hidden_size,
        num_heads if architecture == "bert" else 2,
        max_length,
        (max_train_steps, max_train_minutes),
    )
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    kept, held_out = _split(captions, validation, seed)
    tokenizer = train_wordpiece(kept, vocab_size, max_length)
    tokens, held_out_tokens = _token_ids(tokenizer, kept), _token_ids(tokenizer, held_out)
    schedule = _Schedule(max_train_steps, max_train_minutes)
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        if architecture == "bert":
            network: BertForMaskedLM | LSTMForMaskedLM = _bert(
                tokenizer, hidden_size, num_layers, num_heads, max_length
            )
        else:
            network = _lstm(tokenizer, hidden_size, num_layers)
        start_from_company(cast(torch.Tensor, network.get_input_embeddings().weight), tokens)
        torch.nn.Module.to(network, device)
        before = _measure(network, tokenizer, held_out_tokens, batch_size)
        _train(network, tokenizer, tokens, schedule, batch_size, learning_rate, seed, progress)
        after = _measure(network, tokenizer, held_out_tokens, batch_size)
        model = _encoder_of(network)
    metrics = {
        **after,
        **{f"{name}_before": value for name, value in before.items()},
        "masked_accuracy_floor": _floor(tokens, held_out_tokens),
        "steps": schedule.step,
        "seconds": schedule.seconds,
        "vocab_size": len(tokenizer),
        "parameters": model.num_parameters(),
    }
    directory = Path(output_dir)
    facts = {"captions": len(kept), "held_out_captions": len(held_out), "seed": seed, **metrics}
    _save(directory, tokenizer, model, facts)
    return TextTrainingResult(tokenizer, model, metrics, directory)


def train_wordpiece(captions: Sequence[str], vocab_size: int, max_length: int) -> BertTokenizer:
    """A lower-case WordPiece tokenizer (Wu et al. 2016, https://arxiv.org/abs/1609.08144) of what occurs twice or more.

    Words that it does not know are split into pieces; every character of `captions` is one.
    """
    from tokenizers import Tokenizer, models, trainers
    from transformers import BertTokenizer

    bert = BertTokenizer().backend_tokenizer
    pieces = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    pieces.normalizer, pieces.pre_tokenizer = bert.normalizer, bert.pre_tokenizer
    # The library numbers the characters within words in the order of a hash table, and breaks ties between merges by
    # number: another vocabulary in every process. Named beforehand, in order, they are the same.
    inner = set()
    for caption in captions:
        for word, _ in bert.pre_tokenizer.pre_tokenize_str(bert.normalizer.normalize_str(caption)):
            inner.update(word[1:])
    named = [*SPECIAL_TOKENS, *(f"##{character}" for character in sorted(inner))]
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size, min_frequency=2, special_tokens=named, show_progress=False
    )
    pieces.train_from_iterator(captions, trainer)
    return BertTokenizer(vocab=pieces.get_vocab(), model_max_length=max_length)


@torch.no_grad()
def start_from_company(embeddings: torch.Tensor, tokens: list[list[int]]) -> None:
    """Gives tokens that keep the same company similar vectors, in place, before any training.

    A factorisation of their positive pointwise mutual information (Levy & Goldberg 2014, eq. 4 and section 5.2), in
    seconds; masked language modelling needs far longer to find as much from random vectors.

    Args:
        embeddings: ``(vocabulary, width)``; rows of tokens that never occur stay as they are.
        tokens: ids of the captions.
    """
    vocabulary, width = embeddings.shape
    size = (vocabulary, vocabulary)
    counts = torch.sparse_coo_tensor(
        torch.zeros(2, 0, dtype=torch.int64), torch.zeros(0), size, check_invariants=False
    )
    for start in range(0, len(tokens), TEXTS_AT_ONCE):
        texts = tokens[start : start + TEXTS_AT_ONCE]
        ids = np.concatenate([np.asarray(text, np.int64) for text in texts])
        text_of = np.repeat(np.arange(len(texts)), [len(text) for text in texts])
        pairs = [
            np.stack([ids[:-apart], ids[apart:]])[:, text_of[:-apart] == text_of[apart:]]
            for apart in range(1, COMPANY + 1)
        ]
        both = torch.from_numpy(np.concatenate(pairs, axis=1))
        both = torch.cat([both, both.flip(0)], dim=1)
        part = torch.sparse_coo_tensor(both, torch.ones(both.shape[1]), size, check_invariants=False)
        counts = (counts + part.coalesce()).coalesce()
    (first, second), together = counts.indices(), counts.values()
    alone = torch.zeros(vocabulary).index_add_(0, first, together)
    context = alone**0.75 / (alone**0.75).sum()  # smoothed, or rare tokens would count most
    information = torch.log(together / alone[first] / context[second]).clamp(min=0)
    table = torch.sparse_coo_tensor(counts.indices(), information, size, check_invariants=False)
    vectors, strengths, _ = torch.svd_lowrank(table, q=min(width, vocabulary), niter=4)
    vectors = torch.nn.functional.normalize(vectors * strengths.sqrt(), dim=1) * START_STD * width**0.5
    seen = alone > 0
    embeddings[seen, : vectors.shape[1]] = vectors[seen]


class _Schedule:
    """How far a training is, by steps, by minutes, or by whichever is further; and its learning rate."""

    def __init__(self, max_steps: int | None, max_minutes: float | None):
        self.max_steps, self.max_minutes = max_steps, max_minutes
        self.step = 0
        self.started = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    @property
    def progress(self) -> float:
        """Share of the training that is done, up to 1."""
        if self.max_steps == 0:
            return 1.0
        by_steps = self.step / self.max_steps if self.max_steps else 0.0
        by_time = self.seconds / (60 * self.max_minutes) if self.max_minutes else 0.0
        return min(1.0, max(by_steps, by_time))

    @property
    def learning_rate_factor(self) -> float:
        """Linear warm-up to 1, then linear decay to 0; of the middle of a step, so that the first one counts."""
        progress = self.progress + (0.5 / self.max_steps if self.max_steps else 0.0)
        return max(0.0, min(progress / WARMUP, (1 - progress) / (1 - WARMUP)))


def _train(
    network: BertForMaskedLM | LSTMForMaskedLM,
    tokenizer: BertTokenizer,
    tokens: list[list[int]],
    schedule: _Schedule,
    batch_size: int,
    learning_rate: float,
    seed: int,
    progress: bool,
) -> None:
    optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=0.01)
    rng = np.random.default_rng(seed)
    mask = _masking(tokenizer, seed)
    batches = _batches(tokens, batch_size, tokenizer.model_max_length - 2, rng)
    network.train()
    schedule.started = time.monotonic()
    form = "text encoder {percentage:3.0f}%|{bar:20}| {elapsed} passed, {remaining} left{postfix}"
    interval = 0.5 if os.isatty(2) else 15
    with tqdm(total=1.0, bar_format=form, mininterval=interval, disable=not progress) as bar:
        while schedule.progress < 1:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate * schedule.learning_rate_factor
            logits, wanted = _guesses(network, mask(_with_ends(tokenizer, next(batches))))
            loss = torch.nn.functional.cross_entropy(logits, wanted)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            schedule.step += 1
            if progress:
                bar.set_postfix(step=schedule.step, loss=f"{loss.item():.2f}", refresh=False)
            bar.update(schedule.progress - bar.n)


def _batches(
    tokens: list[list[int]], batch_size: int, longest: int, rng: np.random.Generator
) -> Iterator[list[list[int]]]:
    """Windows of random length and place, since prompts are shorter than captions; each caption once per round."""
    while True:
        order = rng.permutation(len(tokens))
        for start in range(0, len(order), batch_size):
            batch = []
            for caption in (tokens[index] for index in order[start : start + batch_size]):
                most = min(longest, len(caption))
                length = int(rng.integers(min(SHORTEST_WINDOW, most), most + 1))
                begin = int(rng.integers(0, len(caption) - length + 1))
                batch.append(caption[begin : begin + length])
            yield batch


def _measure(
    network: BertForMaskedLM | LSTMForMaskedLM, tokenizer: BertTokenizer, tokens: list[list[int]], batch_size: int
) -> dict[str, float]:
    """Loss and accuracy of the masked tokens of captions; the same tokens are masked in every call."""
    mask = _masking(tokenizer, seed=0)
    network.eval()
    loss, right, count = 0.0, 0, 0
    for start in range(0, len(tokens), batch_size):
        batch = [caption[: tokenizer.model_max_length - 2] for caption in tokens[start : start + batch_size]]
        with torch.no_grad():
            logits, wanted = _guesses(network, mask(_with_ends(tokenizer, batch)))
        loss += float(torch.nn.functional.cross_entropy(logits, wanted, reduction="sum"))
        right += int((logits.argmax(1) == wanted).sum())
        count += len(wanted)
    return {"masked_loss": loss / max(count, 1), "masked_accuracy": right / max(count, 1)}


def _guesses(
    network: BertForMaskedLM | LSTMForMaskedLM, batch: dict[str, torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits ``(masked tokens, vocabulary)`` and ids ``(masked tokens,)``; no head is run on the tokens that are seen."""
    batch = {name: tensor.to(network.device) for name, tensor in batch.items()}
    hidden = network.base_model(batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state
    masked = batch["labels"] != -100
    return network.cls(hidden[masked]), batch["labels"][masked]


def _masking(tokenizer: BertTokenizer, seed: int) -> Any:
    from transformers import DataCollatorForLanguageModeling

    return DataCollatorForLanguageModeling(tokenizer, mlm_probability=MASKED_SHARE, seed=seed)


def _with_ends(tokenizer: BertTokenizer, batch: list[list[int]]) -> list[dict[str, list[int]]]:
    return [{"input_ids": [tokenizer.cls_token_id, *caption, tokenizer.sep_token_id]} for caption in batch]


def _token_ids(tokenizer: BertTokenizer, captions: Sequence[str]) -> list[list[int]]:
    return tokenizer(list(captions), add_special_tokens=False, verbose=False).input_ids


def _floor(tokens: list[list[int]], held_out: list[list[int]]) -> float:
    """Accuracy on held-out tokens of always guessing the commonest one of the training captions."""
    guess = np.bincount(np.concatenate(tokens).astype(np.int64)).argmax()
    return float((np.concatenate(held_out) == guess).mean())


def _bert(
    tokenizer: BertTokenizer, hidden_size: int, num_layers: int, num_heads: int, max_length: int
) -> BertForMaskedLM:
    from transformers import BertConfig, BertForMaskedLM

    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden_size,
        num_hidden_layers=num_layers,
        num_attention_heads=num_heads,
        intermediate_size=4 * hidden_size,
        max_position_embeddings=max_length,
        pad_token_id=tokenizer.pad_token_id,
    )
    return BertForMaskedLM(config)


def _lstm(tokenizer: BertTokenizer, hidden_size: int, num_layers: int) -> LSTMForMaskedLM:
    from .lstm import LSTMConfig, LSTMForMaskedLM

    config = LSTMConfig(
        vocab_size=len(tokenizer),
        embedding_size=hidden_size,
        hidden_size=hidden_size,
        num_hidden_layers=num_layers,
        bidirectional=True,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LSTMForMaskedLM(config)


def _encoder_of(network: BertForMaskedLM | LSTMForMaskedLM) -> PreTrainedModel:
    """The trained encoder as ``AutoModel`` builds it: BERT with a pooler, untrained, or loading would draw another each time."""
    model = cast("type[PreTrainedModel]", type(network.base_model))(network.config)
    model.load_state_dict(network.base_model.state_dict(), strict=False)
    return model.eval()


def _split(captions: Sequence[str], validation: Sequence[str] | None, seed: int) -> tuple[list[str], list[str]]:
    """Captions to train on and held-out ones, empty ones left out."""
    kept = [caption for caption in captions if caption.strip()]
    if validation is not None:
        return kept, [caption for caption in validation if caption.strip()]
    order = np.random.default_rng(seed).permutation(len(kept))
    count = max(1, round(HELD_OUT_SHARE * len(kept)))
    return [kept[index] for index in sorted(order[count:])], [kept[index] for index in sorted(order[:count])]


def _check(
    captions: Sequence[str],
    validation: Sequence[str] | None,
    hidden_size: int,
    num_heads: int,
    max_length: int,
    limits: tuple[int | None, float | None],
) -> None:
    for what, texts, least in (("captions", captions, 2), ("validation captions", validation, 1)):
        count = None if texts is None else sum(bool(text.strip()) for text in texts)
        if count is not None and count < least:
            raise SpriteError(
                f"{count} of the {len(texts or ())} {what} have text, but the text encoder needs {least} or more: give "
                "captions that are not empty."
            )
    if hidden_size % num_heads:
        raise SpriteError(
            f"the text encoder's width {hidden_size} is no multiple of its {num_heads} attention heads or directions: "
            "choose one that is."
        )
    if max_length < SHORTEST_WINDOW + 2:
        raise SpriteError(f"the text encoder's {max_length} tokens are too few: allow {SHORTEST_WINDOW + 2} or more.")
    steps, minutes = limits
    if (
        (steps is None and minutes is None)
        or (steps is not None and steps < 0)
        or (minutes is not None and minutes <= 0)
    ):
        raise SpriteError(
            f"the text encoder's training may last {steps} steps and {minutes} minutes: give steps of 0 or more, minutes "
            "above 0, or both."
        )


def _save(directory: Path, tokenizer: BertTokenizer, model: PreTrainedModel, facts: dict[str, Any]) -> None:
    with quiet_transformers():
        tokenizer.save_pretrained(directory)
        model.save_pretrained(directory)
    facts = facts | {"fingerprint": text_fingerprint(tokenizer, model)}
    (directory / FACTS_FILE).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
