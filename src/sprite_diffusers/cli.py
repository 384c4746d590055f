"""The ``sprite-diffusers`` command."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .demo_command import DEMO_EXAMPLES, add_demo_arguments, run_demo
from .drawing import add_mode_arguments
from .pixels_command import (
    PIXELATE_EXAMPLES,
    add_color_arguments,
    add_pixelate_arguments,
    run_pixelate,
)
from .sample_command import SAMPLE_EXAMPLES, add_sample_arguments, run_sample
from .scripts import ArgumentParser, run_script
from .sheet_command import SHEET_EXAMPLES, add_sheet_arguments, run_sheet

DESCRIPTION = "Small pixel-art diffusion models: look at your sprites, draw new ones, and measure how good they are."

EVALUATE_EXAMPLES = """examples:
  python training/train_classifier.py --dataset my_sprites --image_size 16
  sprite-diffusers evaluate outputs/my-model --dataset my_sprites
  sprite-diffusers evaluate outputs/my-model --dataset my_sprites --num_samples 2000 --guidance_scale 1.5 --out scores/

The data must be what the model was trained on, read with the same settings; image size and mode are the model's.
"""


def build_parser() -> argparse.ArgumentParser:
    """The command's arguments; each subcommand sets ``run``, a function of the parsed arguments."""
    parser = ArgumentParser(prog="sprite-diffusers", description=DESCRIPTION)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for add in (_add_sample, _add_sheet, _add_pixelate, _add_evaluate, _add_audit, _add_report, _add_demo):
        add(commands)
    return parser


