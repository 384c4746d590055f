"""A classifier from texts to a folder that ``pipeline("text-classification")`` loads."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from mlflow import MlflowClient
from PIL import Image
from transformers import AutoTokenizer, pipeline

from sprite_diffusers.errors import SpriteError
from sprite_diffusers.models import LSTMConfig, LSTMForSequenceClassification
from sprite_diffusers.trainers.sentiment import training
from sprite_diffusers.trainers.sentiment.figures import confusion_matrix, loss_rises, scores_of
from sprite_diffusers.trainers.sentiment.run import fit_sentiment
from sprite_diffusers.trainers.sentiment.settings import (
    LSTMSettings,
    SentimentSettings,
    TextDataConfig,
    TextTrainerConfig,
)
from sprite_diffusers.trainers.sentiment.tokenizers import train_tokenizer

GOOD, BAD = ("good", "lovely", "superb"), ("bad", "awful", "dull")


def reviews(count: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        label = number % 2
        said = rng.choice((BAD, GOOD)[label], 2)
        rows.append((f"A {said[0]} film<br />number {seed}{number}, {said[1]}!", label))
    return pd.DataFrame(rows, columns=["text", "label"])


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reviews")
    reviews(80, 0).to_parquet(folder / "train.parquet")
    test = pd.concat([reviews(20, 1), pd.DataFrame([("", 0)], columns=["text", "label"])])
    test.to_parquet(folder / "test.parquet")
    return folder


def settings(source: Path, output: Path, data: dict | None = None, lstm: dict | None = None, **trainer):
    return SentimentSettings(
        TextTrainerConfig(
            **{
                "output_dir": str(output),
                "num_train_epochs": 4,
                "train_batch_size": 8,
                "learning_rate": 0.03,
                "num_cpu_threads": 1,
                **trainer,
            }
        ),
        TextDataConfig(dataset=str(source), class_names=["negative", "positive"], max_length=16, **(data or {})),
        LSTMSettings(**{"embedding_size": 8, "hidden_size": 8, "pooling": "max", **(lstm or {})}),
    )


@pytest.fixture(scope="module")
def trained(source, empty_store, tmp_path_factory):
    """The folder of a run with everything switched on, its result, and how often each split was scored after it."""
    folder = tmp_path_factory.mktemp("run")
    shutil.copyfile(empty_store, folder / "mlflow.db")
    scored: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        predict = training.TextClassifierTrainer.predict
        patch.setattr(
            training.TextClassifierTrainer,
            "predict",
            lambda self, part: scored.append(len(part)) or predict(self, part),
        )
        everything = {"l2": 1e-4, "label_smoothing": 0.05, "adversarial_weight": 1.0}
        lstm = {"bidirectional": True, "pooling": "mean_max", "embedding_dropout": 0.1, "input_dropout": 0.1,
                "recurrent_dropout": 0.1, "classifier_dropout": 0.1, "embedding_init": "company",
                "bigram_buckets": 64, "bigram_size": 4}  # fmt: skip
        result = fit_sentiment(settings(source, folder / "model", lstm=lstm, **everything))
    return folder / "model", result, scored


# ---- the run --------------------------------------------------------------------------------------------------------


def test_it_learns_and_scores_the_test_once(trained):
    folder, result, scored = trained
    assert result.status == "finished"
    assert result.metrics["validation_accuracy"] > 0.9
    assert result.metrics["test_accuracy"] > 0.9
    assert sorted(scored) == [16, 21, 64]
    facts = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    counts = np.array(facts["confusion_matrix"]["test"])
    assert counts.sum(1).tolist() == [11, 10]
    assert facts["test_accuracy"] == pytest.approx(np.diag(counts).sum() / 21)
    assert facts["train_validation_gap"] == pytest.approx(facts["train_accuracy"] - facts["validation_accuracy"])
    losses = [row["validation/loss"] for row in facts["history"]]
    assert min(losses) == pytest.approx(facts["validation_loss"], rel=1e-4)
    assert [row["step"] for row in facts["history"] if row["validation/loss"] == min(losses)] == [facts["best_step"]]
    assert facts["validation_loss_rises"] == loss_rises(facts["history"])
    assert facts["data"]["empty"] == {"train": 0, "test": 1}


def test_its_folder_is_a_text_classification_pipeline(trained):
    classify = pipeline("text-classification", model=str(trained[0]), device="cpu")
    assert isinstance(classify.model, LSTMForSequenceClassification)
    answers = classify(["A superb film, lovely!", "awful and dull", ""], truncation=True)
    assert [answer["label"] for answer in answers[:2]] == ["positive", "negative"]
    assert answers[0]["score"] > 0.8
    assert answers[2]["score"] >= 0.5
    together = classify(["A superb film, lovely!", "awful and dull"], batch_size=2)
    assert together[0]["score"] == pytest.approx(answers[0]["score"], abs=1e-5)


def test_its_folder_holds_code_card_and_pictures(trained):
    folder = trained[0]
    for name in ("confusion_matrix.png", "curves.png"):
        assert Image.open(folder / name).width > 300
    assert (folder / "lstm.py").is_file()
    assert not list(folder.glob("*.bin"))
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "pipeline_tag: text-classification" in card
    assert 'pipeline("text-classification", model="model"' in card
    assert "| test accuracy |" in card


def test_mlflow_has_settings_curves_and_files(trained):
    note = json.loads((trained[0] / "mlflow_run.json").read_text(encoding="utf-8"))
    client = MlflowClient(note["tracking_uri"])
    run = client.get_run(note["run_id"])
    assert run.info.status == "FINISHED"
    assert run.data.params["l2"] == "0.0001"
    assert run.data.params["pooling"] == "mean_max"
    assert {"data_fingerprint", "git_commit", "test_leaks"} <= set(run.data.tags)
    assert run.data.metrics["run/test_accuracy"] == trained[1].metrics["test_accuracy"]
    curve = client.get_metric_history(note["run_id"], "validation/accuracy")
    assert [point.step for point in curve] == [8, 16, 24, 32][: len(curve)]
    assert {"model/config.json", "model/curves.png"} <= {
        file.path for file in client.list_artifacts(note["run_id"], "model")
    }


def test_a_folder_with_a_model_is_not_replaced_unasked(trained, source):
    with pytest.raises(SpriteError, match="already holds a model"):
        fit_sentiment(settings(source, trained[0]))


# ---- going on, stopping ---------------------------------------------------------------------------------------------


def test_a_resumed_run_is_the_uninterrupted_one(source, in_tmp_path, monkeypatch):
    options = {"lstm": {"recurrent_dropout": 0.2}, "num_train_epochs": 3, "lr_scheduler": "linear"}
    whole = fit_sentiment(settings(source, in_tmp_path / "whole", **options))
    step_end = training._Watch.on_step_end

    def interrupt(self, args, state, control, **kwargs):
        self.signals.received = "SIGTERM" if state.global_step == 10 else None
        step_end(self, args, state, control, **kwargs)

    monkeypatch.setattr(training._Watch, "on_step_end", interrupt)
    stopped = fit_sentiment(settings(source, in_tmp_path / "parts", **options))
    assert stopped.status == "interrupted"
    assert not (in_tmp_path / "parts" / "config.json").exists()
    monkeypatch.setattr(training._Watch, "on_step_end", step_end)
    with pytest.raises(SpriteError, match="cannot be resumed with other settings: lstm"):
        fit_sentiment(settings(source, in_tmp_path / "parts", num_train_epochs=3, resume_from_checkpoint="latest"))
    resumed = fit_sentiment(settings(source, in_tmp_path / "parts", **options, resume_from_checkpoint="latest"))
    assert resumed.metrics["validation_loss"] == pytest.approx(whole.metrics["validation_loss"], rel=1e-4)
    facts = json.loads((in_tmp_path / "parts" / "results.json").read_text(encoding="utf-8"))
    assert [row["step"] for row in facts["history"]] == [8, 16, 24]
    run_id = json.loads((in_tmp_path / "parts" / "mlflow_run.json").read_text(encoding="utf-8"))["run_id"]
    assert MlflowClient().get_run(run_id).info.status == "FINISHED"


def test_a_loss_that_is_no_number_ends_the_run_and_leaves_no_model(source, in_tmp_path):
    with pytest.raises(SpriteError, match=r"loss became (nan|inf)"):
        fit_sentiment(settings(source, in_tmp_path / "model", l2=1e38, learning_rate=1e38))
    assert not (in_tmp_path / "model" / "config.json").exists()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"learning_rate": 0}, "--learning_rate is 0"),
        ({"plateau_factor": 1.0}, "--plateau_factor is 1.0"),
        ({"label_smoothing": 1.0}, "--label_smoothing is 1.0"),
        ({"push_to_hub": True}, "--push_to_hub needs"),
        ({"lstm": {"hidden_size": 7, "bidirectional": True}}, "--hidden_size is 7"),
        ({"data": {"validation_split": 1.0}}, "--validation_split is 1.0"),
    ],
)
def test_settings_that_cannot_be_are_refused(options, named, source, tmp_path):
    with pytest.raises(SpriteError, match=named):
        fit_sentiment(settings(source, tmp_path / "model", **options))
    assert not (tmp_path / "model").exists()


# ---- parts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["word", "bpe", "unigram"])
def test_tokenizers_of_each_kind(kind, tmp_path):
    texts = [f"I don't like film {number}.<br /><br />It's Naïve!" for number in range(30)]
    tokenizer = train_tokenizer(texts, kind, vocab_size=300, max_length=8)
    tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert loaded.get_vocab() == tokenizer.get_vocab()
    assert (loaded.pad_token_id, loaded.unk_token_id, loaded.eos_token_id) == (0, 1, 2)
    tokens = loaded("DON'T like<br />naive").input_ids
    assert tokens[-1] == 2
    assert 1 not in tokens
    assert loaded("").input_ids == [2]
    cut = loaded(texts[0], truncation=True).input_ids
    assert len(cut) == 8
    assert cut == loaded(texts[0]).input_ids[-8:]
    assert set(loaded("a")) == {"input_ids", "attention_mask"}


def test_words_keep_their_apostrophes_and_lose_markup():
    tokenizer = train_tokenizer(["I don't, I DON\u2019T <br />know"] * 2, "word")
    assert tokenizer.tokenize("i don't know, <i>") == ["i", "don't", "know", ","]
    assert "don\u2019t" in tokenizer.get_vocab()
    assert not {"br", "<", "I"} & set(tokenizer.get_vocab())


def test_adversarial_moves_make_the_loss_larger_by_the_share_asked_for():
    torch.manual_seed(0)
    model = LSTMForSequenceClassification(LSTMConfig(vocab_size=20, embedding_size=8, hidden_size=8, pooling="mean"))
    words, labels = torch.randint(1, 20, (3, 6)), torch.tensor([0, 1, 1])
    vectors = model.lstm.embed(words)
    loss = torch.nn.functional.cross_entropy(model(inputs_embeds=vectors).logits, labels)
    (gradient,) = torch.autograd.grad(loss, vectors)
    move = training._move_against(gradient, vectors, 0.1)
    share = move.flatten(1).norm(dim=1) / vectors.flatten(1).norm(dim=1)
    assert torch.allclose(share, torch.full((3,), 0.1))
    assert torch.nn.functional.cross_entropy(model(inputs_embeds=vectors + move).logits, labels) > loss


def test_adversarial_training_adds_the_gradients_of_both_losses(source, tmp_path, empty_store, monkeypatch):
    shutil.copyfile(empty_store, tmp_path / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    differences: list[float] = []
    step = training.TextClassifierTrainer.training_step

    def compared(self, model, inputs, *args):
        found = step(self, model, inputs, *args)
        gradients = [parameter.grad.clone() for parameter in model.parameters()]
        model.zero_grad()
        vectors, mask, labels = model.lstm.embed(inputs["input_ids"]), inputs["attention_mask"], inputs["labels"]
        loss = torch.nn.functional.cross_entropy(model(inputs_embeds=vectors, attention_mask=mask).logits, labels)
        (gradient,) = torch.autograd.grad(loss, vectors, retain_graph=True)
        moved = vectors + training._move_against(gradient, vectors, 0.5)
        worse = torch.nn.functional.cross_entropy(model(inputs_embeds=moved, attention_mask=mask).logits, labels)
        total = loss + 2 * worse
        total.backward()
        differences.append(abs(float(found - total.detach())))
        for parameter, gradient in zip(model.parameters(), gradients, strict=True):
            differences.append(float((parameter.grad - gradient).abs().max()))
        return found

    monkeypatch.setattr(training.TextClassifierTrainer, "training_step", compared)
    adversarial = {"adversarial_weight": 2.0, "adversarial_epsilon": 0.5, "max_train_steps": 3}
    fit_sentiment(settings(source, tmp_path / "model", lstm={"bigram_buckets": 64}, **adversarial))
    assert len(differences) > 3
    assert max(differences) < 1e-5


def test_l2_is_of_matrices_but_not_of_word_vectors():
    model = LSTMForSequenceClassification(LSTMConfig(vocab_size=20, embedding_size=8, hidden_size=8))
    layer = model.lstm.layers[0]
    expected = sum(m.square().sum() for m in (layer.weight_ih_l0, layer.weight_hh_l0, model.classifier.weight))
    assert torch.allclose(training._sum_of_squares(model), expected)


def test_figures_of_the_reported_confusion_matrix():
    counts = np.array([[11142, 1358], [2048, 10452]])
    assert scores_of(counts)["accuracy"] == pytest.approx(0.86376)
    assert confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist() == [[1, 1], [0, 1]]
    losses = (0.5, 0.4, 0.45, 0.39, 0.6)
    assert loss_rises([{"validation/loss": loss} for loss in losses]) == 2
