"""Settings of every trainer, as dataclasses: each field is a flag and a YAML key. Read with `parse_config`."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, NoReturn

import yaml
from trl import TrlParser

from ..errors import SpriteError

PATCH_SIZES = (1, 2, 4, 8)


@dataclass
class TrainerConfig:
    """Settings that every trainer has. Training ends at whichever of the three limits given comes first."""

    output_dir: str | None = field(
        default=None,
        metadata={"help": "Where the pipeline, checkpoints and samples go; outputs/<run name> if not given."},
    )
    overwrite_output_dir: bool = field(default=False, metadata={"help": "Replace the model that --output_dir holds."})
    run_name: str | None = field(
        default=None, metadata={"help": "Name of the MLflow run; made from the settings if not given."}
    )
    experiment_name: str | None = field(
        default=None, metadata={"help": "MLflow experiment; the trainer's name if not given."}
    )
    seed: int = field(default=0, metadata={"help": "Fixes weights, data order, noise and previews."})
    num_train_epochs: float | None = field(default=None, metadata={"help": "Limit: passes over the training set."})
    max_train_steps: int | None = field(default=None, metadata={"help": "Limit: optimizer steps."})
    max_train_minutes: float | None = field(
        default=None,
        metadata={
            "help": "Limit: wall-clock minutes; the learning-rate schedule is planned over them. 5 if no limit is given."
        },
    )
    train_batch_size: int = field(default=128, metadata={"help": "Images per process and micro-batch."})
    gradient_accumulation_steps: int = field(default=1, metadata={"help": "Micro-batches per optimizer step."})
    learning_rate: float = field(default=2e-4, metadata={"help": "Peak learning rate."})
    lr_scheduler: Literal["constant", "linear", "cosine", "one_cycle"] = field(
        default="constant",
        metadata={
            "help": "Decay of the learning rate to zero over the limit; 'one_cycle' rises over its first tenth."
        },
    )
    lr_warmup_steps: int = field(default=0, metadata={"help": "Steps of linear warm-up."})
    adam_beta1: float = field(default=0.9, metadata={"help": "AdamW beta 1."})
    adam_beta2: float = field(default=0.999, metadata={"help": "AdamW beta 2."})
    adam_weight_decay: float = field(default=0.0, metadata={"help": "AdamW weight decay."})
    adam_epsilon: float = field(default=1e-8, metadata={"help": "AdamW epsilon."})
    max_grad_norm: float = field(default=1.0, metadata={"help": "Gradients are clipped to this norm."})
    adaptive_grad_clip: float | None = field(
        default=None,
        metadata={"help": "Gradients are clipped to this multiple of the median norm of the last 100 steps as well."},
    )
    max_grad_spike: float | None = field(
        default=None,
        metadata={
            "help": "A step whose gradient norm is above this multiple of that median is skipped, like one of NaN."
        },
    )
    mixed_precision: Literal["auto", "no", "fp16", "bf16"] | None = field(
        default=None,
        metadata={
            "help": "'auto' is bf16 where the processor or GPU has instructions for it. What `accelerate launch` was told "
            "if not given."
        },
    )
    num_cpu_threads: int | None = field(
        default=None,
        metadata={
            "help": "Threads per process when training on the CPU; its share of the physical cores if not given."
        },
    )
    use_ema: bool = field(
        default=True, metadata={"help": "Keep an exponential moving average of the weights, and sample with it."}
    )
    ema_inv_gamma: float = field(
        default=1.0, metadata={"help": "EMA warm-up: decay = 1 - (1 + step / inv_gamma) ** -power."}
    )
    ema_power: float = field(default=0.75, metadata={"help": "EMA warm-up, see --ema_inv_gamma."})
    ema_max_decay: float = field(default=0.9999, metadata={"help": "Highest EMA decay."})
    checkpointing_steps: int = field(default=500, metadata={"help": "A checkpoint every this many steps."})
    checkpoints_total_limit: int = field(default=2, metadata={"help": "How many checkpoints are kept."})
    resume_from_checkpoint: str | None = field(
        default=None, metadata={"help": "'latest', or the path of a checkpoint folder."}
    )
    logging_steps: int = field(
        default=25, metadata={"help": "Loss and learning rate go to MLflow every this many steps."}
    )
    validation_steps: int = field(default=500, metadata={"help": "Validation loss every this many steps."})
    preview_steps: int = field(default=500, metadata={"help": "A grid of samples every this many steps."})
    early_stopping_patience: int | None = field(
        default=None,
        metadata={"help": "Stop after this many validations without a better loss, and keep the best weights."},
    )
    keep_best: bool = field(
        default=False, metadata={"help": "Keep the model of the lowest validation loss in <output_dir>/best."}
    )
    tensorboard: bool = field(
        default=False,
        metadata={"help": "Write curves and previews for TensorBoard to <output_dir>/tensorboard as well."},
    )
    max_nonfinite_steps: int = field(
        default=20,
        metadata={
            "help": "Steps with NaN, infinite or exploding gradients are skipped; so many in a row end the run."
        },
    )
    push_to_hub: bool = field(default=False, metadata={"help": "Upload the pipeline to the Hub at the end."})
    hub_model_id: str | None = field(default=None, metadata={"help": "Hub repository for --push_to_hub, user/name."})
    hub_private: bool = field(default=False, metadata={"help": "Create that repository as a private one."})

    def __post_init__(self) -> None:
        if self.num_train_epochs is None and self.max_train_steps is None and self.max_train_minutes is None:
            self.max_train_minutes = 5.0
        positive = ("num_train_epochs", "max_train_steps", "max_train_minutes", "train_batch_size", "learning_rate",
                    "gradient_accumulation_steps", "checkpointing_steps", "checkpoints_total_limit", "logging_steps",
                    "validation_steps", "preview_steps", "early_stopping_patience", "max_nonfinite_steps",
                    "max_grad_norm", "num_cpu_threads", "ema_inv_gamma", "adaptive_grad_clip", "max_grad_spike")  # fmt: skip
        for name in positive:
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise SpriteError(f"--{name} is {value}, but must be above 0.")
        for name in ("seed", "lr_warmup_steps"):
            if getattr(self, name) < 0:
                raise SpriteError(f"--{name} is {getattr(self, name)}, but must be 0 or more.")
        if self.push_to_hub and not self.hub_model_id:
            raise SpriteError("--push_to_hub needs --hub_model_id user/name.")


@dataclass
class DataConfig:
    """Which sprites, and how they are read."""

    dataset: str = field(
        default="synthetic",
        metadata={
            "help": "'synthetic', a folder of images or parquet files, or of LSUN, a .npz or .npy file, or a Hub id."
        },
    )
    labels: str | None = field(default=None, metadata={"help": "Labels .npy (integer or one-hot) for an images .npy."})
    class_names: list[str] | None = field(
        default=None, metadata={"help": "Names of the classes, where the data has none."}
    )
    image_size: int | None = field(
        default=None,
        metadata={
            "help": "Side in pixels: box-averaged down or repeated up by whole factors; the data's own if not given."
        },
    )
    image_mode: Literal["RGB", "RGBA", "L"] | None = field(
        default=None, metadata={"help": "RGBA where the data has alpha, else RGB, if not given; L is grey."}
    )
    background: str = field(
        default="white", metadata={"help": "Colour behind transparent pixels for --image_mode RGB."}
    )
    num_samples: int | None = field(
        default=None, metadata={"help": "Sprites to generate for 'synthetic', or the most to read."}
    )
    validation_split: float = field(default=0.1, metadata={"help": "Share held out, where the data is not split."})
    skip_bad_images: bool = field(
        default=False, metadata={"help": "Leave out images that cannot be read, and count them."}
    )
    random_flip: bool = field(
        default=False, metadata={"help": "Augmentation: horizontal flips, but not of --no_flip_classes."}
    )
    random_shift: int = field(default=0, metadata={"help": "Augmentation: shifts by up to this many whole pixels."})
    palette_swap: float = field(
        default=0.0, metadata={"help": "Augmentation: share of sprites whose palette is swapped."}
    )
    no_flip_classes: list[str] = field(
        default_factory=lambda: ["side-facing"], metadata={"help": "Classes whose meaning a flip would change."}
    )


@dataclass
class UNetConfig:
    """The network: a diffusers `UNet2DModel`."""

    block_out_channels: list[int] | None = field(
        default=None,
        metadata={
            "help": "Channels per resolution; if not given 32 64 128 for sprites of 16 pixels, with a narrower level in "
            "front for each doubling of the size."
        },
    )
    patch_size: int = field(
        default=1,
        metadata={"help": "Squares of so many pixels a side are one position of the network's (space to depth)."},
    )
    layers_per_block: int = field(default=1, metadata={"help": "Residual blocks per resolution."})
    attention_levels: list[int] = field(
        default_factory=list, metadata={"help": "Resolutions with self-attention, 0 is the full one."}
    )
    mid_attention: bool = field(default=True, metadata={"help": "Self-attention at the lowest resolution."})
    resnet_time_scale_shift: Literal["default", "scale_shift"] = field(
        default="default", metadata={"help": "Conditioning is added, or scales and shifts (FiLM)."}
    )
    norm_num_groups: int = field(default=8, metadata={"help": "Groups of the group norms."})
    dropout: float = field(default=0.0, metadata={"help": "Dropout in the residual blocks."})

    def __post_init__(self) -> None:
        if self.patch_size not in PATCH_SIZES:
            raise SpriteError(
                f"--patch_size is {self.patch_size}, but must be one of {', '.join(map(str, PATCH_SIZES))}."
            )


@dataclass
class PaletteConfig:
    """The palette that a pixel model knows."""

    palette: str | None = field(
        default=None,
        metadata={
            "help": "Draw indices of these colours, in place of colours (only for 'flow'): 'auto:N', N colours that fit the training "
            "images; a built-in palette (pico-8, db32 ...); or a file (.gpl, .hex, .pal, .json, a picture)."
        },
    )


@dataclass
class ObjectiveConfig:
    """What the network learns to predict."""

    prediction_type: Literal["epsilon", "sample", "v_prediction", "flow"] = field(
        default="epsilon", metadata={"help": "Noise, clean image, velocity, or rectified flow."}
    )
    noise_schedule: Literal["linear", "cosine"] = field(default="linear", metadata={"help": "Not used by 'flow'."})
    num_train_timesteps: int = field(default=1000, metadata={"help": "Length of the noise schedule."})
    rescale_betas_zero_snr: bool = field(default=False, metadata={"help": "Zero terminal SNR; not with 'epsilon'."})
    timestep_sampling: Literal["uniform", "logit_normal"] = field(
        default="uniform", metadata={"help": "Only for 'flow'."}
    )
    snr_gamma: float | None = field(
        default=None, metadata={"help": "Min-SNR weighting, 5 in the paper; none if not given."}
    )
    loss_type: Literal["mse", "huber"] = field(default="mse", metadata={"help": "Squared or Huber error."})
    huber_delta: float = field(default=0.1, metadata={"help": "Where Huber's error turns linear."})
    num_inference_steps: int = field(default=20, metadata={"help": "Steps of previews, and the pipeline's default."})


@dataclass
class ClassCondConfig:
    """What class-conditional training adds."""

    class_dropout: float = field(
        default=0.1,
        metadata={
            "help": "Share of labels replaced by the null class for classifier-free guidance; 0 trains without."
        },
    )
    guidance_scale: float | None = field(
        default=None,
        metadata={
            "help": "Guidance of previews, and the pipeline's default. If not given, 1.5, and 1.25 for a model that has seen 200,000 "
            "images or more: the longer a training, the less it needs."
        },
    )

    def __post_init__(self) -> None:
        if not 0 <= self.class_dropout < 1:
            raise SpriteError(f"--class_dropout is {self.class_dropout}, but must be at least 0 and below 1.")
        if self.class_dropout == 0 and self.guidance_scale is not None and self.guidance_scale > 1:
            raise SpriteError(
                f"--guidance_scale is {self.guidance_scale}, but --class_dropout 0 trains no null class to guide away "
                "from: pass --guidance_scale 1, or a --class_dropout above 0."
            )


@dataclass
class ClassifierConfig:
    """The auxiliary classifier."""

    block_out_channels: list[int] = field(
        default_factory=lambda: [32, 64, 128],
        metadata={"help": "Channels per resolution; each but the first halves it."},
    )
    feature_dim: int = field(default=64, metadata={"help": "Length of the features that generators are compared in."})
    norm_num_groups: int = field(default=8, metadata={"help": "Groups of the group norms."})
    dropout: float = field(default=0.1, metadata={"help": "Dropout in the residual blocks."})
    label_smoothing: float = field(default=0.05, metadata={"help": "Share of each label spread over all classes."})

    def __post_init__(self) -> None:
        bad = [width for width in self.block_out_channels if width < 1 or width % self.norm_num_groups]
        if bad or not self.block_out_channels:
            raise SpriteError(
                f"--block_out_channels is {self.block_out_channels}, but needs one or more multiples of "
                f"--norm_num_groups {self.norm_num_groups}."
            )
        if self.feature_dim < 1:
            raise SpriteError(f"--feature_dim is {self.feature_dim}, but must be 1 or more.")
        for name in ("dropout", "label_smoothing"):
            if not 0 <= getattr(self, name) < 1:
                raise SpriteError(f"--{name} is {getattr(self, name)}, but must be at least 0 and below 1.")


@dataclass
class AutoencoderConfig:
    """The autoencoder: `SpriteAutoencoder` (a latent vector), or `AutoencoderKL` or `VQModel` of diffusers (a map)."""

    autoencoder: Literal["ae", "vae", "vq"] = field(
        default="vae", metadata={"help": "Latent vector, variational, or vector-quantised."}
    )
    block_out_channels: list[int] = field(
        default_factory=lambda: [32, 64, 128],
        metadata={
            "help": "Channels per block; 'ae' halves the size after each, 'vae' and 'vq' after each but the last."
        },
    )
    layers_per_block: int = field(default=1, metadata={"help": "Layers per block."})
    block_type: Literal["conv", "resnet"] = field(default="conv", metadata={"help": "Blocks of 'ae'."})
    norm_num_groups: int = field(default=8, metadata={"help": "Groups of the group norms of 'vae' and 'vq'."})
    latent_dim: int = field(
        default=64, metadata={"help": "Length of the vector of 'ae'; 0 takes the last feature map, flattened."}
    )
    hidden_size: int = field(
        default=0, metadata={"help": "Width of fully connected layers around the vector of 'ae'; 0 is none."}
    )
    latent_channels: int = field(default=4, metadata={"help": "Channels of the map of 'vae' and 'vq'."})
    num_vq_embeddings: int = field(default=256, metadata={"help": "Codes of 'vq'."})
    reconstruction_loss: Literal["l1", "l2"] = field(default="l2", metadata={"help": "Absolute or squared error."})
    kl_weight: float = field(default=1e-4, metadata={"help": "Weight of the KL divergence of 'vae', per pixel value."})
    kl_warmup: float = field(
        default=0.1, metadata={"help": "Share of the budget over which that weight rises from 0."}
    )
    free_bits: float = field(
        default=0.0, metadata={"help": "KL divergence per latent number, in nats, that costs nothing."}
    )
    commitment_weight: float = field(default=0.25, metadata={"help": "Weight of the commitment loss of 'vq'."})
    revive_steps: int = field(
        default=50, metadata={"help": "Unused codes of 'vq' are moved to encoder outputs every this many steps."}
    )
    perceptual: Literal["none", "classifier", "laplacian", "vgg16"] = field(
        default="none",
        metadata={"help": "What is compared besides pixels: the features of a network, or Laplacian pyramids."},
    )
    perceptual_model: str | None = field(
        default=None,
        metadata={"help": "Folder of the auxiliary classifier; or file of VGG16 weights, torchvision's if not given."},
    )
    perceptual_weight: float = field(default=0.1, metadata={"help": "Weight of the difference of those features."})
    input_noise: Literal["none", "gaussian", "masking", "salt_and_pepper"] = field(
        default="none", metadata={"help": "Corruption of the input, which a denoising autoencoder learns to undo."}
    )
    noise_strength: float = field(
        default=0.15,
        metadata={"help": "Standard deviation of 'gaussian' (pixels are 0 to 1), share of pixels otherwise."},
    )

    def __post_init__(self) -> None:
        for name in ("layers_per_block", "norm_num_groups", "latent_channels", "num_vq_embeddings", "revive_steps"):
            if getattr(self, name) < 1:
                raise SpriteError(f"--{name} is {getattr(self, name)}, but must be 1 or more.")
        weights = ("latent_dim", "hidden_size", "kl_weight", "free_bits", "commitment_weight", "perceptual_weight")
        for name in weights:
            if getattr(self, name) < 0:
                raise SpriteError(f"--{name} is {getattr(self, name)}, but must be 0 or more.")
        for name in ("kl_warmup", "noise_strength"):
            if not 0 <= getattr(self, name) <= 1:
                raise SpriteError(f"--{name} is {getattr(self, name)}, but must be from 0 to 1.")
        factor = 1 if self.autoencoder == "ae" else self.norm_num_groups
        if not self.block_out_channels or any(width < 1 or width % factor for width in self.block_out_channels):
            raise SpriteError(
                f"--block_out_channels is {self.block_out_channels}, but needs one or more multiples of {factor}"
                + (" (--norm_num_groups)." if factor > 1 else ".")
            )
        if self.perceptual == "classifier" and self.perceptual_model is None:
            raise SpriteError(
                "--perceptual classifier needs --perceptual_model, the folder that train_classifier.py made."
            )


@dataclass
class LatentConfig:
    """What diffusion in a latent space adds."""

    pretrained_autoencoder: str = field(
        default="", metadata={"help": "Folder or Hub id of what training/train_autoencoder.py made, or of a pipeline."}
    )
    conditional: bool = field(default=True, metadata={"help": "Draw by class."})
    denoiser: Literal["auto", "mlp", "unet"] = field(
        default="auto", metadata={"help": "'auto': an MLP for latent vectors, a U-Net for latent maps."}
    )
    hidden_size: int = field(default=512, metadata={"help": "Width of the MLP."})
    num_layers: int = field(default=4, metadata={"help": "Residual blocks of the MLP."})

    def __post_init__(self) -> None:
        if not self.pretrained_autoencoder:
            raise SpriteError(
                "--pretrained_autoencoder is missing: train one with training/train_autoencoder.py, and give its folder."
            )
        for name in ("hidden_size", "num_layers"):
            if getattr(self, name) < 1:
                raise SpriteError(f"--{name} is {getattr(self, name)}, but must be 1 or more.")


class _Help(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Defaults beside the flags, and commands in a description on lines of their own."""


