"""What a CLIP sees of an image, to the bit as from its image processor, and yet with a gradient."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ..models.clip import ClipPreprocessing, LoadedClip, load_clip

RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


class BytePreprocessing(ClipPreprocessing):
    """Resizes bytes with Pillow, as the image processors that the published scores were made with.

    A float image is rounded to 256 levels first, as in a file. The gradient is that of resizing on tensors, the values
    are those of Pillow (straight-through): a score is the same with and without a gradient.
    """

    def _resize(self, pixels: torch.Tensor) -> torch.Tensor:
        height, width = pixels.shape[-2:]
        size = self.size
        if isinstance(size, int):
            short = min(height, width)
            size = (int(size * height / short), int(size * width / short))
        arrays = (pixels.detach().clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
        if size is not None:
            across_down = (size[1], size[0])
            resample = RESAMPLING[self.interpolation]
            arrays = np.stack([np.array(Image.fromarray(array).resize(across_down, resample)) for array in arrays])
        exact = torch.from_numpy(arrays).to(pixels.device).permute(0, 3, 1, 2).float() / 255
        if not (torch.is_grad_enabled() and pixels.requires_grad):
            return exact
        smooth = super()._resize(pixels)
        return smooth + (exact - smooth).detach()


def scoring_clip(
    clip: LoadedClip | str | Path, device: str | torch.device = "cpu", processor: str | Path | None = None
) -> LoadedClip:
    """A CLIP whose `image_features` are those of its published image processor.

    Args:
        clip: loaded (it is put into evaluation mode), or a folder or Hub id.
        device: where it runs, unless it is loaded already.
        processor: folder or Hub id of tokenizer and image processor, where they are not beside the weights.

    Raises:
        SpriteError: it cannot be had, or is no CLIP.
    """
    loaded = clip if isinstance(clip, LoadedClip) else load_clip(clip, device, processor)
    loaded.model.eval()
    return replace(loaded, preprocessing=BytePreprocessing(**vars(loaded.preprocessing)))
