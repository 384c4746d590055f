"""Text encoders: trained here, loaded from folders, told apart, and asked for the states of prompts."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    AutoModel,
    AutoTokenizer,
    BertConfig,
    BertModel,
    BertTokenizer,
    CLIPConfig,
    CLIPModel,
    CLIPTextModel,
    T5Config,
    T5EncoderModel,
    T5Model,
)

from sprite_diffusers.errors import SpriteError
from sprite_diffusers.models import TextTrainingResult, load_text_encoder, text_fingerprint, train_text_encoder
from sprite_diffusers.models.text_training import start_from_company, train_wordpiece
from sprite_diffusers.pipelines.sprite_io import encode_prompts

COLORS = {"red": "fire", "blue": "water", "green": "grass", "grey": "rock"}
TINY = {"hidden_size": 32, "num_layers": 1, "num_heads": 2, "max_length": 32, "batch_size": 16, "progress": False}


def captions(count: int = 120, seed: int = 0) -> list[str]:
    """The colour tells the type: something to learn for masked language modelling."""
    rng = np.random.default_rng(seed)
    lines = []
    for _ in range(count):
        color = rng.choice(list(COLORS))
        animal = rng.choice(["lizard", "turtle", "bird", "mouse", "Pokémon"])
        size = rng.choice(["small", "big", "tall"])
        lines.append(f"A {size} {color} {animal}. primary type is {COLORS[color]}.")
    return lines


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> TextTrainingResult:
    folder = tmp_path_factory.mktemp("text")
    return train_text_encoder(captions(), folder, max_train_steps=250, learning_rate=3e-3, **TINY)


@pytest.fixture
def folder(trained, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(trained.directory, tmp_path / "encoder"))


def bert(vocabulary: int, width: int = 16) -> BertModel:
    torch.manual_seed(0)
    config = BertConfig(vocab_size=vocabulary, hidden_size=width, num_hidden_layers=1, num_attention_heads=2,
                        intermediate_size=32, max_position_embeddings=32)  # fmt: skip
    return BertModel(config).eval()


def clip(vocabulary: int) -> CLIPModel:
    torch.manual_seed(0)
    text = {"vocab_size": vocabulary, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1,
            "num_attention_heads": 2, "max_position_embeddings": 20, "bos_token_id": 2, "eos_token_id": 3}  # fmt: skip
    vision = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
              "image_size": 8, "patch_size": 4}  # fmt: skip
    return CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=8)).eval()


# ---- training -------------------------------------------------------------------------------------------------------


def test_training_learns_what_the_captions_say(trained):
    metrics = trained.metrics
    assert metrics["steps"] == 250
    assert metrics["masked_accuracy_before"] < 0.2
    assert metrics["masked_accuracy"] > metrics["masked_accuracy_floor"] + 0.3
    assert metrics["masked_loss"] < 0.5 * metrics["masked_loss_before"]
    assert metrics["vocab_size"] == len(trained.tokenizer)
    facts = json.loads((trained.directory / "training_facts.json").read_text(encoding="utf-8"))
    assert facts["masked_accuracy"] == metrics["masked_accuracy"]
    assert (facts["captions"], facts["held_out_captions"]) == (108, 12)
    assert facts["fingerprint"] == text_fingerprint(trained.tokenizer, trained.model)


def test_its_folder_is_one_of_the_auto_classes(trained, caplog):
    tokenizer = AutoTokenizer.from_pretrained(trained.directory)
    model, report = AutoModel.from_pretrained(trained.directory, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    assert isinstance(model, BertModel)
    assert (tokenizer.model_max_length, model.config.max_position_embeddings) == (32, 32)
    assert text_fingerprint(tokenizer, model) == text_fingerprint(trained.tokenizer, trained.model)
    for prompts in (["a small red lizard"], ["", "火 Évoli"]):
        expected, _ = encode_prompts(trained.tokenizer, trained.model, prompts, 32, "cpu")
        found, _ = encode_prompts(tokenizer, model.eval(), prompts, 32, "cpu")
        assert torch.equal(found, expected)


def test_the_same_seed_gives_the_same_weights(tmp_path):
    runs = [
        train_text_encoder(captions(), tmp_path / name, max_train_steps=3, seed=seed, **TINY)
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    ]
    states = [run.model.state_dict() for run in runs]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert {name: value for name, value in runs[0].metrics.items() if name != "seconds"} == {
        name: value for name, value in runs[1].metrics.items() if name != "seconds"
    }
    prints = [text_fingerprint(run.tokenizer, run.model) for run in runs]
    assert prints[0] == prints[1] != prints[2]


def test_training_leaves_the_random_state_alone(tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train_text_encoder(captions(20), tmp_path, max_train_steps=1, **TINY)
    assert torch.equal(torch.rand(3), expected)


def test_minutes_end_a_training_and_validation_captions_are_used(tmp_path):
    run = train_text_encoder(captions(20), tmp_path, max_train_minutes=0.003, validation=captions(7, seed=1), **TINY)
    assert run.metrics["steps"] >= 1
    facts = json.loads((tmp_path / "training_facts.json").read_text(encoding="utf-8"))
    assert (facts["captions"], facts["held_out_captions"]) == (20, 7)


def test_no_step_leaves_the_network_as_it_starts(tmp_path):
    metrics = train_text_encoder(captions(20), tmp_path, max_train_steps=0, **TINY).metrics
    assert metrics["steps"] == 0
    assert metrics["masked_loss"] == metrics["masked_loss_before"]


def test_long_captions_are_seen_to_their_end(tmp_path, monkeypatch):
    from sprite_diffusers.models import text_training

    seen: set[int] = set()
    guesses = text_training._guesses
    monkeypatch.setattr(
        text_training,
        "_guesses",
        lambda network, batch: (seen.update(batch["labels"].flatten().tolist()), guesses(network, batch))[1],
    )
    texts = [" ".join(["start"] * 40 + ["finish"] * 40)] * 8
    run = train_text_encoder(texts, tmp_path, max_train_steps=20, validation=texts[:1], **TINY)
    assert {run.tokenizer.convert_tokens_to_ids(word) for word in ("start", "finish")} <= seen


def test_words_of_the_same_company_start_alike():
    rng = np.random.default_rng(0)
    topics = (["red", "hot", "fire", "flame", "ember"], ["blue", "wet", "water", "wave", "fin"])
    texts = [" ".join(rng.choice(topic, 6)) for topic in topics for _ in range(40)]
    tokenizer = train_wordpiece(texts, 8000, 32)
    torch.manual_seed(0)
    vectors = torch.full((len(tokenizer), 8), 0.5)
    start_from_company(vectors, tokenizer(texts, add_special_tokens=False).input_ids)
    words = vectors[tokenizer.convert_tokens_to_ids(topics[0] + topics[1])]
    assert words.norm(dim=1).tolist() == pytest.approx([0.05 * 8**0.5] * 10)
    likeness = torch.nn.functional.cosine_similarity(words[:, None], words[None], dim=2)
    assert likeness[:5, :5].mean() > likeness[:5, 5:].mean() + 0.3
    assert (vectors[tokenizer.mask_token_id] == 0.5).all()


@pytest.mark.parametrize(
    ("texts", "options", "named"),
    [
        (["", "  "], {"max_train_steps": 1}, "0 of the 2 captions"),
        (captions(4), {"max_train_steps": 1, "validation": [""]}, "0 of the 1 validation captions"),
        (captions(4), {}, "may last None steps and None minutes"),
        (captions(4), {"max_train_steps": -1}, "may last -1 steps"),
        (captions(4), {"max_train_steps": 1, "max_train_minutes": 0}, "and 0 minutes"),
        (captions(4), {"max_train_steps": 1, "hidden_size": 30, "num_heads": 4}, "30 is no multiple of its 4"),
        (captions(4), {"max_train_steps": 1, "max_length": 4}, "4 tokens are too few"),
    ],
)
def test_bad_settings_are_refused_before_anything_is_written(texts, options, named, tmp_path):
    with pytest.raises(SpriteError) as error:
        train_text_encoder(texts, tmp_path / "out", **(TINY | options))
    assert named in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


# ---- vocabulary -----------------------------------------------------------------------------------------------------


def test_unseen_words_are_split_into_pieces():
    tokenizer = train_wordpiece(captions(), 8000, 32)
    assert tokenizer.tokenize("Small LIZARD pokemon") == ["small", "lizard", "pokemon"]
    pieces = tokenizer.tokenize("smallizard")
    assert len(pieces) > 1
    assert tokenizer.unk_token not in pieces
    assert "".join(piece.removeprefix("##") for piece in pieces) == "smallizard"
    assert tokenizer.tokenize("火") == ["[UNK]"]
    assert tokenizer.convert_tokens_to_ids(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]) == [0, 1, 2, 3, 4]


def test_the_vocabulary_is_no_larger_than_asked():
    assert len(train_wordpiece(captions(), 60, 32)) == 60


def test_the_vocabulary_is_always_the_same():
    """The library's own order is that of a hash table, seeded anew for each: five trainings give five vocabularies."""
    expected = train_wordpiece(captions(), 60, 32).get_vocab()
    for _ in range(4):
        assert train_wordpiece(captions(), 60, 32).get_vocab() == expected


