import numpy as np
import pytest

from sprite_diffusers.data.audit.collection import Collection
from sprite_diffusers.data.audit.grid import block_factors
from sprite_diffusers.data.audit.near_duplicates import NearDuplicates, find_near_duplicates
from sprite_diffusers.data.audit.pixel_facts import content, empty_margins, measure_pixels
from sprite_diffusers.data.audit.variety import measure_variety


def collection(images: list[np.ndarray]) -> Collection:
    return Collection(
        source="images",
        pixels=images,
        names=[str(index) for index in range(len(images))],
        splits=np.zeros(len(images), np.int64),
        split_names=("train",),
        labels=None,
        class_names=None,
        num_bad=0,
        bad_names=[],
        num_found=len(images),
    )


def drawings(count: int, size: int = 16, seed: int = 0) -> list[np.ndarray]:
    """Opaque images of 5 random colours, no two of them alike, with a transparent frame of one pixel."""
    rng = np.random.default_rng(seed)
    images = []
    for _ in range(count):
        palette = np.concatenate([rng.integers(1, 256, (5, 3)), np.full((5, 1), 255)], axis=1).astype(np.uint8)
        image = np.zeros((size, size, 4), np.uint8)
        image[1:-1, 1:-1] = palette[rng.integers(0, 5, (size - 2, size - 2))]
        images.append(image)
    return images


def search(images: list[np.ndarray], scale: int = 1) -> NearDuplicates:
    both = collection(images)
    return find_near_duplicates(both, measure_pixels(both).patterns, scale)


class TestNearDuplicates:
    def test_each_kind_is_found_and_nothing_else(self) -> None:
        images = drawings(60)
        shifted = np.zeros_like(images[2])
        shifted[1:, :-1] = images[2][:-1, 1:]
        changed = images[3].copy()
        changed[4, 4:8] = (1, 2, 3, 255)
        recoloured = images[4].copy()
        recoloured[..., :3] = np.where(images[4][..., 3:] > 0, 255 - images[4][..., :3], 0)
        result = search([*images, images[0][:, ::-1], images[1][::-1], shifted, changed, recoloured])
        assert result.num_compared == 65
        assert result.images == {"flip": 4, "shift": 2, "change": 2, "recolour": 2}
        assert result.pairs == {"flip": 2, "shift": 1, "change": 1, "recolour": 1}
        assert result.examples["flip"] == [[0, 60], [1, 61]]
        assert result.examples["shift"] == [[2, 62]]
        assert result.examples["change"] == [[3, 63]]
        assert result.examples["recolour"] == [[4, 64]]
        assert result.num_images == 10
        assert result.complete

    @pytest.mark.parametrize(("dy", "dx"), [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)])
    def test_shifts_in_all_directions(self, dy: int, dx: int) -> None:
        image = drawings(1)[0]
        assert search([image, np.roll(image, (dy, dx), axis=(0, 1))]).images["shift"] == 2

    def test_a_shift_by_two_pixels_is_another_image(self) -> None:
        image = drawings(1)[0]
        assert search([image, np.roll(image, 2, axis=1)]).num_images == 0

    @pytest.mark.parametrize("size", [16, 32, 150])
    def test_changes_up_to_five_percent(self, size: int) -> None:
        image = drawings(1, size)[0]
        allowed = min(int(0.05 * (size - 2) ** 2), 64)
        for count, expected in ((allowed, 2), (allowed + 1, 0)):
            changed = image.copy()
            rows, columns = np.divmod(np.random.default_rng(1).permutation((size - 2) ** 2)[:count], size - 2)
            changed[rows + 1, columns + 1] = (1, 2, 3, 255)
            assert search([*drawings(20, size, seed=2), image, changed]).images["change"] == expected

    def test_photographs_are_no_recolourings_of_each_other(self) -> None:
        photos = np.random.default_rng(0).integers(0, 256, (10, 12, 12, 4), np.uint8)
        photos[..., 3] = 255
        assert search(list(photos)).num_images == 0

    def test_plain_images_are_not_compared_as_drawings(self) -> None:
        plain = [np.full((8, 8, 4), value, np.uint8) for value in (10, 60, 120)]
        assert search(plain).num_images == 0

    def test_all_pairs_of_a_group_count(self) -> None:
        image = drawings(1)[0]
        recoloured = []
        for shade in range(4):
            other = image.copy()
            other[..., :3] = np.where(image[..., 3:] > 0, image[..., :3] ^ (16 * shade), 0)
            recoloured.append(other)
        result = search(recoloured)
        assert (result.images["recolour"], result.pairs["recolour"]) == (4, 6)

    def test_enlarged_images_are_compared_on_their_own_grid(self) -> None:
        image = drawings(1)[0]
        moved = np.roll(image, 1, axis=0)
        large = [part.repeat(4, axis=0).repeat(4, axis=1) for part in (image, moved)]
        assert search(large).images["shift"] == 0
        assert search(large, scale=4).images["shift"] == 2

    def test_the_search_agrees_with_comparing_all_pairs(self) -> None:
        rng = np.random.default_rng(3)
        images = []
        for image in drawings(12, 20):
            for _ in range(5):
                copy = image.copy()
                for _ in range(int(rng.integers(0, 25))):
                    copy[tuple(rng.integers(1, 19, 2))] = (*rng.integers(1, 256, 3), 255)
                images.append(copy)
        both = collection(images)
        distinct = [images[index] for index in both.distinct]
        expected = 0
        for i, a in enumerate(distinct):
            for b in distinct[:i]:
                count = (a != b).any(axis=-1).sum()
                shown = ((a[..., 3] > 0) | (b[..., 3] > 0)).sum()
                expected += 1 <= count <= max(1, int(0.05 * shown))
        assert expected > 20
        assert search(images).pairs["change"] == expected


