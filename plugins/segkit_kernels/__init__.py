"""The first-party kernels behind `segkit.ops`, one backend per value. Imports no torch."""

from segkit.api import Backend

TRITON = Backend(
    name="triton",
    summary="own Triton kernels: scan and fused SS2D, no atomics, deterministic",
    make="segkit_kernels.triton_backend:make",
    devices=("cuda", "cpu"),  # the CPU through Triton's interpreter only
    order=10,
    cure="Triton comes with CUDA builds of torch; pip install 'segkit[triton]' adds it.",
)
MAMBA = Backend(
    name="mamba",
    summary="mamba-ssm's CUDA scan, causal-conv1d for 1-D blocks",
    make="segkit_kernels.mamba_backend:make",
    devices=("cuda",),
    order=20,
    cure="pip install 'segkit[mamba]' on a machine with CUDA and nvcc.",
)
NATIVE = Backend(
    name="native",
    summary="C kernels through ctypes: AVX-512, AVX2, SSE or NEON, chosen at run time",
    make="segkit_kernels.native_backend:make",
    devices=("cpu",),
    order=30,
    cure="Install a C compiler (apt install gcc) and reinstall segkit: CPU scans get 4-10x faster.",
)
TORCH = Backend(
    name="torch",
    summary="lean chunked loop with its own backward: any device, no compiler",
    make="segkit_kernels.torch_backend:make",
    devices=("any",),
    order=100,
)
REFERENCE = Backend(
    name="reference",
    summary="the plain loop over the sequence, for tests only",
    make="segkit_kernels.torch_backend:make_reference",
    devices=("any",),
    order=1000,
)
EXPORT = Backend(
    name="export",
    summary="torch's higher-order scan with state (N, D), selected by exporters",
    make="segkit_kernels.export_backend:make",
    devices=("any",),
    order=1010,
)