# ---- loading --------------------------------------------------------------------------------------------------------


def test_a_folder_is_loaded_quietly_and_ready_to_use(trained, capfd, caplog):
    tokenizer, model = load_text_encoder(trained.directory)
    assert not model.training
    assert text_fingerprint(tokenizer, model) == text_fingerprint(trained.tokenizer, trained.model)
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


def test_the_layout_of_bert_mini(trained, tmp_path):
    """``vocab.txt`` and weights under the names of pretraining, as on the Hub; without a pooler, a fixed one."""
    model = bert(len(trained.tokenizer))
    words = sorted(trained.tokenizer.get_vocab().items(), key=lambda entry: entry[1])
    (tmp_path / "vocab.txt").write_text("".join(f"{word}\n" for word, _ in words), encoding="utf-8")
    model.config.save_pretrained(tmp_path)
    weights = {f"bert.{name}": tensor for name, tensor in model.state_dict().items() if "pooler" not in name}
    torch.save({**weights, "cls.predictions.bias": torch.zeros(len(words))}, tmp_path / "pytorch_model.bin")
    state = torch.get_rng_state()
    (tokenizer, loaded), (_, again) = load_text_encoder(tmp_path), load_text_encoder(tmp_path)
    assert torch.equal(torch.get_rng_state(), state)
    assert tokenizer.get_vocab() == trained.tokenizer.get_vocab()
    states = [encode_prompts(tokenizer, encoder, ["a red bird"], 32, "cpu")[0] for encoder in (model, loaded)]
    assert torch.equal(*states)
    assert text_fingerprint(tokenizer, loaded) == text_fingerprint(tokenizer, again)