class TestGrid:
    @pytest.mark.parametrize("factor", [1, 2, 3, 4, 8])
    def test_the_factor_of_enlarged_drawings(self, factor: int) -> None:
        small = np.stack(drawings(8, 12))
        anywhere, at_corner = block_factors(small.repeat(factor, axis=1).repeat(factor, axis=2))
        assert anywhere.tolist() == at_corner.tolist() == [factor] * 8

    def test_a_grid_that_does_not_start_at_the_corner(self) -> None:
        large = np.stack(drawings(4, 12)).repeat(4, axis=1).repeat(4, axis=2)
        anywhere, at_corner = block_factors(large[:, 1:, 3:])
        assert anywhere.tolist() == [4] * 4
        assert at_corner.tolist() == [1] * 4

    def test_too_little_detail_to_tell(self) -> None:
        image = np.zeros((1, 16, 16, 4), np.uint8)
        image[:, 4:12, 4:12] = 255
        assert [part.tolist() for part in block_factors(image)] == [[0], [0]]

    def test_noise_is_forgiven_only_with_a_tolerance(self) -> None:
        small = np.zeros((1, 12, 12, 4), np.uint8)
        small[:] = 255 * (np.indices((12, 12)).sum(axis=0) % 2)[..., None]
        noise = np.random.default_rng(0).integers(0, 6, (1, 48, 48, 4), np.uint8)
        large = np.abs(small.repeat(4, axis=1).repeat(4, axis=2).astype(int) - noise).astype(np.uint8)
        assert block_factors(large)[0].tolist() == [1]
        assert block_factors(large, tolerance=12)[0].tolist() == [4]


class TestPixelFacts:
    def test_content_of_transparent_of_framed_and_of_full_images(self) -> None:
        images = np.full((3, 6, 6, 4), 255, np.uint8)
        images[0, :, :3] = 0  # the left half is transparent
        images[1, 2:4, 2:5, 0] = 9  # a mark on white
        images[2, 0, 0, 0] = 7  # corners differ: all of it is content
        shown = content(images)
        assert shown.sum(axis=(1, 2)).tolist() == [18, 6, 36]
        assert empty_margins(shown).tolist() == [[0, 0, 0, 3], [2, 1, 2, 2], [0, 0, 0, 0]]

    def test_measures_of_copies_are_those_of_the_first(self) -> None:
        facts = measure_pixels(collection([*drawings(3), *drawings(3), np.zeros((4, 4, 4), np.uint8)]))
        assert facts.colors.tolist() == [5] * 6 + [0]
        assert facts.alpha.tolist() == [1] * 7
        assert facts.blank.tolist() == [False] * 6 + [True]
        assert facts.margins[:6].tolist() == [[1, 1, 1, 1]] * 6


class TestVariety:
    def test_components_of_images_of_known_rank(self) -> None:
        """Grey levels along two patterns, one with 9 times the variance of the other."""
        rng = np.random.default_rng(0)
        strong, weak = np.zeros((8, 8)), np.zeros((8, 8))
        strong[:4], weak[4:] = 1, 1
        levels = rng.uniform(-1, 1, (400, 2)) * (90, 30)
        grey = 128 + levels[:, :1, None] * strong + levels[:, 1:, None] * weak
        pixels = np.repeat(np.round(grey)[..., None], 4, axis=-1).astype(np.uint8)
        pixels[..., 3] = 255
        found = measure_variety(np.arange(400), pixels, [("all images", np.ones(400, bool))])
        assert found is not None
        assert found.components_95 == 2
        assert found.explained[0] == pytest.approx(0.9, abs=0.03)
        assert found.explained[1] == pytest.approx(1.0, abs=1e-4)
        assert found.silhouette is None

    def test_silhouette_tells_separate_classes_from_mixed_ones(self) -> None:
        rng = np.random.default_rng(0)
        pixels = rng.integers(0, 40, (80, 8, 8, 4)).astype(np.uint8)
        pixels[:40, ..., :3] += 200
        pixels[..., 3] = 255
        apart, mixed = np.arange(80) < 40, np.arange(80) % 2 == 0
        scores = []
        for mask in (apart, mixed):
            found = measure_variety(np.arange(80), pixels, [("a", mask), ("b", ~mask)])
            assert found is not None
            assert found.silhouette is not None
            scores.append(found.silhouette)
        assert scores[0] > 0.8
        assert abs(scores[1]) < 0.1
