"""Quality of a trained model by strength of guidance, and by scheduler and steps, from the same noise."""

from pathlib import Path

from sprite_diffusers.errors import SpriteError
from sprite_diffusers.scripts import ArgumentParser, run_script


def build_parser() -> ArgumentParser:
    parser = ArgumentParser(description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    add("model", type=Path, metavar="MODEL_DIR", help="pipeline folder")
    add("--dataset", required=True, help="the training data: 'synthetic', a folder, .npz, .npy, or Hub id")
    add("--labels", help="labels .npy for an images .npy")
    add("--class_names", nargs="+", help="names of the classes, where the data has none")
    add("--background", default="white", help="colour behind transparent pixels of RGB models (default: %(default)s)")
    add("--validation_split", type=float, default=0.1, help="share held out (default: %(default)s)")
    add(
        "--classifier",
        help="the auxiliary classifier (default: what train_classifier.py left in outputs/ for this data)",
    )
    add("--guidance_scale", type=float, nargs="+", metavar="W", help="strengths of guidance, 1 is none")
    add("--schedulers", nargs="+", metavar="NAME",
        help="ddpm, ddim, dpmsolver++, unipc, euler; for a flow dpmsolver++, unipc, flow-euler, flow-heun")  # fmt: skip
    add("--num_inference_steps", type=int, nargs="+", default=[5, 10, 25, 50], metavar="N",
        help="denoising steps of the schedulers (default: %(default)s)")  # fmt: skip
    add("--num_samples", type=int, help="sprites per point (default: as many as are held out, at most 2000)")
    add("--seed", type=int, default=0, help="of the noise, the same at every point (default: %(default)s)")
    add("--batch_size", type=int, default=64, help="sprites at a time (default: %(default)s)")
    add("--output_dir", type=Path, help="default: MODEL_DIR/sweeps")
    return parser


def main() -> None:
    options = build_parser().parse_args()
    if not options.guidance_scale and not options.schedulers:
        raise SpriteError(
            "nothing to sweep: give --guidance_scale 1 1.5 2 3 4, --schedulers ddim dpmsolver++, or both."
        )
    if not options.model.is_dir():
        raise SpriteError(f"{options.model}: no such folder; give the one of a trained model.")
    # here, because they take seconds that --help and the above need not
    import torch

    from sprite_diffusers import hub, tracking
    from sprite_diffusers.evaluation import Reference, sweeps

    pipeline = hub.load_pipeline(options.model)
    pipeline.to("cuda" if torch.cuda.is_available() else "cpu")
    sweeps.check(pipeline, options.guidance_scale, options.schedulers, options.num_inference_steps)
    reference = Reference.for_pipeline(
        pipeline,
        options.dataset,
        options.classifier,
        background=options.background,
        labels=options.labels,
        class_names=options.class_names,
        validation_split=options.validation_split,
    )

    folder = options.output_dir or options.model / "sweeps"
    shared = {name: getattr(options, name) for name in ("num_samples", "seed", "batch_size")} | {"progress": True}
    files = []
    if options.guidance_scale:
        sweep = sweeps.guidance_sweep(pipeline, reference, options.guidance_scale, **shared)
        files += sweep.save(folder, "guidance")
    if options.schedulers:
        steps = options.num_inference_steps
        sweep = sweeps.scheduler_sweep(pipeline, reference, options.schedulers, steps, **shared)
        files += sweep.save(folder, "schedulers")
    print("\n".join(str(file) for file in files))
    print(f"MLflow: {tracking.log_files(options.model, files, 'sweeps')}")


if __name__ == "__main__":
    run_script(main)