def test_of_clip_the_text_half_is_taken(trained, tmp_path):
    model = clip(len(trained.tokenizer))
    model.save_pretrained(tmp_path)
    trained.tokenizer.save_pretrained(tmp_path)
    tokenizer, encoder = load_text_encoder(tmp_path)
    assert isinstance(encoder, CLIPTextModel)
    states, mask = encode_prompts(tokenizer, encoder, ["a red bird", ""], 32, "cpu")
    assert states.shape == (2, 20, 16)  # CLIP's own limit, not 32
    assert mask.sum(1).tolist() == [5, 2]
    ids = torch.tensor([tokenizer("a red bird").input_ids])
    assert torch.allclose(states[0, :5], model.text_model(ids).last_hidden_state[0], atol=1e-5)


def test_of_an_encoder_decoder_the_encoder_is_taken(trained, tmp_path):
    config = T5Config(vocab_size=len(trained.tokenizer), d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2,
                      decoder_start_token_id=0)  # fmt: skip
    T5Model(config).save_pretrained(tmp_path)
    trained.tokenizer.save_pretrained(tmp_path)
    tokenizer, encoder = load_text_encoder(tmp_path)
    assert isinstance(encoder, T5EncoderModel)
    assert encode_prompts(tokenizer, encoder, ["a red bird"], 12, "cpu")[0].shape == (1, 12, 16)


def test_a_pipeline_gives_its_text_encoder(trained, tmp_path):
    trained.tokenizer.save_pretrained(tmp_path / "tokenizer")
    trained.model.save_pretrained(tmp_path / "text_encoder")
    expected = text_fingerprint(trained.tokenizer, trained.model)
    assert text_fingerprint(*load_text_encoder(tmp_path)) == expected


def check_refused(source: str | Path, named: str) -> None:
    with pytest.raises(SpriteError) as error:
        load_text_encoder(source)
    assert named in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("source", ["prajjwal1/no-such-bert", "no/such/folder", "."])
def test_what_cannot_be_had_names_the_alternatives(source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_refused(source, f"the text encoder {source!r} cannot be loaded")
    check_refused(source, "'train' to train one on the captions")


def test_train_is_no_folder():
    check_refused("train", "'train' is trained on captions, not loaded")


def test_broken_folders_are_refused(folder):
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:100])
    check_refused(folder, "cannot be loaded")
    weights.unlink()
    check_refused(folder, "cannot be loaded")


def test_a_folder_without_vocabulary_is_refused(folder):
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").unlink()
    check_refused(folder, "has no vocabulary")


