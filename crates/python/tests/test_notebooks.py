"""The notebooks run from the first cell to the last, and the pages from the first block of Python to the last."""

import json
import os
import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"


@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.glob("*.ipynb")))
def test_a_notebook_runs(name, monkeypatch, capsys):
    if name.startswith("torch"):
        pytest.importorskip("torch")
    monkeypatch.setenv("SPIKEGRAD_DATA", str(FOLDER.parent.parent.parent / "data"))
    monkeypatch.setenv("SPIKEGRAD_EPOCHS", os.environ.get("SPIKEGRAD_EPOCHS", "4"))
    notebook = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    names = {"__name__": "__main__"}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert not cell["outputs"], "notebooks are kept without outputs"
            exec(compile("".join(cell["source"]), name, "exec"), names)
    assert capsys.readouterr().out


@pytest.mark.parametrize("page", ["crates/python/README.md", "docs/how-to/python.md"])
def test_a_page_runs(page, monkeypatch, tmp_path):
    root = FOLDER.parent.parent.parent
    # Files that a page writes do not stay, and those that it reads are found.
    (tmp_path / "data").symlink_to(root / "data")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (root / page).read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    names = {"__name__": "__main__"}
    for block in blocks:
        for library in ("torch", "jax", "sklearn"):
            if f"spikegrad.{library}" in block:
                pytest.importorskip(library)
        if "spikegrad.jax" in block:
            __import__("jax").config.update("jax_enable_x64", True)
        exec(compile(block.replace("epochs=30", "epochs=1"), page, "exec"), names)
