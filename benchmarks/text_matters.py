"""Does the text matter? Colours of 50 prompts that differ in their type, and the match of sprites and captions.

    python benchmarks/text_matters.py outputs/pokemon --dataset path/to/pokemon

reads the folder of a run of all three stages, and measures stage 2 and stage 3 beside each other, on the same noise.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from sprite_diffusers import PokemonLDMPipeline
from sprite_diffusers.data import make_grid
from sprite_diffusers.evaluation import TextReference, evaluate_text, save_text_evaluation, type_colors

STAGES = ("stage2", "stage3")
METRICS = ("retrieval_r1", "retrieval_r5", "fd_pca20", "fd_feature", "memorised", "near_copies", "seconds_per_image")
SHOWN_PROMPTS = 12


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder that training/train_pokemon.py made")
    parser.add_argument("--dataset", required=True, help="the captioned sprites that it was trained on")
    parser.add_argument("--num_inference_steps", type=int, help="the pipeline's own if not given")
    parser.add_argument("--guidance_scale", type=float, help="the pipeline's own if not given")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    options = {
        "num_inference_steps": args.num_inference_steps,
        "guidance_scale": args.guidance_scale,
        "seed": args.seed,
        "progress": True,
    }
    device = "cuda" if torch.cuda.is_available() else "cpu"
    published = PokemonLDMPipeline.from_pretrained(args.run)
    reference = TextReference.for_pipeline(published, args.dataset)
    figures = {}
    for stage in STAGES:
        pipeline = PokemonLDMPipeline.from_pretrained(args.run / stage).to(device)
        scores = evaluate_text(pipeline, reference, **options)
        out = args.run / stage / "evaluation"
        save_text_evaluation(scores, reference, out)
        colors = type_colors(pipeline, background=tuple(pipeline.config.background), **options)
        make_grid([image for row in colors.images[:SHOWN_PROMPTS] for image in row], 6, 1).save(out / "types.png")
        figures[stage] = {
            "scores": {name: scores.metrics[name] for name in METRICS},
            "real": {name: scores.floors.get(name) for name in METRICS},
            "types": {"shares": colors.shares, "intervals": colors.intervals, "shifts": colors.shifts},
        }
        print(f"{stage}\n{scores.table()}")
        for name, share in colors.shares.items():
            low, high = colors.intervals[name]
            shift = f", shift {colors.shifts[name]:+.3f}" if name in colors.shifts else ""
            print(f"{name}: expected direction in {share:.0%} of prompts ({low:.0%} to {high:.0%}){shift}")
    (args.run / "text_matters.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
