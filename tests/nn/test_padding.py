"""Padding to a multiple: what is repeated, what is cropped, what stays untouched."""

from __future__ import annotations

import pytest
import torch

from segkit.nn.padding import missing, pad_to_multiple, run_padded


@pytest.mark.parametrize(("length", "lacks"), [(32, 0), (33, 31), (1, 31), (63, 1)])
def test_missing(length: int, lacks: int) -> None:
    assert missing(length, 32) == lacks


def test_last_row_and_column_are_repeated() -> None:
    image = torch.arange(6.0).reshape(1, 1, 2, 3)
    padded = pad_to_multiple(image, 4)
    expected = [[0, 1, 2, 2], [3, 4, 5, 5], [3, 4, 5, 5], [3, 4, 5, 5]]
    assert padded[0, 0].tolist() == expected


def test_one_pixel_grows_to_the_multiple() -> None:
    padded = pad_to_multiple(torch.full((2, 3, 1, 1), 7.0), 32)
    assert padded.shape == (2, 3, 32, 32)
    assert (padded == 7).all()


def test_a_fitting_image_is_passed_as_it_is() -> None:
    image = torch.rand(1, 3, 32, 64)
    assert pad_to_multiple(image, 32) is image


def test_output_is_cropped_to_the_image() -> None:
    image = torch.rand(2, 3, 5, 1000)
    assert torch.equal(run_padded(lambda x: x * 2, image, 16), image * 2)


def test_lower_resolutions_are_cropped_in_proportion() -> None:
    image = torch.rand(1, 1, 33, 50)

    def pyramid(x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return x, x[..., ::2, ::2], x[..., ::8, ::8]

    full, half, eighth = run_padded(pyramid, image, 16)
    assert full.shape[-2:] == (33, 50)
    assert half.shape[-2:] == (17, 25)
    assert eighth.shape[-2:] == (5, 7)
    assert torch.equal(half, image[..., ::2, ::2])


def test_gradients_of_repeated_pixels_add_up() -> None:
    image = torch.ones(1, 1, 1, 3, requires_grad=True)
    pad_to_multiple(image, 4).sum().backward()
    assert image.grad is not None
    assert image.grad.flatten().tolist() == [4, 4, 8]


def test_every_float_type_is_padded() -> None:
    for dtype in (torch.float64, torch.float32, torch.bfloat16, torch.float16):
        assert pad_to_multiple(torch.ones(1, 3, 3, 3, dtype=dtype), 4).dtype == dtype


class _Halving(torch.nn.Module):
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return run_padded(self.halve, image, 32)

    def halve(self, image: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.interpolate(
            torch.nn.functional.max_pool2d(image, 2), scale_factor=2.0
        )


def test_an_exported_side_is_a_plain_multiple() -> None:
    """Nested remainders in the sizes make exporting several times slower and the graph larger."""
    sizes = ({2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO},)
    program = torch.export.export(_Halving(), (torch.zeros(2, 1, 50, 70),), dynamic_shapes=sizes)
    pooled = next(node for node in program.graph.nodes if "max_pool2d" in node.name)
    height = str(pooled.meta["val"].shape[2])
    assert "Mod" not in height
    assert height.startswith("16*((")
