"""LSTMs as transformers models: an encoder, a classifier and a masked language model.

One self-contained file: it is published beside the weights, so that they load with ``trust_remote_code=True`` where this
package is not installed.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence
from transformers import PreTrainedConfig, PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutputWithPooling, MaskedLMOutput, SequenceClassifierOutput

POOLINGS = ("last", "mean", "max", "mean_max", "attention")
HASH_FACTOR, HASH_PRIME = 1_000_003, 2**31 - 1
_SHARES = ("embedding_dropout", "input_dropout", "recurrent_dropout", "classifier_dropout")


class LSTMConfig(PreTrainedConfig):
    """Settings of an `LSTMModel`.

    Args:
        vocab_size: tokens of the vocabulary.
        embedding_size: width of the word vectors.
        bigram_buckets: vectors of pairs of neighbouring tokens, which share them by a hash
            (https://arxiv.org/abs/1607.01759, section 2.1); 0 is none.
        bigram_size: width of these vectors, which stand beside those of the words.
        hidden_size: width of the hidden states; with `bidirectional` half of it is of each direction.
        num_hidden_layers: LSTMs on top of one another.
        bidirectional: whether a second LSTM reads from the end.
        embedding_dropout: share of the words of the vocabulary that a batch is trained without
            (https://arxiv.org/abs/1512.05287, section 4.2).
        input_dropout: share of the inputs of each layer that are dropped, the same ones at all steps of a sequence
            (variational dropout; ``dropout`` of Keras' LSTM).
        recurrent_dropout: the same for the state that a layer hands to its next step.
        classifier_dropout: share of the pooled state that is dropped before it is classified.
        pooling: what becomes of the states of a sequence: the ``"last"`` one of each direction, their ``"mean"``, their
            ``"max"``, both of these (``"mean_max"``), or a mean weighted by a learned ``"attention"``
            (https://aclanthology.org/N16-1174, eq. 5 to 7).
        initializer_range: standard deviation of new word vectors.

    Raises:
        ValueError: a size below 1, an odd `hidden_size` of two directions, a share outside 0 to 1, an unknown pooling.
    """

    model_type = "lstm"

    vocab_size: int = 20_000
    embedding_size: int = 128
    bigram_buckets: int = 0
    bigram_size: int = 64
    hidden_size: int = 64
    num_hidden_layers: int = 1
    bidirectional: bool = False
    embedding_dropout: float = 0.0
    input_dropout: float = 0.0
    recurrent_dropout: float = 0.0
    classifier_dropout: float = 0.0
    pooling: str = "last"
    initializer_range: float = 0.05
    pad_token_id: int | None = 0
    eos_token_id: int | None = None
    tie_word_embeddings: bool = True

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        for name in ("vocab_size", "embedding_size", "bigram_size", "hidden_size", "num_hidden_layers"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` is {getattr(self, name)}, but must be 1 or more.")
        if self.bigram_buckets < 0:
            raise ValueError(f"`bigram_buckets` is {self.bigram_buckets}, but must be 0 (none) or more.")
        if self.bidirectional and self.hidden_size % 2:
            raise ValueError(
                f"`hidden_size` is {self.hidden_size}, but must be even: half of it is of each direction."
            )
        for name in _SHARES:
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"`{name}` is {getattr(self, name)}, but must be at least 0 and below 1.")
        if self.pooling not in POOLINGS:
            raise ValueError(f"`pooling` is {self.pooling!r}, but must be one of {', '.join(POOLINGS)}.")

    @property
    def input_size(self) -> int:
        """Width of what the first layer reads."""
        return self.embedding_size + (self.bigram_size if self.bigram_buckets else 0)

    @property
    def pooled_size(self) -> int:
        """Width of the pooled state."""
        return self.hidden_size * (2 if self.pooling == "mean_max" else 1)


class LSTMPreTrainedModel(PreTrainedModel):
    """What the models here share: how weights begin."""

    config_class = LSTMConfig
    base_model_prefix = "lstm"

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """As Keras' LSTM begins: Glorot for inputs and orthogonal for states, each over all four gates, and 1 for the biases of
        forget gates. 0 for bigrams.
        """
        if isinstance(module, _BigramEmbedding):
            init.zeros_(module.weight)  # a pair that training never saw adds nothing
            return
        if not isinstance(module, nn.LSTM):
            super()._init_weights(module)
            return
        for name, parameter in module.named_parameters():
            if getattr(parameter, "_is_hf_initialized", False):  # loaded
                continue
            if name.startswith("bias"):
                init.zeros_(parameter)
                if name.startswith("bias_ih"):
                    init.ones_(parameter.chunk(4)[1])  # input, forget, cell, output
            else:
                (init.orthogonal_ if name.startswith("weight_hh") else init.xavier_uniform_)(parameter)


class _BigramEmbedding(nn.Embedding):
    """Vectors of pairs of neighbouring tokens."""

    def buckets(self, input_ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Row ``(batch, length)`` of each token and the one before it, padding left out; of the first token, of 0 and it."""
        steps = torch.arange(input_ids.shape[1], device=input_ids.device)
        latest = torch.where(mask, steps, -1).cummax(dim=1).values  # the last token up to each step
        before = F.pad(latest, (1, -1), value=-1)
        previous = torch.where(before >= 0, input_ids.gather(1, before.clamp(min=0)), 0)
        return (previous * HASH_FACTOR + input_ids) * HASH_FACTOR % HASH_PRIME % self.num_embeddings


class LSTMModel(LSTMPreTrainedModel):
    """Word vectors and LSTMs (https://doi.org/10.1162/neco.1997.9.8.1735) over sequences of any padding.

    Padding changes nothing, wherever it is: sequences are packed, or read from their first token in each direction. Of a
    sequence of padding alone all states are 0.

    Args:
        config: settings.
    """

    def __init__(self, config: LSTMConfig):
        super().__init__(config)
        self.embeddings = nn.Embedding(config.vocab_size, config.embedding_size, padding_idx=config.pad_token_id)
        if config.bigram_buckets:
            self.bigrams = _BigramEmbedding(config.bigram_buckets, config.bigram_size)
        directions = 2 if config.bidirectional else 1
        self.layers = nn.ModuleList(
            nn.LSTM(
                config.hidden_size if layer else config.input_size,
                config.hidden_size // directions,
                batch_first=True,
                bidirectional=config.bidirectional,
            )
            for layer in range(config.num_hidden_layers)
        )
        if config.pooling == "attention":
            width = config.hidden_size
            self.pooler = nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 1, bias=False))
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        return self.embeddings

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.embeddings = cast(nn.Embedding, value)

    def embed(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None) -> torch.Tensor:
        """Vectors ``(batch, length, config.input_size)`` of ids ``(batch, length)``; in training without dropped words.

        Args:
            input_ids: ``(batch, length)``.
            attention_mask: as of `forward`.
        """
        vectors = self._look_up(self.embeddings, input_ids)
        if not self.config.bigram_buckets:
            return vectors
        buckets = self.bigrams.buckets(input_ids, self._mask(input_ids, attention_mask))
        return torch.cat([vectors, self._look_up(self.bigrams, buckets)], dim=2)

    def _look_up(self, embeddings: nn.Embedding, rows: torch.Tensor) -> torch.Tensor:
        vectors, share = embeddings(rows), self.config.embedding_dropout
        if not self.training or not share:
            return vectors
        return vectors * F.dropout(vectors.new_ones(embeddings.num_embeddings), share)[rows][..., None]

    def _mask(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None) -> torch.Tensor:
        """Where tokens are, ``(batch, length)``."""
        if attention_mask is not None:
            return attention_mask.bool()
        if self.config.pad_token_id is not None:
            return input_ids != self.config.pad_token_id
        return torch.ones_like(input_ids, dtype=torch.bool)

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        return_dict: bool = True,
        **kwargs: Any,
    ) -> BaseModelOutputWithPooling | tuple[torch.Tensor, torch.Tensor]:
        """Hidden states of sequences.

        Args:
            input_ids: ``(batch, length)``.
            attention_mask: ``(batch, length)``, 1 for tokens and 0 for padding, on any side; what is not the padding
                token if not given.
            inputs_embeds: ``(batch, length, config.input_size)``, instead of `input_ids`.

        Returns:
            ``last_hidden_state`` ``(batch, length, hidden_size)``, 0 at padding, and ``pooler_output``
            ``(batch, config.pooled_size)``.

        Raises:
            ValueError: not one of `input_ids` and `inputs_embeds`.
        """
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("Give either `input_ids` or `inputs_embeds`.")
        if input_ids is not None:
            input_ids = input_ids.long()  # a tokenizer makes floating-point numbers of no token at all
            attention_mask = self._mask(input_ids, attention_mask)
            inputs_embeds = self.embed(input_ids, attention_mask)
        assert inputs_embeds is not None
        shape = inputs_embeds.shape[:2]
        mask = inputs_embeds.new_ones(shape) if attention_mask is None else attention_mask
        states, pooled = self._encode(inputs_embeds, mask.bool())
        return BaseModelOutputWithPooling(states, pooled) if return_dict else (states, pooled)

    def _encode(self, vectors: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """States, and the pooled state, of word vectors ``(batch, length, width)`` and a mask ``(batch, length)``."""
        if not mask.any():
            zeros = vectors.new_zeros(len(mask), self.config.pooled_size)
            return vectors.new_zeros(*mask.shape, self.config.hidden_size), zeros
        order = mask.int().argsort(dim=1, descending=True, stable=True)  # tokens first, as they follow one another
        vectors, front = _reorder(vectors, order), mask.gather(1, order)
        lengths = mask.sum(1).clamp(min=1).cpu()  # nothing cannot be packed; what comes of it is masked
        for layer in self.layers:
            assert isinstance(layer, nn.LSTM)
            vectors = self._layer(layer, vectors, lengths)
        states = vectors * front[..., None]
        return _reorder(states, order.argsort(dim=1)), self._pool(states, front)

    def _layer(self, layer: nn.LSTM, inputs: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        config = self.config
        if self.training and config.input_dropout:
            inputs = inputs * F.dropout(inputs.new_ones(len(inputs), 1, inputs.shape[2]), config.input_dropout)
        dropped = self.training and config.recurrent_dropout
        if not dropped and torch.is_grad_enabled() and inputs.device.type == "cpu":
            return _run_padded(layer, inputs, lengths)
        packed = pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
        packed = _run_with_recurrent_dropout(layer, packed, config.recurrent_dropout) if dropped else layer(packed)[0]
        return pad_packed_sequence(packed, batch_first=True, total_length=inputs.shape[1])[0]

    def _pool(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """One vector of each sequence, whose tokens come first."""
        pooling, tokens = self.config.pooling, mask[..., None]
        if pooling == "last":
            last = (mask.sum(1) - 1).clamp(min=0)
            final = states[torch.arange(len(states), device=states.device), last]
            if not self.config.bidirectional:
                return final
            half = states.shape[2] // 2
            return torch.cat([final[:, :half], states[:, 0, half:]], dim=1)
        if pooling == "attention":
            scores = self.pooler(states).masked_fill(~tokens, torch.finfo(states.dtype).min)
            return (states * scores.softmax(1)).sum(1)
        mean = states.sum(1) / tokens.sum(1).clamp(min=1)
        if pooling == "mean":
            return mean
        highest = states.masked_fill(~tokens, -torch.inf).amax(1).masked_fill(~mask.any(1, keepdim=True), 0)
        return highest if pooling == "max" else torch.cat([mean, highest], dim=1)


class LSTMForSequenceClassification(LSTMPreTrainedModel):
    """An `LSTMModel` and a linear classifier of its pooled state: two classes are a sigmoid of the logits' difference.

    Args:
        config: settings; the classes are those of ``id2label``.
    """

    def __init__(self, config: LSTMConfig):
        super().__init__(config)
        self.lstm = LSTMModel(config)
        self.dropout = nn.Dropout(config.classifier_dropout)
        self.classifier = nn.Linear(config.pooled_size, cast(int, config.num_labels))
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """As in `LSTMPreTrainedModel`; Glorot for the classifier, which a small learning rate would take epochs to reach."""
        super()._init_weights(module)
        if module is self.classifier:
            init.xavier_uniform_(module.weight)

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        return_dict: bool = True,
        **kwargs: Any,
    ) -> SequenceClassifierOutput | tuple[torch.Tensor, ...]:
        """Logits ``(batch, num_labels)``, and with `labels` ``(batch,)`` their cross-entropy; see `LSTMModel.forward`."""
        pooled = self.lstm(input_ids, attention_mask, inputs_embeds).pooler_output
        logits = self.classifier(self.dropout(pooled))
        loss = None if labels is None else F.cross_entropy(logits, labels)
        if return_dict:
            return SequenceClassifierOutput(loss=loss, logits=logits)
        return (logits,) if loss is None else (loss, logits)


class LSTMForMaskedLM(LSTMPreTrainedModel):
    """An `LSTMModel` that guesses hidden tokens from both sides; its word vectors are also those of the guesses.

    Args:
        config: settings.
    """

    _tied_weights_keys = {"cls.decoder.weight": "lstm.embeddings.weight"}  # noqa: RUF012

    def __init__(self, config: LSTMConfig):
        super().__init__(config)
        self.lstm = LSTMModel(config)
        self.cls = _MaskedLMHead(config)
        self.post_init()

    def get_output_embeddings(self) -> nn.Module:
        return self.cls.decoder

    def set_output_embeddings(self, value: nn.Linear) -> None:
        self.cls.decoder = value

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        return_dict: bool = True,
        **kwargs: Any,
    ) -> MaskedLMOutput | tuple[torch.Tensor, ...]:
        """Logits ``(batch, length, vocab_size)``; their cross-entropy where `labels` ``(batch, length)`` is not -100."""
        logits = self.cls(self.lstm(input_ids, attention_mask, inputs_embeds).last_hidden_state)
        loss = None if labels is None else F.cross_entropy(logits.flatten(0, 1), labels.flatten())
        if return_dict:
            return MaskedLMOutput(loss=loss, logits=logits)
        return (logits,) if loss is None else (loss, logits)


class _MaskedLMHead(nn.Module):
    """Hidden states to logits of the vocabulary."""

    def __init__(self, config: LSTMConfig):
        super().__init__()
        self.transform = nn.Sequential(
            nn.Linear(config.hidden_size, config.embedding_size), nn.GELU(), nn.LayerNorm(config.embedding_size)
        )
        self.decoder = nn.Linear(config.embedding_size, config.vocab_size)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        return self.decoder(self.transform(states))


def _reorder(sequences: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
    """Steps of sequences ``(batch, length, width)`` in the order ``(batch, length)``."""
    return sequences.gather(1, order[..., None].expand(sequences.shape))


def _run_padded(layer: nn.LSTM, inputs: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """What `layer` makes of sequences ``(batch, length, width)`` of `lengths`, whose padding comes last; at padding, anything.

    On the CPU the backward pass of torch's LSTM of packed sequences fills a tensor of the whole batch at every step, and takes
    six times as long.
    """
    lengths, steps = lengths[:, None], torch.arange(inputs.shape[1])
    backwards = torch.where(steps < lengths, lengths - 1 - steps, steps)
    start = (inputs.new_zeros(1, len(inputs), layer.hidden_size),) * 2
    states = []
    for suffix in _directions(layer):
        given = _reorder(inputs, backwards) if suffix else inputs
        found = torch.lstm(given, start, _weights(layer, suffix), True, 1, 0.0, True, False, True)[0]
        states.append(_reorder(found, backwards) if suffix else found)
    return torch.cat(states, dim=2)


def _directions(layer: nn.LSTM) -> tuple[str, ...]:
    """What the names of the weights of each direction end in."""
    return ("", "_reverse") if layer.bidirectional else ("",)


def _weights(layer: nn.LSTM, suffix: str) -> list[torch.Tensor]:
    return [getattr(layer, f"{name}_l0{suffix}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]


def _run_with_recurrent_dropout(layer: nn.LSTM, packed: PackedSequence, share: float) -> PackedSequence:
    """What `layer` makes of sequences when each loses a share of its state, the same units at all of its steps.

    torch's own LSTM has no place for such a mask between the steps.
    """
    states = [_recurrence(layer, packed, suffix, share) for suffix in _directions(layer)]
    return PackedSequence(torch.cat(states, dim=1), packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)


def _recurrence(layer: nn.LSTM, packed: PackedSequence, suffix: str, share: float) -> torch.Tensor:
    """States ``(tokens, hidden_size)`` of one direction, in the order of ``packed.data``."""
    weights = _weights(layer, suffix)
    from_input, from_state = weights[0], weights[1].t()
    counts = packed.batch_sizes.tolist()  # of sequences that have a token at each step, falling
    gates = F.linear(packed.data, from_input, weights[2] + weights[3]).split(counts)
    width = layer.hidden_size
    kept = F.dropout(packed.data.new_ones(counts[0], width), share)
    backwards = bool(suffix)
    state = cell = packed.data.new_zeros(counts[-1] if backwards else counts[0], width)
    states: list[torch.Tensor] = []
    for step in reversed(range(len(counts))) if backwards else range(len(counts)):
        count = counts[step]
        if count > len(state):  # sequences whose last token this is
            new = state.new_zeros(count - len(state), width)
            state, cell = torch.cat([state, new]), torch.cat([cell, new])
        state, cell = state[:count], cell[:count]
        total = torch.addmm(gates[step], state * kept[:count], from_state)
        enter, forget, candidate, leave = total.chunk(4, dim=1)
        cell = forget.sigmoid() * cell + enter.sigmoid() * candidate.tanh()
        state = leave.sigmoid() * cell.tanh()
        states.append(state)
    return torch.cat(states[::-1] if backwards else states)


# Code and names of the classes that a folder of weights carries with it.
LSTMConfig.register_for_auto_class()
LSTMModel.register_for_auto_class("AutoModel")
LSTMForSequenceClassification.register_for_auto_class("AutoModelForSequenceClassification")
LSTMForMaskedLM.register_for_auto_class("AutoModelForMaskedLM")
