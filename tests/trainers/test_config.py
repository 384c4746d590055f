"""Settings: YAML, flags over YAML, and mistakes in either."""

from __future__ import annotations

from pathlib import Path

import pytest

from sprite_diffusers.errors import SpriteError
from sprite_diffusers.objectives import build_objective
from sprite_diffusers.trainers.clip import FEW_PAIRS, ClipConfig
from sprite_diffusers.trainers.clip_data import ClipDataConfig
from sprite_diffusers.trainers.config import (
    AutoencoderConfig,
    ClassCondConfig,
    DataConfig,
    LatentConfig,
    ObjectiveConfig,
    PaletteConfig,
    TrainerConfig,
    UNetConfig,
    parse_config,
)
from sprite_diffusers.trainers.distillation.settings import DistillConfig
from sprite_diffusers.trainers.gan.settings import GANConfig, GeneratorConfig, VAEConfig
from sprite_diffusers.trainers.gan.study.comparison import CompareConfig
from sprite_diffusers.trainers.reward_models.settings import RewardModelConfig
from sprite_diffusers.trainers.rl.run import PromptConfig
from sprite_diffusers.trainers.rl.settings import RewardConfig as RLRewardConfig
from sprite_diffusers.trainers.rl.settings import RLConfig
from sprite_diffusers.trainers.rl.study.run import StudyConfig
from sprite_diffusers.trainers.sentiment.settings import LSTMSettings, TextDataConfig, TextTrainerConfig
from sprite_diffusers.trainers.stages import StagesConfig
from sprite_diffusers.trainers.text_to_sprite.settings import (
    AlignmentStageConfig,
    CaptionDataConfig,
    DiffusionStageConfig,
    TextConfig,
    VAEStageConfig,
)
from sprite_diffusers.trainers.unclip.settings import (
    DecoderStageConfig,
    PriorStageConfig,
    SuperResStageConfig,
    UnclipDataConfig,
)

CONFIGS = Path(__file__).parents[2] / "training" / "configs"
UNCONDITIONAL = (TrainerConfig, DataConfig, UNetConfig, ObjectiveConfig)
CONDITIONAL = (*UNCONDITIONAL, ClassCondConfig)
LATENT = (*CONDITIONAL, LatentConfig)
AUTOENCODER = (TrainerConfig, DataConfig, AutoencoderConfig)
DISTILL = (TrainerConfig, DataConfig, DistillConfig)
GAN = (TrainerConfig, DataConfig, GeneratorConfig, GANConfig)
VAE_GAN = (*GAN, VAEConfig, CompareConfig)
CLIP = (TrainerConfig, ClipDataConfig, ClipConfig)
REWARDS = (TrainerConfig, ClipDataConfig, RewardModelConfig)
RL = (TrainerConfig, RLConfig, RLRewardConfig, PromptConfig)
RL_STUDY = (*RL, StudyConfig)
STAGES = (TrainerConfig, CaptionDataConfig, TextConfig, VAEStageConfig, DiffusionStageConfig, ObjectiveConfig,
          AlignmentStageConfig, StagesConfig)  # fmt: skip
SENTIMENT = (TextTrainerConfig, TextDataConfig, LSTMSettings)
UNCLIP = (TrainerConfig, UnclipDataConfig, PriorStageConfig, DecoderStageConfig, SuperResStageConfig, StagesConfig)


def parse(*args: str, types=CONDITIONAL, default: str | None = None):
    return parse_config(types, CONFIGS, default, args=list(args))


