"""The notebooks run from the first cell to the last."""

import json
import os
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
