"""An LSTM as the text encoder of the text-to-sprite pipeline and of its trainer."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline

from sprite_diffusers.models import LSTMConfig, LSTMModel, load_text_encoder
from sprite_diffusers.pipelines import PokemonLDMPipeline
from sprite_diffusers.trainers.text_to_sprite.run import fit_pokemon
from sprite_diffusers.trainers.text_to_sprite.settings import TextConfig

from ..captioned import save_squares
from ..trainers.text_to_sprite.test_run import settings
from . import pokemon


@pytest.fixture
def pipe() -> PokemonLDMPipeline:
    tokenizer, _ = pokemon.text_encoder()
    torch.manual_seed(0)
    config = LSTMConfig(vocab_size=len(tokenizer), embedding_size=12, hidden_size=16, bidirectional=True)
    return pokemon.pipeline(text_encoder=LSTMModel(config).eval(), tokenizer=tokenizer)


def draw(pipe: DiffusionPipeline, prompt: str = "a small red lizard") -> np.ndarray:
    pipe.set_progress_bar_config(disable=True)
    return pipe(prompt, generator=torch.Generator().manual_seed(0), output_type="np").images


def test_prompts_condition_what_is_drawn(pipe):
    first, second = draw(pipe), draw(pipe, "a blue turtle")
    assert np.isfinite(first).all()
    assert np.abs(first - second).max() > 1e-4
    assert np.isfinite(draw(pipe, "")).all()


def test_the_folder_loads_with_and_without_the_class(pipe, tmp_path):
    pipe.save_pretrained(tmp_path)
    expected = draw(pipe)
    own = PokemonLDMPipeline.from_pretrained(tmp_path)
    assert type(own.text_encoder) is LSTMModel
    remote = DiffusionPipeline.from_pretrained(tmp_path, trust_remote_code=True)
    for loaded in (own, remote):
        np.testing.assert_allclose(draw(loaded), expected, atol=1e-5)
    names = json.loads((tmp_path / "text_encoder" / "config.json").read_text(encoding="utf-8"))["auto_map"]
    assert names == {"AutoConfig": "lstm.LSTMConfig", "AutoModel": "lstm.LSTMModel"}
    assert (tmp_path / "text_encoder" / "lstm.py").is_file()
    assert type(load_text_encoder(tmp_path)[1]) is LSTMModel  # as --text_encoder FOLDER takes it


def test_a_stage_is_trained_with_an_lstm_that_it_makes(tmp_path_factory, in_tmp_path: Path):
    folder = save_squares(tmp_path_factory.mktemp("captioned"), 160)
    plain = settings(folder, in_tmp_path / "out", "1")
    text = TextConfig(text_encoder="lstm", max_length=16, text_hidden_size=16, text_num_layers=1)
    fit_pokemon(replace(plain, text=text))
    _, encoder = load_text_encoder(in_tmp_path / "out" / "text")
    assert isinstance(encoder, LSTMModel)
    facts = json.loads((in_tmp_path / "out" / "stage1" / "stage.json").read_text(encoding="utf-8"))
    assert facts["text"]["text_encoder"] == "lstm"