def test_flags_override_yaml_and_yaml_overrides_defaults(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("learning_rate: 3e-3\ntrain_batch_size: 32\nblock_out_channels: [16, 32]\nuse_ema: false\n")
    trainer, _, unet, *_ = parse("--config", str(path), "--train_batch_size", "64")
    assert (trainer.learning_rate, trainer.train_batch_size, trainer.use_ema) == (3e-3, 64, False)
    assert unet.block_out_channels == [16, 32]
    assert trainer.max_grad_norm == 1.0


def test_a_list_of_a_file_can_be_taken_back():
    assert parse("--config", "gan_mnist", types=GAN)[3].diff_augment == ["translation"]
    taken_back = ("--diff_augment", "--r1_weight", "0.5")
    *_, gan = parse("--config", "gan_mnist", *taken_back, types=GAN)
    assert (gan.diff_augment, gan.r1_weight) == ([], 0.5)
    with pytest.raises(SpriteError, match="expected at least one argument"):
        parse("--block_out_channels")


def test_a_palette_is_no_part_of_a_recipe():
    types = (*CONDITIONAL, PaletteConfig)
    assert parse(types=types, default="default.yaml")[-1].palette is None
    assert parse("--palette", "auto:16", types=types, default="default.yaml")[-1].palette == "auto:16"


def test_default_config_is_used_unless_another_is_named(tmp_path):
    assert parse(default="default.yaml")[3].prediction_type == "flow"
    assert parse("--config", "ad3", default="default.yaml")[3].prediction_type == "epsilon"
    assert parse("--config=ad6.yaml")[4].guidance_scale > 1


def types_of(path: Path) -> tuple:
    """Which launch script a config of the house is for, by what it sets."""
    text = path.read_text()
    if "\nestimator:" in text:
        return RL_STUDY if "\nfolds:" in text else RL
    if "\nstudent_steps:" in text:
        return DISTILL
    if "\nadversarial_loss:" in text:
        return VAE_GAN if "\nnum_seeds:" in text else GAN
    if "\ndecoder_block_out_channels:" in text:
        return UNCLIP
    if "\nstage1_learning_rate:" in text:
        return STAGES
    if "\ntruncation_side:" in text:
        return SENTIMENT
    if "\naesthetic_minutes:" in text:
        return REWARDS
    if "\narchitecture:" in text:
        return CLIP
    if "\nautoencoder:" in text:
        return AUTOENCODER
    if "\nconditional:" in text or "\ndenoiser:" in text:
        return LATENT
    return CONDITIONAL if "class_dropout" in text else UNCONDITIONAL


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_config_of_the_house_is_valid(path):
    types = types_of(path)
    more = {
        LATENT: ["--pretrained_autoencoder", "autoencoder"],
        STAGES: ["--dataset", "sprites"],
        SENTIMENT: ["--dataset", "reviews"],
        REWARDS: ["--clip", "clip"],
        UNCLIP: ["--clip", "clip"],
        RL: ["--pipeline", "pipeline"],
        DISTILL: ["--teacher", "teacher"],
    }.get(types, [])
    settings = dict(zip(types, parse("--config", str(path), *more, types=types), strict=True))
    if ObjectiveConfig in types:
        options = {
            key: value for key, value in vars(settings[ObjectiveConfig]).items() if key != "num_inference_steps"
        }
        assert build_objective(**options).num_train_timesteps == settings[ObjectiveConfig].num_train_timesteps


def test_the_clip_of_stage_3_is_trained_as_the_config_says():
    trainer, data, clip = parse("--config", "clip_pokemon", types=CLIP)
    assert {name: getattr(trainer, name) for name in FEW_PAIRS["trainer"]} == FEW_PAIRS["trainer"]
    assert {name: getattr(data, name) for name in FEW_PAIRS["data"]} == FEW_PAIRS["data"]
    assert clip == ClipConfig(**FEW_PAIRS["clip"])


def test_originals_are_as_reported():
    trainer, _data, unet, objective, condition = parse("--config", "ad3")
    assert (objective.num_train_timesteps, objective.noise_schedule, objective.prediction_type) == (
        300,
        "linear",
        "epsilon",
    )
    assert (trainer.train_batch_size, trainer.num_train_epochs, trainer.learning_rate) == (256, 50, 2e-4)
    assert (trainer.use_ema, condition.class_dropout, condition.guidance_scale) == (False, 0.0, 1.0)
    assert unet.block_out_channels == [32, 64, 128]
    _, _, unet, objective, condition = parse("--config", "ad6")
    assert (objective.num_train_timesteps, objective.noise_schedule) == (400, "cosine")
    assert unet.resnet_time_scale_shift == "scale_shift"
    assert condition.class_dropout > 0


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--learning_rat", "1"], "Unknown flag --learning_rat. Did you mean 'learning_rate'?"),
        (["--config", "nowhere.yaml"], "nowhere.yaml: no such file"),
        (["--config"], "--config needs the path"),
        (["--train_batch_size", "many"], "invalid int value: 'many'"),
        (["--prediction_type", "score"], "invalid choice"),
        (["--max_train_minutes", "0"], "--max_train_minutes is 0.0, but must be above 0"),
        (["--class_dropout", "1"], "--class_dropout is 1.0"),
        (["--class_dropout", "0", "--guidance_scale", "2"], "trains no null class"),
        (["--push_to_hub"], "--push_to_hub needs --hub_model_id"),
    ],
)
def test_mistakes_are_one_clear_line(args, message):
    with pytest.raises(SpriteError) as error:
        parse(*args)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("learning_rte: 1\n", "unknown key 'learning_rte'. Did you mean 'learning_rate'?"),
        ("- 1\n", "must hold a mapping"),
        ("a: [1\n", "is not valid YAML"),
        ("train_batch_size: lots\n", "invalid int value: 'lots'"),
    ],
)
def test_mistakes_in_yaml_are_one_clear_line(tmp_path, text, message):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(SpriteError) as error:
        parse("--config", str(path))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_five_minutes_are_the_limit_if_none_is_given():
    assert TrainerConfig().max_train_minutes == 5
    assert TrainerConfig(max_train_steps=10).max_train_minutes is None


