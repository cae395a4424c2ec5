"""Ratings in the real formats, their two splits, and the outputs of the two models and metrics."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torch
import torchvision.datasets.utils as downloads
from breakeven.plugins.tasks.recommendation import _movielens
from breakeven.plugins.tasks.recommendation._movielens import ITEMS, USERS, Ratings, ratings, read
from breakeven.plugins.tasks.recommendation.movielens_ranking import MovieLensRanking, parts
from breakeven.plugins.tasks.recommendation.movielens_ranking.negatives import draw, unwatched
from breakeven.plugins.tasks.recommendation.movielens_ratings import MovieLensRatings
from breakeven.plugins.tasks.recommendation.movielens_ratings.parts import split

from breakeven.data import Unavailable

LINES = ["2\t3\t5\t881250949", "1\t7\t3\t891717742", "1\t2\t1\t878887116", "2\t9\t4\t881250949"]  # GroupLens' u.data
HEADER = "user_id:token\titem_id:token\trating:float\ttimestamp:float"  # header of RecBole


def rated(users: int = 4, films: int = 30, items: int = 300) -> Ratings:
    """Make users who each rate `films` films of their own, in an order of their own."""
    rng = np.random.default_rng(1)
    chosen = np.concatenate([rng.permutation(items)[:films] for _ in range(users)])
    n = users * films
    return Ratings(np.repeat(np.arange(users), films), chosen, np.ones(n, np.float32), np.arange(n))


@pytest.mark.parametrize("header", [[], [HEADER]])
def test_ratings_are_in_order_of_user_time_and_film_whatever_the_file(tmp_path: Path, header: list[str]) -> None:
    (tmp_path / "ratings").write_text("\n".join([*header, *LINES]) + "\n")
    found = read(tmp_path / "ratings")
    assert found.users.tolist() == [0, 0, 1, 1] and found.items.tolist() == [1, 6, 2, 8]
    assert found.stars.tolist() == [1, 3, 5, 4] and found.times[0] == 878887116
    assert found.users.dtype == found.items.dtype == np.int64 and found.stars.dtype == np.float32


def unavailable(_: object) -> Path:
    raise Unavailable("no package")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Yield the address of a web server with the folder `www`, on this machine."""
    (tmp_path / "www").mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "www"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as serving:
        Thread(target=serving.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{serving.server_port}"
        serving.shutdown()


def test_without_the_wheel_grouplens_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, server: str) -> None:
    monkeypatch.setenv("BREAKEVEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(_movielens, "obtain", unavailable)
    archive = tmp_path / "www" / "ml-100k.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("ml-100k/u.data", "\n".join(LINES) + "\n")
    monkeypatch.setattr(_movielens, "GROUPLENS", f"{server}/ml-100k.zip")
    with pytest.raises(Unavailable, match="no package"):  # the file differs from the published one
        ratings()
    monkeypatch.setattr(_movielens, "GROUPLENS_MD5", downloads.calculate_md5(archive))
    assert len(ratings().users) == len(LINES)


def test_with_neither_the_message_is_the_package_s(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BREAKEVEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(_movielens, "obtain", unavailable)
    monkeypatch.setattr(_movielens, "GROUPLENS", (tmp_path / "nowhere.zip").as_uri())
    with pytest.raises(Unavailable, match="no package"):
        ratings()


def test_every_rating_lies_in_one_part() -> None:
    everything = rated()
    arrays = split(everything)
    assert [len(arrays[f"{part}_stars"]) for part in ("train", "val", "test")] == [96, 12, 12]
    users, items = ([x for p in ("train", "val", "test") for x in arrays[f"{p}_{name}"]] for name in ("users", "items"))
    pairs = list(zip(users, items, strict=True))
    assert sorted(pairs) == sorted(zip(everything.users, everything.items, strict=True))


def test_the_last_film_tests_the_last_but_one_validates_the_others_train() -> None:
    everything = rated()
    arrays = parts.leave_last_out(everything, 300)
    for user in range(4):
        watched = everything.items[everything.users == user]
        for part, film in (("test", watched[-1]), ("val", watched[-2])):
            candidates, right = arrays[f"{part}_candidates"][user], arrays[f"{part}_watched"][user]
            assert arrays[f"{part}_users"][user] == user and candidates[right].tolist() == [film]
            assert len(set(candidates)) == parts.CANDIDATES and not set(candidates[~right]) & set(watched)
        of_user = arrays["train_users"] == user
        films, right = arrays["train_candidates"][of_user], arrays["train_watched"][of_user]
        assert sorted(films[right]) == sorted(watched[:-2]) and (films[~right] == parts.TO_DRAW).all()
        assert right.sum(1).max() <= parts.WATCHED
    first = [np.flatnonzero(row)[0] for row in arrays["test_watched"]]
    assert len(set(first)) > 1, "the right film has no place of its own"


def test_negatives_are_films_unwatched_in_training_and_others_every_time() -> None:
    torch.manual_seed(0)
    arrays = {name: torch.from_numpy(array) for name, array in parts.leave_last_out(rated(), 300).items()}
    users, candidates = arrays["train_users"], arrays["train_candidates"]
    allowed = unwatched(users, candidates)
    assert allowed.shape == (USERS, ITEMS) and allowed[:4].sum(1).tolist() == 4 * [ITEMS - 28]
    (same, once), (_, again) = draw(allowed, users, candidates), draw(allowed, users, candidates)
    drawn = candidates == parts.TO_DRAW
    assert torch.equal(same, users) and torch.equal(once[~drawn], candidates[~drawn])
    assert not torch.equal(once, again) and (candidates[drawn] == parts.TO_DRAW).all(), "the stored samples changed"
    assert all(len(row.unique()) == parts.CANDIDATES for row in once)
    assert all((allowed[user, row[new]] == 1).all() for user, row, new in zip(users, once, drawn, strict=True))


@pytest.mark.parametrize(
    ("rank", "hit", "gain"), [(1, 1.0, 1.0), (3, 1.0, 0.5), (10, 1.0, 1 / math.log2(11)), (11, 0, 0)]
)
def test_ranking_counts_the_first_ten(rank: int, hit: float, gain: float) -> None:
    task = MovieLensRanking()
    scores = -torch.arange(100.0).repeat(2, 1)
    right = torch.zeros(2, 100, dtype=torch.bool)
    right[0, rank - 1] = right[1, 0] = True  # the second user's film is always found
    for metric, value in ((task.metric(), hit), (task.other_metrics()["ndcg_at_10"], gain)):
        metric.update(scores[:1], right[:1])
        assert metric.compute().item() == pytest.approx(value)
        metric.update(scores[1:], right[1:])
        assert metric.compute().item() == pytest.approx((value + 1) / 2)


def test_ranking_prefers_what_was_watched() -> None:
    task, watched = MovieLensRanking(), torch.zeros(3, 100, dtype=torch.bool)
    watched[:, :20] = True
    good = watched.float()
    assert task.loss(good, watched) < task.loss(torch.zeros(3, 100), watched) < task.loss(-good, watched)


def test_a_score_depends_on_its_user_and_film_alone() -> None:
    torch.manual_seed(0)
    model = MovieLensRanking().model().eval()
    users, candidates = torch.tensor([3, 900]), torch.randint(ITEMS, (2, 100))
    with torch.inference_mode():
        scores = model(users, candidates)
        assert scores.shape == (2, 100)
        assert torch.allclose(model(users, candidates.flip(1)), scores.flip(1), atol=1e-6)
        assert torch.allclose(model(users, candidates[:, :7]), scores[:, :7], atol=1e-6)


def test_ratings_begin_near_the_mean_and_the_metric_is_in_stars() -> None:
    task = MovieLensRatings()
    with torch.inference_mode():
        stars = task.model().eval()(torch.arange(USERS), torch.arange(USERS))
    assert stars.shape == (USERS,) and abs(stars.mean().item() - 3.5) < 0.5
    metric = task.metric()
    metric.update(torch.tensor([3.0, 5.0]), torch.tensor([3.0, 3.0]))
    assert metric.compute().item() == pytest.approx(math.sqrt(2))
    assert task.distillation_loss(stars, stars, temperature=4.0) == 0 < task.distillation_loss(stars, stars + 1, 4.0)
