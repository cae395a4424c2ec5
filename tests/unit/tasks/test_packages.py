"""Debian's package descriptions are read, split, classified and translated, with small indexes in their real form."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from breakeven.plugins.tasks.nlp import _packages
from breakeven.plugins.tasks.nlp.package_sections import PackageSections
from breakeven.plugins.tasks.nlp.package_sections import corpus as sections
from breakeven.plugins.tasks.nlp.package_translation import PackageTranslation, scores
from breakeven.plugins.tasks.nlp.package_translation import corpus as translation
from breakeven.plugins.tasks.nlp.package_translation.decoding import greedy
from breakeven.plugins.tasks.nlp.package_translation.network import translator

PACKAGES = """Package: chess
Source: board-games (1.2-3)
Version: 1.2-3
Description: play chess
Description-md5: aaa
Section: games

Package: chess-data
Source: board-games
Description: play chess - data
Description-md5: bbb
Section: games
Tag: game::board,
 use::gameplaying

Package: mailer
Description: send mail
Description-md5: ccc
Section: contrib/mail

Package: chess
Source: older
Description-md5: zzz
Section: net
"""
ENGLISH = """Package: chess
Description-md5: aaa
Description-en: play chess
 Chess is an old game.  It is played
 by two.
 .
 Features:
  * a clock
    that ticks
  * a board
 .
   a b c
   verbatim

Package: chess-data
Description-md5: bbb
Description-en: play chess - data

Package: mailer
Description-md5: ccc
Description-en: send mail
 Sends mail.
"""
FRENCH = """Package: chess
Description-md5: aaa
Description-fr: jouer aux échecs
 Les échecs sont un vieux jeu. On y joue à deux.
 \N{NO-BREAK SPACE}
 Fonctionnalités :
  - une pendule qui fait tic-tac
  - un échiquier

Package: mailer
Description-md5: ccc
Description-fr: envoyer des courriels
 Envoie des courriels. Et plus.
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in {"Packages": PACKAGES, "Translation-en": ENGLISH, "Translation-fr": FRENCH}.items():
        (tmp_path / name).write_text(content)
    return tmp_path


def test_packages_are_read_with_source_and_section(folder: Path) -> None:
    assert _packages.packages(folder) == [
        _packages.Package("chess", "board-games", "games", "aaa"),
        _packages.Package("chess-data", "board-games", "games", "bbb"),
        _packages.Package("mailer", "mailer", "mail", "ccc"),
    ]


def test_a_description_falls_into_paragraphs_and_items(folder: Path) -> None:
    assert _packages.paragraphs(_packages.descriptions(folder, "en")["aaa"]) == [
        "play chess",
        "Chess is an old game.  It is played by two.",
        "Features:",
        "a clock that ticks",
        "a board",
    ]


def test_sentences_are_paired_where_their_numbers_agree(folder: Path) -> None:
    english, french = (_packages.descriptions(folder, language) for language in ("en", "fr"))
    assert list(translation.aligned(english["aaa"], french["aaa"])) == [
        ("play chess", "jouer aux échecs"),
        ("Chess is an old game.", "Les échecs sont un vieux jeu."),
        ("It is played by two.", "On y joue à deux."),
        ("Features:", "Fonctionnalités :"),
        ("a clock that ticks", "une pendule qui fait tic-tac"),
        ("a board", "un échiquier"),
    ]
    assert list(translation.aligned(english["ccc"], french["ccc"])) == []  # twice as long; one sentence for two
    assert list(translation.aligned("one\nMore.", "un")) == []


def test_a_source_lies_in_one_part_whatever_else_there_is() -> None:
    names = [f"source-{i}" for i in range(2000)]
    parts = [_packages.part_of(name, {"test": 15, "val": 10}) for name in names]
    assert parts == [_packages.part_of(name, {"test": 15, "val": 10}) for name in names]
    shares = {part: parts.count(part) / len(parts) for part in ("train", "val", "test")}
    assert shares == pytest.approx({"train": 0.75, "val": 0.10, "test": 0.15}, abs=0.03)


def test_each_source_has_one_description_per_section(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sections, "part_of", lambda source, _: {"board-games": "train", "mailer": "test"}[source])
    splits = sections.split(folder)
    (text, label), *others = splits["train"]
    assert not others and sections.SECTIONS[label] == "games"
    assert text.startswith("play chess Chess is an old game. It is played by two. . Features:")
    assert splits["test"] == [("send mail Sends mail.", sections.SECTIONS.index("mail"))] and not splits["val"]


