"""Compiles the simulated card against the PyTorch that is installed, once for each version of both."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sysconfig
from pathlib import Path
from types import ModuleType

import torch

SOURCES = sorted(Path(__file__).parent.glob("late_card.*"))
MODULE = "_late_card"


class NoCompiler(Exception):
    """This machine cannot compile the card. The message says what would help."""


def compiled(folder: Path) -> ModuleType:
    """The card's extension module, compiled into ``folder`` if no run did that before (about twenty seconds).

    Raises:
        NoCompiler: there is none, or it is too old for PyTorch's headers.
    """
    library = folder / f"{MODULE}-{_fingerprint()}.so"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test processes beside this one wait for the first
        if not library.exists():
            _compile(library)
    spec = importlib.util.spec_from_file_location(MODULE, library)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _compile(library: Path) -> None:
    compiler = shutil.which(os.environ.get("CXX", "g++"))
    if compiler is None:
        raise NoCompiler("no C++ compiler on this machine; 'apt-get install g++' brings one")
    home = Path(torch.__file__).parent
    unfinished = library.with_suffix(".unfinished")
    includes = [home / "include", home / "include/torch/csrc/api/include", sysconfig.get_path("include")]
    asked = subprocess.run(
        [
            *(compiler, "-O1", "-std=c++20", "-fPIC", "-shared", f"-DTORCH_EXTENSION_NAME={MODULE}"),
            *(f"-I{include}" for include in includes),
            *(str(source) for source in SOURCES if source.suffix == ".cpp"),
            *("-o", str(unfinished), f"-L{home / 'lib'}", f"-Wl,-rpath,{home / 'lib'}"),
            *("-ltorch", "-ltorch_cpu", "-ltorch_python", "-lc10"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if asked.returncode and "unrecognized command" in asked.stderr:
        raise NoCompiler(f"{compiler} is too old: {asked.stderr.splitlines()[0]}")
    assert not asked.returncode, asked.stderr[:4000]
    unfinished.rename(library)


def _fingerprint() -> str:
    content = b"".join(source.read_bytes() for source in SOURCES)
    return hashlib.sha256(content + f"{torch.__version__} {sysconfig.get_config_var('SOABI')}".encode()).hexdigest()[
        :16
    ]
