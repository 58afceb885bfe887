"""Every reason and every kind of event has words."""

from __future__ import annotations

from doorguard.core.decision import Reason
from doorguard.core.model import EventKind
from doorguard.core.words import EVENT_WORDS, REASON_WORDS


def test_words_cover_every_reason_and_kind() -> None:
    assert set(REASON_WORDS) == set(Reason)
    assert set(EVENT_WORDS) == set(EventKind)


def test_words_of_reasons_fit_the_demo() -> None:
    assert max(map(len, REASON_WORDS.values())) <= 34
