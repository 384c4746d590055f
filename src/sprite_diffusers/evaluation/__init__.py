"""One protocol for every generator: `evaluate(samples, reference) -> Scores`."""

from .distances import frechet_distance, kernel_distance, manifold_metrics
from .latent_plots import save_analysis
from .latents import LatentAnalysis, analyse
from .memorisation import Nearest, nearest
from .pixel_stats import palette_metrics, rgb_histograms
from .plots import sample_grid, save_evaluation
from .protocol import PROTOCOL_VERSION, evaluate
from .reference import Reference
from .scores import Scores
from .text_reference import TextReference
from .text_to_sprite import evaluate_text, save_text_evaluation
from .type_colors import type_colors

__all__ = [
    "PROTOCOL_VERSION",
    "LatentAnalysis",
    "Nearest",
    "Reference",
    "Scores",
    "TextReference",
    "analyse",
    "evaluate",
    "evaluate_text",
    "frechet_distance",
    "kernel_distance",
    "manifold_metrics",
    "nearest",
    "palette_metrics",
    "rgb_histograms",
    "sample_grid",
    "save_analysis",
    "save_evaluation",
    "save_text_evaluation",
    "type_colors",
]