def test_latent_originals_are_as_reported():
    trainer, _, _, objective, _, latent = parse("--config", "exp4", "--pretrained_autoencoder", "ae", types=LATENT)
    assert (objective.num_train_timesteps, trainer.train_batch_size, trainer.learning_rate) == (200, 128, 1e-3)
    assert (trainer.num_train_epochs, latent.conditional, latent.denoiser) == (100, False, "mlp")
    _, _, denoising = parse("--config", "exp1_dae", types=AUTOENCODER)
    assert (denoising.autoencoder, denoising.latent_dim) == ("ae", 64)
    assert (denoising.input_noise, denoising.noise_strength) == ("gaussian", 0.15)
    _, _, plain = parse("--config", "exp1_ae", types=AUTOENCODER)
    assert vars(plain) == {**vars(denoising), "input_noise": "none"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"latent_channels": 0}, "--latent_channels is 0, but must be 1 or more"),
        ({"revive_steps": 0}, "--revive_steps is 0, but must be 1 or more"),
        ({"latent_dim": -1}, "--latent_dim is -1, but must be 0 or more"),
        ({"kl_weight": -0.1}, "--kl_weight is -0.1, but must be 0 or more"),
        ({"kl_warmup": 1.5}, "--kl_warmup is 1.5, but must be from 0 to 1"),
        ({"noise_strength": -0.1}, "--noise_strength is -0.1, but must be from 0 to 1"),
        ({"block_out_channels": []}, "--block_out_channels is [], but needs one or more multiples of 8"),
        ({"block_out_channels": [12]}, "--block_out_channels is [12], but needs one or more multiples of 8"),
        ({"autoencoder": "ae", "block_out_channels": [0]}, "--block_out_channels is [0]"),
        ({"perceptual": "classifier"}, "--perceptual classifier needs --perceptual_model"),
    ],
)
def test_autoencoders_that_cannot_be(options, message):
    with pytest.raises(SpriteError) as error:
        AutoencoderConfig(**options)
    assert message in str(error.value)


def test_widths_are_multiples_of_groups_only_where_there_are_groups():
    assert AutoencoderConfig(autoencoder="ae", block_out_channels=[12]).block_out_channels == [12]
    assert AutoencoderConfig(autoencoder="vq", block_out_channels=[12], norm_num_groups=4).norm_num_groups == 4


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "--pretrained_autoencoder is missing: train one with training/train_autoencoder.py"),
        (["--pretrained_autoencoder", "ae", "--num_layers", "0"], "--num_layers is 0, but must be 1 or more"),
        (["--pretrained_autoencoder", "ae", "--hidden_size", "-1"], "--hidden_size is -1"),
        (["--pretrained_autoencoder", "ae", "--denoiser", "dit"], "invalid choice: 'dit'"),
    ],
)
def test_mistakes_in_latent_settings(args, message):
    with pytest.raises(SpriteError) as error:
        parse(*args, types=LATENT)
    assert message in str(error.value)
