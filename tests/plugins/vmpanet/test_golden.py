"""VMPANet against the measured figures of its reconstruction, for every scan backend."""

import pytest
import torch

from segkit.engine.training.objective import make_loss
from segkit.errors import SegkitError
from segkit.ops import available_backends, backend_in_use, using_backend
from segkit_vmpanet import VMPANetConfig
from segkit_vmpanet.blocks import (
    ChannelAttention,
    CrossAttentionFusion,
    EdgeEnhancement,
    GlobalBranch,
    SpatialAttention,
    cross_attention,
)
from segkit_vmpanet.model import ContextDecoder, PromptEncoder

STAGES = [  # mean, biased std, [0,0], [31,17], [63,63]
    (0.7000, 0.7463, 1.3180, 2.3325, 0.2533),
    (0.0721, 0.2794, -0.0463, 0.0746, 0.0599),
    (0.9741, 0.4167, 0.8855, 2.0908, -0.1002),
    (0.3690, 0.1976, 0.5551, 0.2048, 0.0741),
    (0.7847, 0.8529, -1.6320, 0.6624, 2.1082),
]
LEVELS = [  # Fpcm mean, std; BN(p1) mean, std; LN(p2) std
    (0.2163, 1.0677, 0.0963, 0.0544, 0.9993),
    (0.0562, 1.0359, 0.0115, 0.0431, 0.9997),
    (0.1308, 1.0253, 0.0906, 0.0523, 0.9996),
    (0.1159, 1.0365, 0.0731, 0.0581, 0.9996),
    (0.1434, 1.0081, 0.0981, 0.0412, 0.9997),
]
DIGITS = 5.01e-5  # half of the last printed digit


@pytest.fixture(params=["native", "torch", "reference", "export"])
def backend(request):
    if request.param not in available_backends():
        pytest.skip(f"backend {request.param} does not work here")
    with using_backend(request.param):
        yield request.param


def spread(x):
    return x.mean().item(), x.std(unbiased=False).item()


def figures(logits):
    points = [logits[0, 0, row, column].item() for row, column in ((0, 0), (31, 17), (63, 63))]
    return (*spread(logits.double()), *points)


def takes_float64():
    try:
        backend_in_use(dtype=torch.float64)
    except SegkitError:  # the native kernels are float32
        return False
    return True


@pytest.fixture(scope="module")
def exact(make_network, image):
    """All five outputs by the loop, in float64."""
    with torch.no_grad(), using_backend("reference"):
        return make_network().forward_aux(image)


@torch.no_grad()
def test_stages(backend, exact, make_network, image):
    if not takes_float64():
        pytest.skip(f"backend {backend} is float32 only")
    outputs = make_network().forward_aux(image)
    for logits, loop, expected in zip(outputs, exact, STAGES, strict=True):
        assert figures(logits) == pytest.approx(expected, abs=DIGITS)
        assert (logits - loop).abs().max() < 1e-11


@torch.no_grad()
@pytest.mark.usefixtures("backend")
def test_stages_in_float32(exact, make_network, image):
    outputs = make_network().float().forward_aux(image.float())
    for logits, loop, expected in zip(outputs, exact, STAGES, strict=True):
        assert figures(logits) == pytest.approx(expected, abs=1e-4)
        assert (logits - loop).abs().max() < 1e-4


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", ["triton", "mamba", "torch"])
@torch.no_grad()
def test_stages_on_a_gpu(name, exact, make_network, image):
    if name not in available_backends("cuda"):
        pytest.skip(f"backend {name} does not work here")
    with using_backend(name), torch.backends.cudnn.flags(allow_tf32=False):
        outputs = make_network().float().cuda().forward_aux(image.float().cuda())
    for logits, loop in zip(outputs, exact, strict=True):
        assert (logits.cpu() - loop).abs().max() < 1e-4


@torch.no_grad()
def test_prompts_of_every_level(make_network, image):
    network, x = make_network(), image
    for level, expected in enumerate(LEVELS):
        x, prompts = network.encoders[level].with_prompts(x)
        got = (*spread(x), *spread(prompts["p1"]), spread(prompts["p2"])[1])
        assert got == pytest.approx(expected, abs=DIGITS)
        assert abs(prompts["p2"].mean().item()) < 1e-12
        x = torch.nn.functional.max_pool2d(x, 2)


