"""The model card of a text classifier."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from .data import TextReport
from .figures import results_table
from .settings import SentimentSettings


def sentiment_card(settings: SentimentSettings, report: TextReport, figures: dict[str, Any]) -> ModelCard:
    """A card with what was trained on what, and what it came to; the test's figures are its ``model-index``."""
    trainer, data, lstm = settings.trainer, settings.data, settings.lstm
    name = trainer.hub_model_id or Path(trainer.output_dir or trainer.run_name or "sentiment").resolve().name
    dataset = Path(data.dataset).name
    judged = "test" if "test_accuracy" in figures else "validation"
    header = ModelCardData(
        library_name="transformers",
        pipeline_tag="text-classification",
        tags=["lstm", "sentiment-analysis", "sprite-diffusers"],
        model_name=name.split("/")[-1],
        eval_results=[
            EvalResult(
                task_type="text-classification",
                dataset_type=dataset,
                dataset_name=dataset,
                dataset_split=judged,
                metric_type=metric,
                metric_value=figures[f"{judged}_{metric}"],
            )
            for metric in ("accuracy", "f1")
        ],
    )
    text = resources.files("sprite_diffusers.hub_cards").joinpath("sentiment.md").read_text(encoding="utf-8")
    direction = "two-way" if lstm.bidirectional else "one-way"
    return ModelCard.from_template(
        header,
        template_str=text,
        model_name=name.split("/")[-1],
        repo_id=name,
        dataset=dataset,
        class_names=", ".join(report.class_names),
        network=(
            f"word vectors of {lstm.embedding_size}, {lstm.num_hidden_layers} {direction} LSTM of {lstm.hidden_size}, "
            f"pooling {lstm.pooling!r}, {figures['parameters']:,} parameters"
        ),
        vocabulary=f"{figures['vocabulary']:,} tokens ({data.tokenizer}) of the training texts",
        max_length=data.max_length,
        kept_end="the end" if data.truncation_side == "left" else "the beginning",
        texts=report.summary().removeprefix("texts: "),
        judged=judged,
        results_table=results_table(figures),
        seed=trainer.seed,
        epochs=f"{figures['epochs']:.1f}",
    )
