"""Movie snippets are read, split and tokenised. The test writes the archive in its real form, without a download."""

import io
import tarfile

import pytest
from breakeven.plugins.tasks.nlp._subwords import UNKNOWN
from breakeven.plugins.tasks.nlp.movie_sentiment import corpus

LINES = [
    "1\t2.26666666667\tGreat fun.",
    "2\t-0.6\tEffective but too tepid biopic",
    "3\t0.5\tNeither here nor there.",
    "4\t-3.875\tDreadful\u2028dreck &amp; drivel \x85 really.",
]


@pytest.fixture
def folder(tmp_path):
    """Make an unpacked source distribution. The corpus, an archive in it, has Windows line ends, the last one open."""
    inner = tmp_path / "vaderSentiment-3.3.2" / "additional_resources" / "hutto_ICWSM_2014.tar.gz"
    inner.parent.mkdir(parents=True)
    content = "\r\n".join(LINES).encode()
    with tarfile.open(inner, "w:gz") as tar:
        for name, data in [("_README_.txt", b"\x96"), ("movieReviewSnippets_GroundTruth.txt", content)]:
            member = tarfile.TarInfo(f"hutto_ICWSM_2014/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return tmp_path


@pytest.fixture
def snippets():
    """Make two classes of made-up reviews, each also repeated in other case and punctuation."""
    texts = [
        f"the {noun} number {i} is {how}" for i in range(100) for noun, how in [("plot", "fine"), ("cast", "dull")]
    ]
    return [(form, int("fine" in text)) for text in texts for form in (text, text.upper() + "!")]


def test_clear_ratings_become_labels_and_the_others_are_left_out(folder):
    assert corpus.read(folder) == [
        ("Great fun.", 1),
        ("Effective but too tepid biopic", 0),
        ("Dreadful\u2028dreck &amp; drivel \x85 really.", 0),
    ]


def test_the_split_keeps_every_snippet_once_and_the_same_words_on_one_side(snippets):
    parts = corpus.split(snippets)
    assert sorted(s for part in parts.values() for s in part) == sorted(snippets)
    words = {name: {text.lower().strip("!") for text, _ in part} for name, part in parts.items()}
    assert not words["train"] & words["test"]
    assert not words["train"] & words["val"]
    assert not words["val"] & words["test"]
    assert len(parts["train"]) > len(parts["test"]) > 0
    assert parts["val"]


def test_the_split_does_not_depend_on_the_order_or_the_rest_of_the_corpus(snippets):
    whole, half = corpus.split(snippets), corpus.split(snippets[::-2])
    assert all(set(half[name]) <= set(whole[name]) for name in whole)


def test_the_vocabulary_comes_from_training_texts_only(folder, monkeypatch):
    seen = []
    learn = corpus.learn_vocabulary
    monkeypatch.setattr(corpus, "obtain", lambda source: folder)
    monkeypatch.setattr(corpus, "part_of", lambda text: {"G": "train", "E": "val", "D": "test"}[text[0]])
    monkeypatch.setattr(corpus, "learn_vocabulary", lambda texts: seen.extend(texts) or learn(texts))
    arrays = corpus.build_small()
    assert seen == ["Great fun."]
    assert [len(arrays[f"{name}_target"]) for name in ("train", "val", "test")] == [1, 1, 1]
    known = corpus.Tokenizer.from_str(arrays["tokenizer"].tobytes().decode())
    assert UNKNOWN in known.encode("dreck").tokens
    assert UNKNOWN not in known.encode("great fun").tokens


def test_the_same_texts_give_the_same_vocabulary(snippets):
    texts = [text for text, _ in snippets]
    assert corpus.learn_vocabulary(texts).to_str() == corpus.learn_vocabulary(texts).to_str()


def test_texts_are_padded_or_cut_to_one_length_and_the_mask_says_where(snippets):
    tokenizer = corpus.learn_vocabulary([text for text, _ in snippets])
    arrays = corpus.tokenise({"test": [("plot", 1), ("the plot is fine " * 40, 0)]}, tokenizer)
    ids, mask = arrays["test_input_ids"], arrays["test_attention_mask"]
    assert ids.shape == mask.shape == (2, corpus.LENGTH)
    assert mask.sum(1).tolist() == [1, corpus.LENGTH]
    assert (ids[mask == 0] == tokenizer.token_to_id(corpus.PADDING)).all()
    assert (ids[mask == 1] != tokenizer.token_to_id(corpus.PADDING)).all()
    assert arrays["test_target"].tolist() == [1, 0]


def test_what_the_mask_hides_and_who_shares_the_batch_do_not_change_the_logits():
    import torch
    from breakeven.plugins.tasks.nlp.movie_sentiment.network import Classifier
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    size = {
        "vocab_size": 20,
        "hidden_size": 8,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 16,
    }
    model = Classifier(BertModel(BertConfig(**size), add_pooling_layer=False)).eval()
    ids = torch.randint(1, 20, (3, 6))
    mask = torch.tensor([[1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 1, 1], [1, 0, 0, 0, 0, 0]])
    logits = model(ids, mask)
    torch.testing.assert_close(model(ids * mask, mask), logits)
    torch.testing.assert_close(model(ids[:1, :3], mask[:1, :3]), logits[:1])
    assert not torch.allclose(model(ids, torch.ones_like(mask))[0], logits[0])
