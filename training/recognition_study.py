"""From which step what a GAN draws can be recognised, by a classifier's verdict on the snapshots of its training."""

from pathlib import Path

from sprite_diffusers.scripts import ArgumentParser, run_script


def build_parser() -> ArgumentParser:
    parser = ArgumentParser(description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    add(
        "runs", type=Path, nargs="+", metavar="RUN_DIR", help="folders that training/train_gan.py made, with snapshots"
    )
    add("--classifier", required=True, help="folder that training/train_classifier.py made on the same images")
    add("--dataset", required=True, help="those images, on which the classifier is tested")
    add("--background", default="black", help="colour around and behind them (default: %(default)s)")
    add("--num_samples", type=int, default=2000, help="images per snapshot (default: %(default)s)")
    add("--confidence", type=float, default=0.9,
        help="an image is recognised from this probability of one class (default: %(default)s)")  # fmt: skip
    add("--seed", type=int, default=0, help="of the noise, the same for all snapshots (default: %(default)s)")
    add("--output_dir", type=Path, default=Path("outputs/recognition"), help="default: %(default)s")
    return parser


def main() -> None:
    options = build_parser().parse_args()
    # here, because it takes seconds that --help need not
    from sprite_diffusers.trainers.gan.study.recognition import study_recognition

    page = study_recognition(
        options.runs,
        options.classifier,
        options.dataset,
        options.output_dir,
        num_samples=options.num_samples,
        confidence=options.confidence,
        seed=options.seed,
        background=options.background,
    )
    print(page.read_text(encoding="utf-8").split("\n## ")[0])
    print(f"page: {page}")


if __name__ == "__main__":
    run_script(main)
