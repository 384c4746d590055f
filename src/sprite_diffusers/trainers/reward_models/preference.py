"""Scorers of an image for a prompt, from pairs of a better and a worse image: PickScore's form, and HPSv2's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from ...errors import SpriteError
from ...models.clip import LoadedClip, save_clip
from ...rewards.hps import CHECKPOINTS, CONFIG_FILE
from ..clip import MAX_LOGIT_SCALE, contrastive_loss
from ..clip_data import ClipSplit
from ..config import TrainerConfig
from .base import PairBatch, RewardTrainer
from .settings import RewardModelConfig, RewardModelSettings

HPS_FILE = CHECKPOINTS["v2.1"]


def preference_loss(scores: torch.Tensor, preferred: torch.Tensor) -> torch.Tensor:
    """Divergence of the choices that scores predict from those that were made (https://arxiv.org/abs/2305.01569, eq. 1, 2).

    Args:
        scores: ``(N, 2)``, exp(logit_scale) times the cosine of the prompt and each of two images.
        preferred: ``(N, 2)``: (1, 0) for the first, (0.5, 0.5) for a tie.
    """
    return F.kl_div(scores.log_softmax(dim=1), preferred, reduction="batchmean")


def pairwise_loss(logits: torch.Tensor, texts: list[str]) -> torch.Tensor:
    """Mean `preference_loss` of two pairs per prompt: its sprite before the spoilt one, and before the next prompt's.

    Args:
        logits: ``(N, 2N)`` scores of N prompts and their sprites, clean ones, then spoilt ones.
        texts: the prompts; where the next is the same, the two are a tie.
    """
    count, rows = len(texts), torch.arange(len(texts), device=logits.device)
    own, spoilt, other = logits[rows, rows], logits[rows, rows + count], logits[rows, (rows + 1) % count]
    tie = torch.tensor([text == texts[row - count + 1] for row, text in enumerate(texts)], device=logits.device)
    first = torch.cat([torch.ones_like(own), 1 - 0.5 * tie])
    scores = torch.cat([torch.stack([own, spoilt], dim=1), torch.stack([own, other], dim=1)])
    return preference_loss(scores, torch.stack([first, 1 - first], dim=1))


class PickScoreTrainer(RewardTrainer):
    """Tunes a `CLIPModel` to prefer clean sprites to spoilt ones, and to those of another caption.

    Args:
        config, settings, splits, fingerprint: see `RewardTrainer`.
        clip: where it starts from; it is changed.

    Raises:
        SpriteError: a CLIP of another architecture.
    """

    name = "pickscore"

    def __init__(
        self,
        config: TrainerConfig,
        settings: RewardModelSettings,
        clip: LoadedClip,
        splits: dict[str, ClipSplit],
        fingerprint: str,
    ):
        kind = clip.model.config.model_type
        if kind != "clip":
            raise SpriteError(
                f"--clip {settings.reward.clip} holds a {kind!r}, but PickScore's form needs a CLIPModel: train one with "
                "training/train_clip.py --architecture clip."
            )
        self.clip, self.origin = clip, clip.fingerprint
        clip.model.requires_grad_(True)
        super().__init__(config, settings, clip.model, splits, fingerprint)

    def training_step(self, micro_step: int) -> torch.Tensor:
        batch = self.batch(micro_step)
        tokens = self.clip.tokenize(batch.texts)
        with torch.no_grad():
            self.clip.model.logit_scale.clamp_(max=MAX_LOGIT_SCALE)
        output = self.model(
            input_ids=tokens["input_ids"].to(self.accelerator.device),
            attention_mask=tokens["attention_mask"].to(self.accelerator.device),
            pixel_values=self.clip.preprocessing(self.unit(torch.cat([batch.clean, batch.spoilt]))),
        )
        return pairwise_loss(output.logits_per_text.float(), batch.texts)

    def scores(self, pixels: torch.Tensor, texts: list[str]) -> torch.Tensor:
        cosine = (self.clip.image_features(self.unit(pixels)) * self.clip.text_features(texts)).sum(dim=1)
        return cosine * self.clip.model.logit_scale.exp()

    def save_scorer(self, directory: Path) -> None:
        save_clip(self.clip, directory)

    def facts(self) -> dict[str, Any]:
        return super().facts() | {"clip_fingerprint": self.origin}


class HPSTrainer(RewardTrainer):
    """Trains a small open_clip network from nothing: to match sprites and captions, and to prefer clean sprites.

    The contrastive loss teaches it what captions mean; the pairs are those of `pairwise_loss`.

    Args:
        config, settings, splits, fingerprint: see `RewardTrainer`.

    Raises:
        SpriteError: open_clip is not installed.
    """

    name = "hps"

    def __init__(
        self, config: TrainerConfig, settings: RewardModelSettings, splits: dict[str, ClipSplit], fingerprint: str
    ):
        try:
            import open_clip
        except ImportError:
            raise SpriteError("HPSv2's form needs open_clip: pip install 'sprite-diffusers[rewards]'.") from None
        self.architecture = hps_architecture(settings.reward, splits["train"].pixels.shape[1])
        torch.manual_seed(config.seed)
        self.network = open_clip.CLIP(**self.architecture)
        self.tokenizer = open_clip.SimpleTokenizer(context_length=settings.reward.hps_context_length)
        self.mean, self.std = open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD
        super().__init__(config, settings, self.network, splits, fingerprint)

    def training_step(self, micro_step: int) -> torch.Tensor:
        batch: PairBatch = self.batch(micro_step)
        with torch.no_grad():
            self.network.logit_scale.clamp_(max=MAX_LOGIT_SCALE)
        with sdpa_kernel(
            SDPBackend.MATH
        ):  # of sequences so short, the other kernels' gradient takes most of a CPU step
            images, texts, scale = self.model(
                self._normalized(torch.cat([batch.clean, batch.spoilt])),
                self.tokenizer(batch.texts).to(self.accelerator.device),
            )
        logits = scale * texts.float() @ images.float().T
        count = len(batch.texts)
        pairs = self.options.hps_pair_weight * pairwise_loss(logits, batch.texts)
        return contrastive_loss(logits[:, :count], batch.texts) + pairs

    def scores(self, pixels: torch.Tensor, texts: list[str]) -> torch.Tensor:
        tokens = self.tokenizer(texts).to(self.accelerator.device)
        images = self.network.encode_image(self._normalized(pixels), normalize=True)
        return (images * self.network.encode_text(tokens, normalize=True)).sum(dim=1)

    def save_scorer(self, directory: Path) -> None:
        description = {"model_cfg": self.architecture, "preprocess_cfg": {}}
        (directory / CONFIG_FILE).write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
        state = {name: tensor.detach().cpu().half() for name, tensor in self.network.state_dict().items()}
        torch.save({"state_dict": state}, directory / HPS_FILE)

    def _normalized(self, pixels: torch.Tensor) -> torch.Tensor:
        unit = self.unit(pixels)
        mean, std = (unit.new_tensor(values)[:, None, None] for values in (self.mean, self.std))
        return (unit - mean) / std


def hps_architecture(options: RewardModelConfig, image_size: int) -> dict[str, Any]:
    """What open_clip builds its network from; `image_size` is a multiple of the patches' side."""
    return {
        "embed_dim": options.hps_width,
        "vision_cfg": {
            "image_size": image_size,
            "layers": options.hps_vision_layers,
            "width": options.hps_width,
            "head_width": 32,
            "patch_size": options.hps_patch_size,
        },
        "text_cfg": {
            "context_length": options.hps_context_length,
            "vocab_size": 49408,
            "width": options.hps_width,
            "heads": options.hps_width // 32,
            "layers": options.hps_text_layers,
        },
    }