def test_a_vocabulary_of_another_encoder_is_refused(folder, trained):
    bert(20).save_pretrained(folder)
    check_refused(folder, f"has ids up to {len(trained.tokenizer) - 1}, but its encoder knows 20 tokens")


def test_missing_weights_are_refused(folder, trained):
    BertModel(trained.model.config).save_pretrained(
        folder, state_dict={name: value for name, value in trained.model.state_dict().items() if "layer.0" not in name}
    )
    check_refused(folder, "lacks 16 of its weights (e.g. encoder.layer.0.")


# ---- telling them apart ---------------------------------------------------------------------------------------------


def test_the_fingerprint_is_of_weights_and_vocabulary(trained):
    whole = text_fingerprint(trained.tokenizer, trained.model)
    _, half = load_text_encoder(trained.directory)
    assert text_fingerprint(trained.tokenizer, half.half()) == whole
    with torch.no_grad():
        half.embeddings.LayerNorm.weight[0] *= -1
    assert text_fingerprint(trained.tokenizer, half) != whole
    vocabulary = trained.tokenizer.get_vocab()
    vocabulary["red"], vocabulary["blue"] = vocabulary["blue"], vocabulary["red"]
    assert text_fingerprint(BertTokenizer(vocab=vocabulary), trained.model) != whole


# ---- prompts --------------------------------------------------------------------------------------------------------


def test_states_and_masks_of_prompts(trained):
    prompts = ["a small red lizard", "", "火 🐉 naïve", "A SMALL red   lizard"]
    states, mask = encode_prompts(trained.tokenizer, trained.model, prompts, 16, "cpu")
    assert states.shape == (4, 16, 32)
    assert mask.dtype == torch.int64
    assert mask.sum(1).tolist()[:2] == [6, 2]
    assert torch.equal(states[0], states[3])
    alone, alone_mask = encode_prompts(trained.tokenizer, trained.model, prompts[:1], 16, "cpu")
    assert torch.allclose(alone[0], states[0], atol=1e-5)
    assert torch.equal(alone_mask[0], mask[0])
    assert torch.isfinite(states).all()


def test_words_change_the_states_and_padding_does_not(trained):
    first, _ = encode_prompts(trained.tokenizer, trained.model, ["a red bird", "a blue bird"], 16, "cpu")
    assert (first[0, :5] - first[1, :5]).abs().max() > 0.1
    longer, _ = encode_prompts(trained.tokenizer, trained.model, ["a red bird"], 32, "cpu")
    assert torch.allclose(longer[0, :5], first[0, :5], atol=1e-5)


def test_gradients_reach_the_encoder(trained, folder):
    tokenizer, model = load_text_encoder(folder)
    encode_prompts(tokenizer, model, ["a red bird"], 16, "cpu")[0].sum().backward()
    assert model.embeddings.word_embeddings.weight.grad.abs().sum() > 0


def test_a_long_prompt_is_cut_with_one_warning_that_shows_the_cut(trained, caplog):
    long = "a small red lizard " * 2 + "with a Blue Turtle"
    with caplog.at_level(logging.WARNING):
        _, mask = encode_prompts(trained.tokenizer, trained.model, [long, "a red bird"], 12, "cpu")
    assert mask.sum(1).tolist() == [12, 5]
    assert len(caplog.records) == 1
    message = caplog.records[0].getMessage()
    assert message.startswith("1 of 2 prompts have more than 12 tokens")
    assert "small red lizard" not in message
    assert message.endswith("Cut off: 'Blue Turtle'.")


def test_many_long_prompts_are_one_warning_too(trained, caplog):
    with caplog.at_level(logging.WARNING):
        encode_prompts(trained.tokenizer, trained.model, ["a red bird " * 300 + "tail"] * 5, 128, "cpu")
    assert len(caplog.records) == 1
    message = caplog.records[0].getMessage()
    assert message.startswith("5 of 5 prompts have more than 32 tokens")
    assert message.endswith("and 2 more.")
    assert len(message) < 1300


def test_a_prompt_that_just_fits_is_no_reason_to_warn(trained, caplog):
    prompt = "a red bird " * 10
    assert len(trained.tokenizer(prompt).input_ids) == 32
    encode_prompts(trained.tokenizer, trained.model, [prompt], 32, "cpu")
    assert not caplog.records


@pytest.mark.parametrize("prompts", ["a bird", [], [None], ["a bird", 3]])
def test_what_is_no_list_of_prompts_is_refused(prompts, trained):
    with pytest.raises(ValueError, match="must be a list of one or more strings"):
        encode_prompts(trained.tokenizer, trained.model, prompts, 16, "cpu")