def _add_command(commands: Any, name: str, summary: str, description: str, examples: str = "") -> ArgumentParser:
    return commands.add_parser(
        name,
        help=summary,
        description=description,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _add_sample(commands: Any) -> None:
    sample = _add_command(
        commands,
        "sample",
        "draw sprites with a trained model",
        "Draws sprites with a trained pipeline folder (or Hub id) and saves them as one sheet: as many of each class, each with\n"
        "a seed of its own, by which it can be drawn again. The seeds are printed, and kept in a .png.",
        SAMPLE_EXAMPLES,
    )
    add_sample_arguments(sample, _positive)
    _add_what_to_draw(sample)
    _add_sampling_options(sample)
    add_color_arguments(sample)
    sample.set_defaults(run=run_sample)


def _add_sheet(commands: Any) -> None:
    sheet = _add_command(
        commands,
        "sheet",
        "make a sprite sheet for a game engine",
        "Makes a sheet of sprites or animations, with what Aseprite, Godot, Unity and others need to cut it: out of images,\n"
        "a data set, a GIF or another sheet, or of sprites that a trained model draws.",
        SHEET_EXAMPLES,
    )
    add_sheet_arguments(sheet)
    _add_what_to_draw(sheet)
    _add_sampling_options(sheet)
    add_color_arguments(sheet)
    sheet.set_defaults(run=run_sheet)


def _add_pixelate(commands: Any) -> None:
    pixelate = _add_command(
        commands,
        "pixelate",
        "make clean pixel art of pictures",
        "Finds out by which factor pixel art was enlarged (also in a JPEG), brings it back to its own pixels, and gives it\n"
        "hard alpha and, if asked, the colours of a palette.",
        PIXELATE_EXAMPLES,
    )
    add_pixelate_arguments(pixelate)
    add_color_arguments(pixelate)
    pixelate.set_defaults(run=run_pixelate)


def _add_evaluate(commands: Any) -> None:
    evaluate = _add_command(
        commands,
        "evaluate",
        "measure a trained model against held-out sprites",
        "Draws sprites with a trained model and compares them with held-out sprites of the data set: distances beside\n"
        "their floor (real sprites scored in the same way), diversity, class accuracy, copies of training sprites,\n"
        "colours, time. Prints the table, writes it with plots to DIR/evaluation, logs it to the model's MLflow run\n"
        "and puts the figures into the model card.",
        EVALUATE_EXAMPLES,
    )
    evaluate.add_argument("model", metavar="DIR", help="pipeline folder, or Hub id")
    evaluate.add_argument(
        "--dataset", required=True, help="the training data: 'synthetic', a folder, .npz, .npy, or Hub id"
    )
    evaluate.add_argument("--labels", help="labels .npy for an images .npy")
    evaluate.add_argument("--class_names", nargs="+", help="names of the classes, where the data has none")
    evaluate.add_argument(
        "--background", default="white", help="colour behind transparent pixels of RGB models (default: %(default)s)"
    )
    evaluate.add_argument(
        "--validation_split",
        type=float,
        default=0.1,
        help="share held out, where the data is not split (default: %(default)s)",
    )
    evaluate.add_argument(
        "--classifier",
        help="folder or Hub id of the auxiliary classifier (default: what training/train_classifier.py left in outputs/ "
        "for this data)",
    )
    evaluate.add_argument(
        "--clip",
        help="text-to-sprite models: folder or Hub id of the CLIP that judges (default: what training left in DIR)",
    )
    evaluate.add_argument(
        "--num_samples", type=_positive, help="sprites to draw (default: as many as are held out, at most 2000)"
    )
    _add_sampling_options(evaluate)
    evaluate.add_argument("--out", type=Path, help="folder for scores and plots (default: DIR/evaluation)")
    evaluate.set_defaults(run=run_evaluate)


def _add_audit(commands: Any) -> None:
    audit = _add_command(
        commands,
        "audit",
        "look at a data set before training on it",
        "Reads a data set as it is and writes one page (HTML and Markdown) about it: class balance, duplicates, palettes,\n"
        "alpha, enlarged sprites, statistics per class, outliers, and what to do about what it found.",
        "examples:\n  sprite-diffusers audit my_sprites\n  sprite-diffusers audit my_sprites.npz --out audits/mine\n",
    )
    audit.add_argument("dataset", metavar="DATASET", help="'synthetic', a folder, .npz, .npy, or Hub id")
    audit.add_argument("--labels", help="labels .npy for an images .npy")
    audit.add_argument("--class_names", nargs="+", help="names of the classes, where the data has none")
    audit.add_argument("--max_images", type=_positive, help="look at so many images, drawn at random (default: all)")
    audit.add_argument("--seed", type=int, default=0, help="of what is drawn at random (default: %(default)s)")
    audit.add_argument("--out", type=Path, help="folder for the page (default: outputs/audit-<data set>)")
    audit.set_defaults(run=run_audit)


def _add_report(commands: Any) -> None:
    report = _add_command(
        commands,
        "report",
        "write the results page from MLflow",
        "Reads the MLflow store (MLFLOW_TRACKING_URI, or sqlite:///mlflow.db) and nothing else, and writes one page that\n"
        "compares the experiments: the best finished and evaluated run of each, and by name what is incomplete.",
        "examples:\n  sprite-diffusers report\n  sprite-diffusers report --lang es --out docs/resultados.md\n",
    )
    report.add_argument(
        "--out",
        type=Path,
        default=Path("docs/results.md"),
        help="the page; the HTML goes beside it (default: %(default)s)",
    )
    report.add_argument("--experiments", nargs="+", metavar="NAME", help="only these (default: all)")
    report.add_argument(
        "--no_training_images",
        action="store_true",
        help="leave out the pictures that show training images, for a page that is published without the data",
    )
    report.add_argument("--lang", default="en", help="en or es (default: %(default)s)")
    report.set_defaults(run=run_report)


def _add_demo(commands: Any) -> None:
    demo = _add_command(
        commands,
        "demo",
        "try models in a browser",
        "Serves a page on this machine: draw, change and animate sprites, export sheets, compare models, train one.",
        DEMO_EXAMPLES,
    )
    add_demo_arguments(demo)
    demo.set_defaults(run=run_demo)


def _add_what_to_draw(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--class", dest="classes", nargs="+", metavar="NAME",
        help="classes to draw, by name or id; all of them if not given (class-conditional models)",
    )  # fmt: skip
    parser.add_argument("--prompt", nargs="+", metavar="TEXT", help="descriptions to draw (text-to-sprite models)")
    parser.add_argument("--transparent", action="store_true", help="without background (text-to-sprite models)")
    add_mode_arguments(parser)


def _add_sampling_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--seed", type=int, default=0, help="the same seed gives the same sprites (default: %(default)s)"
    )
    parser.add_argument("--num_inference_steps", type=_positive, help="denoising steps (default: the model's own)")
    parser.add_argument(
        "--guidance_scale", type=float, help="pull towards the class, 1 is none (default: the model's own)"
    )
    parser.add_argument("--batch_size", type=_positive, default=64, help="sprites at a time (default: %(default)s)")
    parser.add_argument("--device", help="cpu, cuda, mps ... (default: a GPU if there is one)")