def test_no_english_sentence_occurs_twice(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (folder / "Packages").open("a") as file:
        file.write("\nPackage: again\nSource: third\nDescription-md5: ddd\nSection: games\n")
    for language, text in (("en", "Play chess"), ("fr", "jouer")):
        with (folder / f"Translation-{language}").open("a") as file:
            file.write(f"\nPackage: again\nDescription-md5: ddd\nDescription-{language}: {text}\n")
    monkeypatch.setattr(translation, "part_of", lambda source, _: "test" if source == "third" else "train")
    splits = translation.split(folder, "fr")
    assert ("Play chess", "jouer") in splits["test"] and ("play chess", "jouer aux échecs") not in splits["train"]
    assert len(splits["train"]) == 5  # "play chess" is one sentence in any case


PAIRS = [("play chess", "jouer aux échecs"), ("It is played by two.", "On y joue à deux."), ("x" * 60, "y" * 60)]


def test_pairs_are_encoded_and_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = translation.learn_vocabulary([text for pair in PAIRS[:2] for text in pair])
    arrays = translation.encode(PAIRS, tokenizer, "train")
    assert {array.shape for array in arrays.values()} == {(2, translation.LENGTH)}, "what is too long is left out"
    prefix, target = arrays["prefix"][0], arrays["target"][0]
    n = (target != translation.IGNORED).sum()
    assert prefix[0] == translation.BEGIN and target[n - 1] == translation.END
    assert (prefix[1:n] == target[: n - 1]).all() and (prefix[n:] == translation.PADDING).all()
    assert tokenizer.decode(target[: n - 1].tolist()).strip() == "jouer aux échecs"
    held_out = translation.encode(PAIRS, tokenizer, "test")
    assert (held_out["prefix"][:, 0] == translation.BEGIN).all() and not held_out["prefix"][:, 1:].any()
    assert sorted(map(tuple, held_out["target"])) == sorted(map(tuple, arrays["target"]))


@pytest.mark.parametrize("score", [scores.chrf, scores.bleu])
def test_a_perfect_translation_scores_one_and_a_wrong_one_little(score) -> None:
    sentences = [("", "le jeu d’échecs se joue à deux ici."), ("", "envoyer des courriels à tous les amis.")]
    tokenizer = translation.learn_vocabulary([text for _, text in sentences] * 9)
    target = torch.from_numpy(translation.encode([(t, t) for _, t in sentences], tokenizer, "train")["target"])
    given = target.clamp(min=0)
    for outputs, least, most in ((given, 0.999, 1.0), (given.flip(0), 0.0, 0.5), (given * 0, 0.0, 0.0)):
        metric = score(tokenizer)
        metric.update(outputs, target)
        assert least <= metric.compute().item() <= most + 1e-6
    whole, halves = score(tokenizer), score(tokenizer)
    whole.update(given, target)
    for i in range(2):
        halves.update(given[i : i + 1], target[i : i + 1])
    assert torch.equal(whole.statistics, halves.statistics)


def test_decoding_goes_on_until_the_end() -> None:
    """A model that repeats the source, one token at a time, then gives END."""

    def parrot(source_ids: torch.Tensor, prefix_ids: torch.Tensor) -> torch.Tensor:
        next_ids = torch.nn.functional.pad(source_ids, (0, 40), value=translation.END)[:, : prefix_ids.shape[1]]
        next_ids = next_ids.masked_fill(next_ids == translation.PADDING, translation.END)
        return torch.nn.functional.one_hot(next_ids, 10).float()

    source = torch.tensor([[5, 6, 7], [8, 0, 0]])
    prefix = torch.tensor([[translation.BEGIN, 0], [translation.BEGIN, 9]])
    ids = greedy(parrot, source, prefix)
    assert ids.shape == (2, translation.LENGTH) and ids.dtype == torch.int64
    assert ids[:, :5].tolist() == [[5, 6, 7, translation.END, 0], [8, translation.END, 0, 0, 0]]
    assert not ids[:, 5:].any()
    endless = greedy(lambda s, p: torch.nn.functional.one_hot(p * 0 + 4, 10).float(), source, prefix)
    assert (endless == 4).all() and endless.shape == (2, translation.LENGTH)


def test_padding_changes_no_translation() -> None:
    torch.manual_seed(0)
    model = translator().eval()
    source, prefix = torch.randint(3, 100, (2, 9)), torch.randint(3, 100, (2, 6))
    source[0, 5:] = 0
    with torch.inference_mode():
        together = model(source, prefix)
        torch.testing.assert_close(model(source[:1, :5], prefix[:1]), together[:1])
        torch.testing.assert_close(model(source, torch.nn.functional.pad(prefix, (0, 3)))[:, :6], together)
        torch.testing.assert_close(model(source, prefix[:, :2]), together[:, :2])  # a position sees nothing after it


def test_the_loss_counts_each_sentence_once_and_no_padding() -> None:
    task = PackageTranslation()
    outputs = torch.randn(2, 4, 12)
    target = torch.tensor([[3, 4, 2, -100, -100, -100], [2, -100, -100, -100, -100, -100]])
    both = task.loss(outputs, target)
    one, other = (task.loss(outputs[i : i + 1], target[i : i + 1]) for i in range(2))
    torch.testing.assert_close(both, (one + other) / 2)
    outputs[0, 3] += 5  # padding
    torch.testing.assert_close(task.loss(outputs, target), both)


def test_lengths_are_those_of_what_is_there() -> None:
    assert PackageSections().length_of(torch.tensor([[4, 5, 0], [4, 0, 0]])).tolist() == [2, 1]
    source, prefix = torch.tensor([[4, 5, 0], [4, 0, 0]]), torch.tensor([[1, 0, 0], [1, 7, 8]])
    assert PackageTranslation().length_of(source, prefix).tolist() == [[2, 1], [1, 3]]