class _Parser(TrlParser):
    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        for action in self._actions:
            if action.nargs == "+" and action.default == []:  # none is allowed, and takes back what a file asks for
                action.nargs = "*"

    def error(self, message: str) -> NoReturn:
        raise SpriteError(f"{message}; see --help.")


def parse_config(
    dataclass_types: Sequence[Any],
    config_dir: str | Path,
    default_config: str | None = None,
    description: str | None = None,
    args: Sequence[str] | None = None,
) -> tuple[Any, ...]:
    """Reads ``--config x.yaml`` and the flags that override it into one instance of each dataclass.

    Args:
        config_dir: where a bare name after ``--config`` (``ad6.yaml``, ``ad6``) is looked for.
        default_config: its file that is used where no ``--config`` is given.
        args: command line; `sys.argv` if not given.

    Raises:
        SpriteError: an unknown key or flag (the nearest is suggested), a value of the wrong type, no such file.
    """
    args = [part for arg in (sys.argv[1:] if args is None else args) for part in _split_config_flag(arg)]
    if default_config is not None and "--config" not in args:
        args += ["--config", default_config]
    if "--config" in args:
        position = args.index("--config") + 1
        if position == len(args):
            raise SpriteError("--config needs the path of a YAML file.")
        args[position] = str(_find_config(args[position], Path(config_dir)))
        _check_keys(Path(args[position]), dataclass_types)
    known = {f.name for cls in dataclass_types for f in fields(cls)}
    flags = {*known, *(f"no_{name}" for name in known), "config", "help"}
    for arg in args:
        name = arg[2:].split("=")[0].replace("-", "_")
        if arg.startswith("--") and name not in flags:
            raise SpriteError(f"Unknown flag --{name}.{_suggest(name, known)} See --help.")
    parser = _Parser(dataclass_types, description=description, formatter_class=_Help, allow_abbrev=False)
    return parser.parse_args_and_config(args)


def _split_config_flag(arg: str) -> list[str]:
    return ["--config", arg.removeprefix("--config=")] if arg.startswith("--config=") else [arg]


def _find_config(name: str, config_dir: Path) -> Path:
    for candidate in (Path(name), config_dir / name, config_dir / f"{name}.yaml"):
        if candidate.is_file():
            return candidate
    available = ", ".join(sorted(path.name for path in config_dir.glob("*.yaml")))
    raise SpriteError(f"--config {name}: no such file. In {config_dir} there are: {available or 'none'}.")


def _check_keys(path: Path, dataclass_types: Sequence[Any]) -> None:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise SpriteError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise SpriteError(f"{path} must hold a mapping of settings, one 'name: value' per line.")
    known = {f.name for cls in dataclass_types for f in fields(cls)}
    for key in content:
        if key not in known | {"env"}:
            raise SpriteError(f"{path}: unknown key {key!r}.{_suggest(str(key), known)} See --help for all of them.")


def _suggest(name: str, known: set[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f" Did you mean {close[0]!r}?" if close else ""
