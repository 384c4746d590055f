"""What an unCLIP decoder reads of CLIP's embeddings. One self-contained file: it is published beside the weights."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config


class UnCLIPTextProjection(ModelMixin, ConfigMixin):
    """CLIP's image and text embeddings as an unCLIP decoder takes them (https://arxiv.org/abs/2204.06125, section 2.1).

    Both embeddings together become what is added to the time embedding; the image's also becomes tokens in front of the
    text's. Settings and weights are those of the ``UnCLIPTextProjModel`` that Karlo is published with.

    Args:
        clip_extra_context_tokens: tokens made of the image embedding.
        clip_embeddings_dim: width of CLIP's embeddings and of its text encoder's hidden states.
        time_embed_dim: width of the decoder's time embedding.
        cross_attention_dim: width of the tokens that the decoder attends to.
    """

    @register_to_config
    def __init__(
        self,
        clip_extra_context_tokens: int = 4,
        clip_embeddings_dim: int = 768,
        time_embed_dim: int = 1280,
        cross_attention_dim: int = 1536,
    ):
        super().__init__()
        self.learned_classifier_free_guidance_embeddings = torch.nn.Parameter(torch.zeros(clip_embeddings_dim))
        self.embedding_proj = torch.nn.Linear(clip_embeddings_dim, time_embed_dim)
        self.clip_image_embeddings_project_to_time_embeddings = torch.nn.Linear(clip_embeddings_dim, time_embed_dim)
        self.clip_extra_context_tokens_proj = torch.nn.Linear(
            clip_embeddings_dim, clip_extra_context_tokens * cross_attention_dim
        )
        self.encoder_hidden_states_proj = torch.nn.Linear(clip_embeddings_dim, cross_attention_dim)
        self.text_encoder_hidden_states_norm = torch.nn.LayerNorm(cross_attention_dim)

    @classmethod
    def extract_init_dict(cls, config_dict: dict[str, Any], **kwargs: Any) -> Any:
        """As in diffusers, without what a folder with code tells `AutoModel`."""
        own = {name: value for name, value in config_dict.items() if name != "auto_map"}
        return super().extract_init_dict(own, **kwargs)

    def forward(
        self,
        image_embeddings: torch.Tensor,
        prompt_embeds: torch.Tensor,
        text_encoder_hidden_states: torch.Tensor,
        do_classifier_free_guidance: bool = False,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Context and time embeddings of the decoder.

        Args:
            image_embeddings: ``(batch, clip_embeddings_dim)``.
            prompt_embeds: CLIP's embeddings of the texts, ``(batch, clip_embeddings_dim)``; with guidance twice as many,
                first those that it leads away from.
            text_encoder_hidden_states: of as many texts, ``(batch, tokens, clip_embeddings_dim)``.
            do_classifier_free_guidance: puts the learned embedding of no image in front, once per image.

        Returns:
            Context ``(batch, clip_extra_context_tokens + tokens, cross_attention_dim)``, and what is added to the time
            embedding ``(batch, time_embed_dim)``.

        Raises:
            ValueError: another number of texts than of images.
        """
        if do_classifier_free_guidance:
            no_image = self.learned_classifier_free_guidance_embeddings.expand(len(image_embeddings), -1)
            image_embeddings = torch.cat([no_image, image_embeddings])
        if not len(image_embeddings) == len(prompt_embeds) == len(text_encoder_hidden_states):
            raise ValueError(
                f"There are {len(image_embeddings)} image embeddings, {len(prompt_embeds)} text embeddings and the hidden "
                f"states of {len(text_encoder_hidden_states)} texts, but there must be one of each per image."
            )
        time_embeddings = self.clip_image_embeddings_project_to_time_embeddings(
            image_embeddings
        ) + self.embedding_proj(prompt_embeds)
        # The weights' layout has the tokens innermost.
        image_tokens = self.clip_extra_context_tokens_proj(image_embeddings).unflatten(
            1, (-1, self.config.clip_extra_context_tokens)
        )
        text_tokens = self.text_encoder_hidden_states_norm(self.encoder_hidden_states_proj(text_encoder_hidden_states))
        return torch.cat([image_tokens.transpose(1, 2), text_tokens], dim=1), time_embeddings
