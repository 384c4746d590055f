"""Exp5: a class-conditional model for each T (length of the noise schedule) and C (channels), one MLflow run each.

Run again, it goes on where it was. Flags that are not below are those of training/train_cond.py, for all cells.
"""

import sys
from pathlib import Path

from sprite_diffusers.scripts import ArgumentParser, run_script

HERE = Path(__file__).parent


def build_parser() -> ArgumentParser:
    parser = ArgumentParser(description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    add("--timesteps", type=int, nargs="+", default=[50, 100, 200, 400], metavar="T", help="default: %(default)s")
    add("--base_channels", type=int, nargs="+", default=[16, 32, 64], metavar="C",
        help="channels at full resolution, then 2 C and 4 C (default: %(default)s)")  # fmt: skip
    add("--output_dir", type=Path, default=Path("outputs/exp5"), help="a folder per cell (default: %(default)s)")
    add("--num_workers", type=int, default=1, help="cells trained at a time (default: %(default)s)")
    add("--config", default="exp5.yaml", help="settings of all cells (default: %(default)s)")
    add("--dataset", help="as of train_cond.py (default: the config's)")
    add("--max_train_steps", help="of each cell (default: the config's)")
    add("--seed", help="of each cell (default: the config's)")
    add("--num_inference_steps", help="of sampling each cell, but at most its T (default: the config's)")
    add("--classifier", type=Path, metavar="DIR", help="evaluate the finished cells with this one")
    add(
        "--eval_samples",
        type=int,
        help="sprites that each is evaluated on (default: as many as are held out, at most 2000)",
    )
    return parser


def main() -> None:
    options, flags = build_parser().parse_known_args()
    from sprite_diffusers.ablation import ablate  # here, because it takes seconds and --help does not need it

    if not ablate(options, flags, [sys.executable, str(HERE / "train_cond.py")], HERE / "configs"):
        sys.exit(1)


if __name__ == "__main__":
    run_script(main)