@pytest.fixture
def small():
    """8x6x5: sin(0.3 c + 0.5 h + 0.7 w)."""
    c, h, w = (torch.arange(n, dtype=torch.float64) for n in (8, 6, 5))
    return torch.sin(0.3 * c[:, None, None] + 0.5 * h[:, None] + 0.7 * w)[None]


BLOCKS = [
    (lambda: GlobalBranch(8, 16, 2), (-0.13082, 0.74337, 1.69881)),
    (lambda: EdgeEnhancement(8), (-0.22514, 1.03360, 1.32994)),
    (lambda: SpatialAttention(8), (-0.24167, 1.03066, 1.34259)),
    (lambda: ChannelAttention(8), (-0.23760, 1.06124, 1.37477)),
    (lambda: ContextDecoder(8, VMPANetConfig()), (-0.01196, 0.77552, 0.97154)),
]


@torch.no_grad()
@pytest.mark.parametrize(("make", "expected"), BLOCKS)
def test_single_blocks(fill_module, small, make, expected):
    output = fill_module(make())(small)
    assert (*spread(output), output[0, -1, -1, -1].item()) == pytest.approx(expected, abs=6e-6)


@torch.no_grad()
def test_prompt_encoder_alone(fill_module, small):
    output = fill_module(PromptEncoder(3, 8, VMPANetConfig()))(small[:, :3])
    got = (*spread(output), output[0, -1, -1, -1].item())
    assert got == pytest.approx((0.10362, 1.02041, -2.13605), abs=6e-6)


@torch.no_grad()
def test_cross_attention_fusion_alone(fill_module):
    c, h, w = (torch.arange(n, dtype=torch.float64) for n in (16, 3, 3))
    deep = torch.cos(0.2 * c[:, None, None] + 0.4 * h[:, None] + 0.6 * w)[None]
    c, h, w = (torch.arange(n, dtype=torch.float64) for n in (8, 6, 6))
    skip = torch.sin(0.3 * c[:, None, None] + 0.5 * h[:, None] + 0.7 * w)[None]
    output = fill_module(CrossAttentionFusion(16, 8))(deep, skip)
    assert spread(output) == pytest.approx((0.12952, 0.23838), abs=6e-6)


def test_cross_attention_by_hand():
    query = torch.tensor([[[1.0, 0, 1, 0], [0, 1, 0, 2]]])
    key = torch.tensor([[[1.0, 2, 0, 1], [0, 1, 1, 0]]])
    scores = []

    def softmax(x):
        scores.append(x.softmax(-1))
        return scores[0]

    fused = cross_attention(query, key, softmax)
    expected = torch.tensor([[[0.5, 0.5], [0.8176, 0.1824]]])
    torch.testing.assert_close(scores[0], expected, rtol=0, atol=5e-5)
    expected = torch.tensor([[[3, 4, 2, 2.5], [1.6351, 4, 2, 3.1824]]])
    torch.testing.assert_close(fused, expected, rtol=0, atol=6e-5)


def test_scan_by_hand(backend):
    from segkit.ops import selective_scan

    u = torch.tensor([[[1.0, 2, 3]]])
    delta = torch.tensor([[[0.1, 0.2, 0.3]]])
    A, D = torch.tensor([[-1.0, -2]]), torch.tensor([0.5])
    B, C = torch.tensor([[[1.0, 0, 2], [0, 1, 1]]]), torch.tensor([[[1.0, 1, 1], [2, 1, 0.5]]])
    y = selective_scan(u, delta, A, B, C, D)
    torch.testing.assert_close(y, torch.tensor([[[0.6, 1.4819, 3.9204]]]), rtol=0, atol=5e-5)


def test_the_loss_by_hand():
    s = torch.tensor([0.9, 0.8, 0.3, 0.1]).logit().view(1, 1, 2, 2)
    y = torch.tensor([[[1, 1], [0, 0]]])
    parts = {name: make_loss(name)(s, y).item() for name in ("bce", "dice", "bce_dice")}
    assert parts["bce"] == pytest.approx(0.197635, abs=1e-6)
    assert parts["dice"] == pytest.approx(0.137255, abs=1e-6)
    assert parts["bce_dice"] == pytest.approx(0.197635 + 0.137255, abs=2e-6)


def test_one_norm_per_prompt_keeps_it_alive(make_network, image):
    """A LayerNorm over the one channel would return its bias for every pixel."""
    with torch.no_grad():
        prompt = make_network().prompts(image)["p2 level 1"]
    assert prompt.std() > 0.9
