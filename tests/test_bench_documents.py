"""The scores of `bench.documents` are those of the competition, on tables whose score is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import documents, icdar

XML = """<document><table id='1'><region id='1' page='2'>
  <cell start-row='0' start-col='1' end-col='2'><content>Sum, in EUR</content></cell>
  <cell start-row='1' start-col='0'><content>North</content></cell>
  <cell start-row='1' start-col='1'><content>1 200</content></cell>
  <cell start-row='1' start-col='2'><content>30</content></cell>
</region></table></document>"""


@pytest.fixture
def truth(tmp_path: Path) -> icdar.Truth:
    """A document with one table on page 2, whose header stands over two columns: four relations."""
    (tmp_path / "eu-001-str.xml").write_text(XML)
    (tmp_path / "eu-001.pdf").touch()
    (tmp_path / "eu-001-notes.pdf").touch()
    (document,) = icdar.documents(tmp_path)
    return document


@pytest.mark.parametrize(
    ("page", "grid", "score"),
    [
        (2, [["", "Sum, in EUR", "Sum, in EUR"], ["North", "1200", "30"]], (4, 5, 4)),
        (2, [["", "Sum, in EUR", ""], ["North", "1 200", "30"]], (3, 3, 4)),
        (2, [["", "", "30"], ["North", "", "1200"]], (1, 2, 4)),
        (1, [["", "Sum, in EUR", ""], ["North", "1 200", "30"]], (0, 3, 4)),
        (2, [], (0, 0, 4)),
    ],
    ids=["a header twice", "a header once", "a wrong neighbour", "another page", "nothing"],
)
def test_relations_are_cells_and_their_next_ones(
    truth: icdar.Truth, page: int, grid: icdar.Grid, score: tuple[int, ...]
) -> None:
    """Blank cells are skipped, spaces do not count, and a cell over two columns is above both."""
    assert icdar.score(truth, [(page, grid)]) == score


def test_the_scores_of_several_documents() -> None:
    """Pooled scores weigh relations, the others documents."""
    scores = icdar.Scores({"long": icdar.Score(90, 90, 90), "short": icdar.Score(0, 10, 10)})
    assert (scores.pooled, scores.mean) == (0.9, 0.5)


def test_words_are_compared_without_case_and_signs() -> None:
    """A ligature is its letters, and a sign of Chinese is a word."""
    assert documents.tokens("The ﬁrst, 2nd: 北京 Straße.") == ["the", "first", "2", "nd", "北", "京", "strasse"]
    assert documents.common(["a", "a", "b"], ["a", "c"]) == 1
