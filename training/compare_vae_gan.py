"""Trains a variational autoencoder and a GAN on the same images, with the same number of them, and compares them."""

from pathlib import Path

from sprite_diffusers.scripts import run_script
from sprite_diffusers.trainers.config import DataConfig, TrainerConfig, parse_config
from sprite_diffusers.trainers.gan.settings import GANConfig, GeneratorConfig, VAEConfig
from sprite_diffusers.trainers.gan.study.comparison import CompareConfig, CompareSettings, compare_vae_gan


def main() -> None:
    settings = parse_config(
        [TrainerConfig, DataConfig, GeneratorConfig, GANConfig, VAEConfig, CompareConfig],
        config_dir=Path(__file__).parent / "configs",
        default_config="vae_gan.yaml",
        description=__doc__,
    )
    page = compare_vae_gan(CompareSettings(*settings))
    print(f"page: {page}")
    print(f"HTML: {page.with_suffix('.html')}")


if __name__ == "__main__":
    run_script(main)
