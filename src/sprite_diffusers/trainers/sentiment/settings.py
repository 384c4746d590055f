"""Settings of a text classifier, as dataclasses: each field is a flag and a YAML key (see `trainers.config`)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from ...errors import SpriteError
from ...models import LSTMConfig


@dataclass
class TextDataConfig:
    """Which texts, and how they become tokens."""

    dataset: str = field(
        default="",
        metadata={
            "help": "Folder with train and test as .parquet, .csv or .json files, one such file, or a Hub id such as "
            "stanfordnlp/imdb."
        },
    )
    text_column: str | None = field(default=None, metadata={"help": "Column of the texts; found if not given."})
    label_column: str | None = field(default=None, metadata={"help": "Column of the classes; found if not given."})
    class_names: list[str] | None = field(
        default=None, metadata={"help": "Names of the classes 0, 1, ...; the data's own if not given."}
    )
    validation_split: float = field(
        default=0.2, metadata={"help": "Share of the training texts held out, where the data has no validation split."}
    )
    validation_block: int = field(
        default=1,
        metadata={
            "help": "So many neighbouring texts of a class are held out together: more than 1 where texts of one subject lie "
            "side by side, which would else be on both sides."
        },
    )
    num_samples: int | None = field(default=None, metadata={"help": "The most training texts to use."})
    tokenizer: Literal["word", "bpe", "unigram"] = field(
        default="word", metadata={"help": "Whole words, byte pairs, or unigram pieces; trained on the training texts."}
    )
    vocab_size: int = field(default=20_000, metadata={"help": "Tokens of the vocabulary, at most."})
    min_frequency: int = field(default=2, metadata={"help": "A word or pair that is rarer is no token of its own."})
    max_length: int = field(default=400, metadata={"help": "Tokens of a text that are read."})
    truncation_side: Literal["left", "right"] = field(
        default="left", metadata={"help": "Where longer texts are cut: 'left' keeps the end."}
    )

    def __post_init__(self) -> None:
        if not self.dataset:
            raise SpriteError("--dataset is missing: give a folder or file of texts with classes, or a Hub id.")
        if not 0 < self.validation_split < 1:
            raise SpriteError(f"--validation_split is {self.validation_split}, but must be between 0 and 1.")
        for name in ("validation_block", "num_samples", "vocab_size", "min_frequency", "max_length"):
            value = getattr(self, name)
            least = {"vocab_size": 10, "max_length": 2}.get(name, 1)
            if value is not None and value < least:
                raise SpriteError(f"--{name} is {value}, but must be {least} or more.")


@dataclass
class LSTMSettings:
    """The network: an `LSTMForSequenceClassification`."""

    embedding_size: int = field(default=128, metadata={"help": "Width of the word vectors."})
    bigram_buckets: int = field(
        default=0,
        metadata={"help": "Vectors of pairs of neighbouring words, which share them by a hash; 0 is none."},
    )
    bigram_size: int = field(default=64, metadata={"help": "Width of these vectors."})
    hidden_size: int = field(default=64, metadata={"help": "Width of the hidden states, of both directions together."})
    num_hidden_layers: int = field(default=1, metadata={"help": "LSTMs on top of one another."})
    bidirectional: bool = field(default=False, metadata={"help": "Read from both ends."})
    pooling: Literal["last", "mean", "max", "mean_max", "attention"] = field(
        default="last", metadata={"help": "What becomes of the states of a text."}
    )
    embedding_dropout: float = field(default=0.0, metadata={"help": "Share of words that a batch lacks."})
    input_dropout: float = field(
        default=0.0, metadata={"help": "Share of a layer's inputs dropped, the same at all steps of a text."}
    )
    recurrent_dropout: float = field(
        default=0.0, metadata={"help": "Share of the state dropped between steps, the same at all steps of a text."}
    )
    classifier_dropout: float = field(default=0.0, metadata={"help": "Share of the pooled state dropped."})
    embedding_init: Literal["random", "company"] = field(
        default="random",
        metadata={"help": "Word vectors begin at random, or from which words keep company in the training texts."},
    )

    def __post_init__(self) -> None:
        try:
            self.network()
        except ValueError as error:  # names the setting, which is a flag here
            raise SpriteError(f"--{str(error).replace('`', '')}") from None

    def network(self, **facts: Any) -> LSTMConfig:
        """The configuration of such a network; `facts` are those that the data gives."""
        options = asdict(self)
        options.pop("embedding_init")
        return LSTMConfig(**options, **facts)


@dataclass
class TextTrainerConfig:
    """The training, by `transformers.Trainer`."""

    output_dir: str | None = field(
        default=None, metadata={"help": "Where model, figures and checkpoints go; outputs/<run name> if not given."}
    )
    overwrite_output_dir: bool = field(default=False, metadata={"help": "Replace the model that --output_dir holds."})
    run_name: str | None = field(
        default=None, metadata={"help": "Name of the MLflow run; made from the time if not given."}
    )
    experiment_name: str = field(default="Sentiment", metadata={"help": "MLflow experiment."})
    seed: int = field(default=0, metadata={"help": "Fixes split, weights, order and dropout."})
    num_train_epochs: float = field(default=10.0, metadata={"help": "Limit: passes over the training texts."})
    max_train_steps: int | None = field(default=None, metadata={"help": "Limit: optimizer steps."})
    evaluations_per_epoch: int = field(default=1, metadata={"help": "How often the validation texts are scored."})
    train_batch_size: int = field(default=64, metadata={"help": "Texts per step."})
    eval_batch_size: int = field(default=128, metadata={"help": "Texts per batch that is only scored."})
    learning_rate: float = field(default=2e-4, metadata={"help": "Of Adam; the peak, if it is scheduled."})
    lr_scheduler: Literal["constant", "linear", "cosine", "plateau"] = field(
        default="plateau",
        metadata={"help": "Decay to 0 over the epochs, or 'plateau': by --plateau_factor when validation stalls."},
    )
    lr_warmup_steps: int = field(default=0, metadata={"help": "Steps of linear warm-up of 'linear' and 'cosine'."})
    plateau_factor: float = field(default=0.5, metadata={"help": "What 'plateau' multiplies the learning rate by."})
    plateau_patience: int = field(
        default=1, metadata={"help": "Validations without a gain that 'plateau' lets pass before it does so."}
    )
    early_stopping_patience: int | None = field(
        default=3, metadata={"help": "Stop after so many validations without a gain."}
    )
    best_by: Literal["loss", "accuracy"] = field(
        default="loss", metadata={"help": "The validation figure that chooses the weights that are kept."}
    )
    adam_beta2: float = field(default=0.999, metadata={"help": "Adam beta 2."})
    adam_epsilon: float = field(default=1e-8, metadata={"help": "Adam epsilon."})
    max_grad_norm: float = field(default=1.0, metadata={"help": "Gradients are clipped to this norm."})
    l2: float = field(
        default=0.0, metadata={"help": "Times the squares of the weights of LSTM and classifier, added to the loss."}
    )
    label_smoothing: float = field(default=0.0, metadata={"help": "Share of each label spread over all classes."})
    adversarial_weight: float = field(
        default=0.0, metadata={"help": "Weight of the loss on word vectors that are moved to make it larger."}
    )
    adversarial_epsilon: float = field(
        default=0.02, metadata={"help": "Length of that move, as a share of the length of a text's word vectors."}
    )
    num_cpu_threads: int | None = field(
        default=None, metadata={"help": "Threads when training on the CPU; the physical cores if not given."}
    )
    resume_from_checkpoint: str | None = field(
        default=None, metadata={"help": "'latest', or the path of a checkpoint folder."}
    )
    push_to_hub: bool = field(default=False, metadata={"help": "Upload the model to the Hub at the end."})
    hub_model_id: str | None = field(default=None, metadata={"help": "Hub repository for --push_to_hub, user/name."})
    hub_private: bool = field(default=False, metadata={"help": "Create that repository as a private one."})

    def __post_init__(self) -> None:
        positive = ("num_train_epochs", "max_train_steps", "evaluations_per_epoch", "train_batch_size", "learning_rate",
                    "eval_batch_size", "early_stopping_patience", "max_grad_norm", "num_cpu_threads")  # fmt: skip
        for name in positive:
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise SpriteError(f"--{name} is {value}, but must be above 0.")
        for name in ("seed", "lr_warmup_steps", "plateau_patience", "l2", "adversarial_weight", "adversarial_epsilon"):
            if getattr(self, name) < 0:
                raise SpriteError(f"--{name} is {getattr(self, name)}, but must be 0 or more.")
        if not 0 < self.plateau_factor < 1:
            raise SpriteError(f"--plateau_factor is {self.plateau_factor}, but must be between 0 and 1.")
        if not 0 <= self.label_smoothing < 1:
            raise SpriteError(f"--label_smoothing is {self.label_smoothing}, but must be at least 0 and below 1.")
        if self.push_to_hub and not self.hub_model_id:
            raise SpriteError("--push_to_hub needs --hub_model_id user/name.")


@dataclass(frozen=True)
class SentimentSettings:
    """All settings of one training."""

    trainer: TextTrainerConfig
    data: TextDataConfig
    lstm: LSTMSettings
