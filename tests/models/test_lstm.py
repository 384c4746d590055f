"""LSTMs: padding changes nothing, dropout is what it says, and folders load by the Auto classes, with this package or without."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    dynamic_module_utils,
)

from sprite_diffusers import LSTMConfig, LSTMForMaskedLM, LSTMForSequenceClassification, LSTMModel
from sprite_diffusers.models import load_text_encoder, lstm, train_text_encoder
from sprite_diffusers.pipelines.sprite_io import encode_prompts

WORDS = 40
SHAPES = [
    {"pooling": "last"},
    {"pooling": "last", "bidirectional": True, "num_hidden_layers": 2},
    {"pooling": "mean"},
    {"pooling": "max", "bidirectional": True},
    {"pooling": "mean_max"},
    {"pooling": "attention", "bidirectional": True},
    {"pooling": "mean", "bidirectional": True, "bigram_buckets": 50, "bigram_size": 3},
]


def config(**options) -> LSTMConfig:
    return LSTMConfig(**{"vocab_size": WORDS, "embedding_size": 6, "hidden_size": 8, **options})


def build(model_class: type = LSTMModel, **options):
    torch.manual_seed(0)
    model = model_class(config(**options)).eval()
    if options.get("bigram_buckets"):  # which begin at 0
        torch.nn.init.normal_(model.base_model.bigrams.weight)
    return model


def ids(*lengths: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randint(1, WORDS, (length,), generator=generator) for length in lengths]


# ---- padding --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", SHAPES, ids=lambda options: "-".join(map(str, options.values())))
def test_padding_changes_nothing_wherever_it_is(options):
    model = build(**options)
    tokens = ids(5, 3, 1)
    batch = torch.zeros(4, 7, dtype=torch.int64)
    places = [torch.tensor([0, 1, 2, 3, 4]), torch.tensor([4, 5, 6]), torch.tensor([3])]  # right, left, both sides
    for row, (words, place) in enumerate(zip(tokens, places, strict=True)):
        batch[row, place] = words
    together = model(batch)
    assert together.last_hidden_state.shape == (4, 7, 8)
    assert together.pooler_output.shape == (4, model.config.pooled_size)
    for row, (words, place) in enumerate(zip(tokens, places, strict=True)):
        alone = model(words[None])
        assert torch.allclose(together.last_hidden_state[row, place], alone.last_hidden_state[0], atol=1e-6)
        assert torch.allclose(together.pooler_output[row], alone.pooler_output[0], atol=1e-6)
    padding = batch == 0
    assert not together.last_hidden_state[padding].any()
    assert not together.pooler_output[3].any()  # of padding alone
    by_mask = model(batch, attention_mask=(~padding).long())
    assert torch.equal(by_mask.last_hidden_state, together.last_hidden_state)


def test_texts_of_no_token_have_states_of_zero():
    model = build(LSTMForSequenceClassification, pooling="mean_max")
    assert not model.lstm(torch.zeros(2, 3, dtype=torch.int64)).pooler_output.any()
    empty = model(torch.zeros(2, 0))  # floats: what a tokenizer makes of two empty texts
    assert torch.equal(empty.logits, model.classifier.bias.expand(2, 2))


def test_what_is_pooled():
    model = build(pooling="last", bidirectional=True)
    (words,) = ids(6)
    output = model(words[None])
    states = output.last_hidden_state[0]
    assert torch.equal(output.pooler_output[0], torch.cat([states[-1, :4], states[0, 4:]]))
    model.config.pooling = "mean_max"
    assert torch.allclose(model(words[None]).pooler_output[0], torch.cat([states.mean(0), states.amax(0)]))


def test_it_is_the_lstm_of_torch():
    model = build(bidirectional=True, pooling="mean")
    (words,) = ids(6)
    expected, _ = model.layers[0](model.embeddings(words[None]))
    assert torch.equal(model(words[None]).last_hidden_state, expected)


# ---- dropout --------------------------------------------------------------------------------------------------------


def keep_all(monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    """Masks of dropout are ones; returns the shapes that were asked for."""
    shapes: list[tuple] = []

    def ones(tensor: torch.Tensor, p: float) -> torch.Tensor:
        shapes.append(tuple(tensor.shape))
        return tensor

    monkeypatch.setattr(lstm.F, "dropout", ones)
    return shapes


@pytest.mark.parametrize("options", SHAPES, ids=lambda options: "-".join(map(str, options.values())))
def test_gradients_of_padded_sequences_are_those_of_packed_ones(options, monkeypatch):
    model = build(**options)
    batch = torch.nn.utils.rnn.pad_sequence(ids(3, 6, 1, 6), batch_first=True)
    with torch.no_grad():  # packed
        expected = model(batch)
    found = model(batch)
    torch.testing.assert_close(found.last_hidden_state, expected.last_hidden_state)
    torch.testing.assert_close(found.pooler_output, expected.pooler_output)
    weights = [*model.layers.parameters(), model.embeddings.weight]
    gradients = torch.autograd.grad(found.pooler_output.square().sum(), weights)
    monkeypatch.setattr(lstm, "_run_padded", packed)
    wanted = torch.autograd.grad(model(batch).pooler_output.square().sum(), weights)
    torch.testing.assert_close(gradients, wanted)


def packed(layer: torch.nn.LSTM, inputs: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    sequences = lstm.pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
    return lstm.pad_packed_sequence(layer(sequences)[0], batch_first=True, total_length=inputs.shape[1])[0]


@pytest.mark.parametrize("bidirectional", [False, True])
def test_steps_with_recurrent_dropout_are_those_of_torch(bidirectional, monkeypatch):
    model = build(bidirectional=bidirectional, recurrent_dropout=0.5)
    batch = torch.nn.utils.rnn.pad_sequence(ids(3, 6, 1, 6), batch_first=True)
    expected = model(batch).last_hidden_state
    shapes = keep_all(monkeypatch)
    found = model.train()(batch).last_hidden_state
    assert shapes == ([(4, 4)] * 2 if bidirectional else [(4, 8)])  # one mask for a sequence and direction
    assert torch.allclose(found, expected, atol=1e-6)


def test_recurrent_dropout_spares_the_first_step():
    model = build(recurrent_dropout=0.5)
    (words,) = ids(4)
    expected = model(words[None]).last_hidden_state[0]
    found = model.train()(words[None]).last_hidden_state[0]
    assert torch.allclose(found[0], expected[0], atol=1e-6)
    assert not torch.allclose(found[1:], expected[1:], atol=1e-3)


def test_input_dropout_takes_the_same_units_at_all_steps(monkeypatch):
    model = build(input_dropout=0.5, num_hidden_layers=2).train()
    seen = []
    monkeypatch.setattr(lstm, "_run_padded", lambda layer, inputs, lengths: seen.append(inputs) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        model(torch.nn.utils.rnn.pad_sequence(ids(5, 5), batch_first=True))
    gone = (seen[0] == 0).all(dim=1)
    assert torch.equal(seen[0] == 0, gone[:, None].expand(seen[0].shape))
    assert 0 < gone.sum() < gone.numel()


def test_embedding_dropout_takes_whole_words_everywhere():
    model = build(embedding_dropout=0.5).train()
    words = torch.arange(1, WORDS).repeat(2, 1)
    vectors = model.embed(words)
    gone = (vectors == 0).all(dim=2)
    assert torch.equal(gone, (vectors == 0).any(dim=2))
    assert torch.equal(gone[0], gone[1])
    assert 0.2 < gone.float().mean() < 0.8
    assert torch.allclose(vectors[~gone], 2 * model.embeddings(words)[~gone])


def test_in_evaluation_nothing_is_dropped():
    shares = {"embedding_dropout": 0.5, "input_dropout": 0.5, "recurrent_dropout": 0.5, "classifier_dropout": 0.5}
    plain, dropping = build(LSTMForSequenceClassification), build(LSTMForSequenceClassification, **shares)
    (words,) = ids(6)
    assert torch.equal(plain(words[None]).logits, dropping(words[None]).logits)


def test_bigrams_add_what_a_word_and_the_one_before_it_mean_together():
    model = build(bigram_buckets=997, bigram_size=3)
    words = torch.tensor([[5, 6, 7, 5, 6], [6, 5, 9, 6, 7]])
    vectors = model.embed(words)
    assert vectors.shape == (2, 5, 9) == (*words.shape, model.config.input_size)
    assert torch.equal(vectors[..., :6], model.embeddings(words))
    pairs = vectors[..., 6:]
    assert torch.equal(pairs[0, 1], pairs[0, 4])  # 5 6
    assert torch.equal(pairs[0, 2], pairs[1, 4])  # 6 7
    assert not torch.equal(pairs[0, 1], pairs[1, 1])  # 5 6, 6 5
    assert not torch.equal(pairs[0, 0], pairs[0, 3])  # a first 5, and one after 7
    assert len(pairs.flatten(0, 1).unique(dim=0)) == 8


def test_bigrams_spread_over_their_buckets():
    model = build(vocab_size=30_000, bigram_buckets=1_000, bigram_size=1)
    words = torch.randint(1, 30_000, (100, 1_000), generator=torch.Generator().manual_seed(0))
    rows = model.bigrams.buckets(words, torch.ones_like(words, dtype=torch.bool))
    counts = torch.bincount(rows.flatten(), minlength=1_000).double()
    assert counts.std() == pytest.approx(10, rel=0.1)  # of 100 each, as by chance
    assert len(counts) == 1_000


# ---- beginnings, losses ---------------------------------------------------------------------------------------------


def test_weights_begin_as_in_keras():
    model = build(hidden_size=16)
    layer = model.layers[0]
    assert layer.bias_ih_l0.reshape(4, 16).sum(1).tolist() == [0, 16, 0, 0]
    assert not layer.bias_hh_l0.any()
    states, inputs = layer.weight_hh_l0, layer.weight_ih_l0  # each a matrix of all four gates, there as here
    assert torch.allclose(states.T @ states, torch.eye(16), atol=1e-5)
    limit = (6 / (6 + 4 * 16)) ** 0.5
    assert 0.95 * limit < inputs.abs().max() <= limit
    assert not model.embeddings.weight[0].any()
    assert not LSTMModel(config(bigram_buckets=5)).bigrams.weight.any()


def test_the_classifier_begins_as_in_keras_too():
    weight = build(LSTMForSequenceClassification, hidden_size=64).classifier.weight
    limit = (6 / (64 + 2)) ** 0.5
    assert 0.95 * limit < weight.abs().max() <= limit


def test_losses_reach_every_weight():
    (words,) = ids(6)
    classifier = build(LSTMForSequenceClassification, pooling="attention", bidirectional=True).train()
    output = classifier(words[None], labels=torch.tensor([1]))
    assert output.loss.item() == pytest.approx(-output.logits.log_softmax(1)[0, 1].item())
    output.loss.backward()
    assert all(parameter.grad is not None for parameter in classifier.parameters())
    guesser = build(LSTMForMaskedLM).train()
    labels = torch.where(torch.arange(6) == 2, words, -100)[None]
    output = guesser(words[None], labels=labels)
    assert output.logits.shape == (1, 6, WORDS)
    assert output.loss.item() == pytest.approx(-output.logits.log_softmax(2)[0, 2, words[2]].item(), rel=1e-5)
    assert guesser.cls.decoder.weight is guesser.lstm.embeddings.weight


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"hidden_size": 0}, "`hidden_size` is 0"),
        ({"hidden_size": 7, "bidirectional": True}, "must be even"),
        ({"recurrent_dropout": 1.0}, "`recurrent_dropout` is 1.0"),
        ({"bigram_buckets": -1}, "`bigram_buckets` is -1"),
        ({"pooling": "first"}, "one of last, mean, max, mean_max, attention"),
    ],
)
def test_settings_that_cannot_be_are_refused(options, named):
    with pytest.raises(ValueError, match=named):
        config(**options)
    with pytest.raises(ValueError, match="either"):
        build()()


# ---- folders --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model_class", "auto_class"),
    [
        (LSTMModel, AutoModel),
        (LSTMForSequenceClassification, AutoModelForSequenceClassification),
        (LSTMForMaskedLM, AutoModelForMaskedLM),
    ],
)
def test_folders_load_by_the_auto_classes(model_class, auto_class, tmp_path):
    model = build(model_class, bidirectional=True, pooling="attention")
    model.save_pretrained(tmp_path)
    assert type(AutoConfig.from_pretrained(tmp_path)) is LSTMConfig
    loaded, report = auto_class.from_pretrained(tmp_path, output_loading_info=True)
    assert type(loaded) is model_class
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    state = loaded.state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in model.state_dict().items())


def test_a_folder_has_code_that_needs_no_more_than_transformers(tmp_path, monkeypatch):
    """What ``trust_remote_code=True`` runs where this package is not installed."""
    model = build(LSTMForSequenceClassification, pooling="max")
    model.save_pretrained(tmp_path)
    named = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))["auto_map"]
    assert named["AutoConfig"] == "lstm.LSTMConfig"
    assert set(dynamic_module_utils.get_imports(tmp_path / "lstm.py")) == {
        "__future__",
        "torch",
        "transformers",
        "typing",
    }
    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    found = dynamic_module_utils.get_class_from_dynamic_module(
        named["AutoModelForSequenceClassification"], str(tmp_path)
    )
    assert found is not LSTMForSequenceClassification
    (words,) = ids(6)
    assert torch.equal(found.from_pretrained(tmp_path).eval()(words[None]).logits, model(words[None]).logits)


# ---- as a text encoder ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("encoder")
    captions = [f"a {size} {color} bird" for size in ("small", "big") for color in ("red", "blue", "green")] * 4
    result = train_text_encoder(
        captions, folder, architecture="lstm", hidden_size=16, num_layers=1, max_length=12, max_train_steps=60,
        batch_size=8, learning_rate=1e-2, progress=False,
    )  # fmt: skip
    assert isinstance(result.model, LSTMModel)
    assert result.metrics["masked_loss"] < 0.8 * result.metrics["masked_loss_before"]
    return folder


def test_as_a_text_encoder_it_gives_states_and_a_mask(encoder_folder):
    tokenizer, encoder = load_text_encoder(encoder_folder)
    assert isinstance(encoder, LSTMModel)
    states, mask = encode_prompts(tokenizer, encoder, ["a small red bird", ""], 12, "cpu")
    assert states.shape == (2, 12, encoder.config.hidden_size)
    assert mask.sum(1).tolist() == [6, 2]
    assert not states[mask == 0].any()
    other, _ = encode_prompts(tokenizer, encoder, ["a small blue bird"], 12, "cpu")
    change = (other[0] - states[0]).abs().amax(1)
    assert change[3] > 0.02  # the other word
    assert change[4] > 1e-4  # the one before which it stands