def run_evaluate(args: argparse.Namespace) -> None:
    """``sprite-diffusers evaluate``: scores a model, and keeps the scores where the model and its run are."""
    import torch
    from accelerate import PartialState

    from . import hub, tracking
    from .evaluation import Reference, TextReference, evaluate, evaluate_text, save_evaluation, save_text_evaluation
    from .evaluation.sampling import takes_prompts

    pipeline = hub.load_pipeline(args.model)
    pipeline.to(args.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    options = {
        "num_samples": args.num_samples,
        "seed": args.seed,
        "batch_size": args.batch_size,
        "num_inference_steps": args.num_inference_steps,
        "guidance_scale": args.guidance_scale,
        "progress": True,
    }
    if takes_prompts(pipeline):
        text_reference = TextReference.for_pipeline(pipeline, args.dataset, args.clip, background=args.background)
        scores = evaluate_text(pipeline, text_reference, **options)
    else:
        reference = Reference.for_pipeline(
            pipeline,
            args.dataset,
            args.classifier,
            background=args.background,
            labels=args.labels,
            class_names=args.class_names,
            validation_split=args.validation_split,
        )
        scores = evaluate(pipeline, reference, **options)
    if not PartialState().is_main_process:
        return
    print(scores.table())
    folder = Path(args.model)
    out = args.out or (folder / "evaluation" if folder.is_dir() else Path("outputs", f"evaluation-{folder.name}"))
    if takes_prompts(pipeline):
        files = save_text_evaluation(scores, text_reference, out)
    else:
        files = save_evaluation(scores, reference, out)
    print(f"scores:  {out}")
    if folder.is_dir():
        hub.add_results(folder, Path(args.dataset).name, scores.metrics, scores.table())
        print(f"card:    {folder / 'README.md'}")
        print(f"MLflow:  {tracking.log_evaluation(folder, scores, files)}")


def run_audit(args: argparse.Namespace) -> None:
    """``sprite-diffusers audit``: one page about a data set."""
    from .data.audit import audit

    name = Path(args.dataset).stem or "data"
    out = args.out or Path("outputs", f"audit-{name}")
    report = audit(
        args.dataset,
        out,
        labels=args.labels,
        class_names=args.class_names,
        max_images=args.max_images,
        seed=args.seed,
    )
    print(report.summary())


def run_report(args: argparse.Namespace) -> None:
    """``sprite-diffusers report``: the results page from MLflow."""
    from .report import build_report

    result = build_report(
        args.out, experiments=args.experiments, lang=args.lang, training_images=not args.no_training_images
    )
    for note in result.left_out:
        print(f"left out: {note}")
    print(f"page: {result.markdown}")
    print(f"HTML: {result.html}")


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return value


def main() -> None:
    """Entry point of ``sprite-diffusers``."""

    def run() -> None:
        args = build_parser().parse_args()
        args.run(args)

    run_script(run)


if __name__ == "__main__":
    main()
