"""The report of training: numbers as CSV, curves, and pictures."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch

from assetforge.train.report import Row, write_report

ROWS = [Row(10, 0.5, {}), Row(20, 0.25, {"error, worst": 0.125})]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    write_report(folder, "<net>", ROWS, {"<b>": torch.full((3, 4, 5), 0.5)})
    return folder


def test_rows_are_read_back_from_csv(report: Path) -> None:
    with (report / "rows.csv").open(newline="") as file:
        first, second = csv.DictReader(file)
    assert first == {"step": "10", "loss": "0.5", "error, worst": ""}
    assert second == {"step": "20", "loss": "0.25", "error, worst": "0.125"}


def test_no_name_becomes_html(report: Path) -> None:
    page = (report / "index.html").read_text()
    assert "<net>" not in page
    assert "<b>" not in page
    assert page.count("<svg") == 2


def test_without_rows_there_is_a_page(tmp_path: Path) -> None:
    write_report(tmp_path, "net", [], {})
    assert "Nothing was measured yet" in (tmp_path / "index.html").read_text()
