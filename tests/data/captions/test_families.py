"""Families of images, and splits that keep them whole."""

from __future__ import annotations

import numpy as np
import pytest

from sprite_diffusers.data.captions.families import find_families, split_families
from sprite_diffusers.data.captions.tables import CaptionRow
from sprite_diffusers.errors import SpriteError


def rows(*names: str, **kwargs: object) -> list[CaptionRow]:
    return [CaptionRow(name=name, text="", **kwargs) for name in names]  # type: ignore[arg-type]


def looks(count: int) -> list[bytes]:
    return [b"%d" % index for index in range(count)]


def test_without_a_table_only_equal_names_and_equal_pixels_are_families() -> None:
    images = rows("Imp", "Imp Lord", "Owl", "imp", "Cat", "Dog")
    families = find_families(images, [], [b"0", b"1", b"2", b"3", b"2", b"5"])
    assert families == ["Imp", "Imp Lord", "Owl", "Imp", "Owl", "Dog"]


def test_evolution_lines_join_also_through_a_species_without_an_image() -> None:
    species = [
        *rows("Eevee", "Vaporeon", "Jolteon", relatives=("Eevee", "Use Water Stone")),
        *rows("Staryu", "Starmie", relatives=("Staryu", "Use Water Stone", "Starmie")),
    ]
    images = [species[1], species[2], species[3], species[4]]
    assert find_families(images, species, looks(4)) == ["Vaporeon", "Vaporeon", "Staryu", "Staryu"]


def test_forms_go_with_the_species_in_their_name() -> None:
    species = [
        *rows("Charmander", "Charizard", relatives=("Charmander", "Level 36", "Charizard")),
        *rows("Mew", "Mewtwo", "Deoxys", "Mr. Mime"),
    ]
    images = [
        species[0],
        *rows("Mega Charizard X", "Mewtwo", "Mew", "Deoxys Attack Forme", "Deoxys", "Mr Mime Galar", "Mr. Mime"),
    ]
    assert find_families(images, species, looks(8)) == [
        *["Charmander"] * 2,
        "Mewtwo",
        "Mew",
        *["Deoxys Attack Forme"] * 2,
        *["Mr Mime Galar"] * 2,
    ]


def test_a_family_that_is_given_joins_and_names_the_group() -> None:
    images = [*rows("a", "b", family="red"), *rows("c", family="blue"), *rows("d")]
    assert find_families(images, [], looks(4)) == ["red", "red", "blue", "d"]


@pytest.mark.parametrize("seed", range(5))
def test_splits_are_whole_families_and_as_near_to_the_shares_as_can_be(seed: int) -> None:
    rng = np.random.default_rng(seed)
    families = [str(family) for family in rng.integers(0, 60, 200)]
    parts = split_families(families, (0.8, 0.15, 0.05), seed, "x")
    assert {split: len(part) for split, part in parts.items()} == {"train": 160, "validation": 30, "test": 10}
    assert sorted(np.concatenate(list(parts.values()))) == list(range(200))
    of_split = [{families[index] for index in part} for part in parts.values()]
    assert sum(map(len, of_split)) == len(set(families))
    again = split_families(families, (0.8, 0.15, 0.05), seed, "x")
    other = split_families(families, (0.8, 0.15, 0.05), seed + 1, "x")
    assert all(np.array_equal(parts[split], again[split]) for split in parts)
    assert not np.array_equal(parts["train"], other["train"])


def test_large_families_leave_one_for_each_split() -> None:
    parts = split_families(["a"] * 100 + ["b", "c"], (0.9, 0.05, 0.05), 0, "x")
    assert [len(part) for part in parts.values()] == [100, 1, 1]
    parts = split_families(["a", "a", "b", "b", "c", "c", "c", "c"], (0.5, 0.5, 0.0), 0, "x")
    assert [len(part) for part in parts.values()] == [4, 4]
    assert list(parts) == ["train", "validation"]


def test_too_few_families() -> None:
    with pytest.raises(SpriteError, match=r"the 6 images of 'x' are of 2 families \('a' …\), too few to fill train"):
        split_families(["a", "b"] * 3, (0.8, 0.1, 0.1), 0, "x")
