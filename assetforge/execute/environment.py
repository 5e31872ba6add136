"""The environment that other processes are given: what they need, and no token of a build server."""

from __future__ import annotations

import os
from collections.abc import Mapping

VARIABLE = "ASSETFORGE_PASS_ENV"
"""Names of more variables to pass on, with commas between them."""
_NAMES = frozenset(
    [
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "SHELL",
        "LANG",
        "LANGUAGE",
        "TZ",
        "TERM",
        "TMPDIR",
        "TEMP",
        "TMP",
        "SYSTEMROOT",
        "SYSTEMDRIVE",
        "WINDIR",
        "COMSPEC",
        "PATHEXT",
        "USERPROFILE",
        "USERNAME",
        "HOMEDRIVE",
        "HOMEPATH",
        "APPDATA",
        "LOCALAPPDATA",
        "PROGRAMDATA",
        "PROGRAMFILES",
        "NUMBER_OF_PROCESSORS",
        "PROCESSOR_ARCHITECTURE",
        "VIRTUAL_ENV",
        "CONDA_PREFIX",
        "LD_LIBRARY_PATH",
        "LD_PRELOAD",
        "DISPLAY",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "COLUMNS",
        "LINES",
        "NO_COLOR",
        "FORCE_COLOR",
    ]
)
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
_FAMILIES = (
    "ASSETFORGE_", "LC_", "XDG_", "PYTHON", "DYLD_", "COVERAGE_", "COV_CORE_",
    "OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_", "NUMEXPR_", "VECLIB_", "BLIS_", "ONEDNN_", "DNNL_", "MALLOC_",
    "CUDA_", "CUBLAS_", "CUDNN_", "NVIDIA_", "NCCL_", "HIP_", "ROCR_", "HSA_",
    "TORCH", "PYTORCH_", "OPENCV_", "OPENEXR_",
)  # fmt: skip
"""What the names of settings of libraries begin with."""


def of_threads(count: int) -> Mapping[str, str]:
    """Return what tells libraries, when they are loaded, how many threads to compute with."""
    return dict.fromkeys(_THREADS, str(count))


def needed() -> Mapping[str, str]:
    """Return the part of this process's environment that is passed on."""
    more = {name.strip().upper() for name in os.environ.get(VARIABLE, "").split(",")}
    return {name: value for name, value in os.environ.items() if _is_needed(name.upper(), more)}


def _is_needed(name: str, more: set[str]) -> bool:
    return name in _NAMES or name in more or name.startswith(_FAMILIES)
