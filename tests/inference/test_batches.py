"""Pictures are classified a few at a time, and nobody waits long for an answer."""

from edgesoft.inference import batches as reading
from edgesoft.model import inputs
from edgesoft.pictures import encode_png


def pulled_before_the_first_answer(classifier, mnist, count=100, **options):
    """How many of `count` pictures are asked for until an answer comes."""
    pulled = []

    def pictures():
        for pixels in mnist.test.inputs[:count]:
            pulled.append(1)
            yield "digit", encode_png(pixels)

    answers = reading.classify(classifier, pictures(), **options)
    next(answers)
    first = len(pulled)
    assert 1 + sum(1 for _ in answers) == count
    return first


def test_many_pictures_share_a_call(ready, mnist, monkeypatch):
    monkeypatch.setattr(reading, "SECONDS_AT_ONCE", 60)
    assert pulled_before_the_first_answer(ready, mnist) == inputs.PICTURES_AT_ONCE
    assert pulled_before_the_first_answer(ready, mnist, count=3) == 3
    assert pulled_before_the_first_answer(ready, mnist, at_once=1) == 1


def test_fewer_do_when_reading_them_takes_long(ready, mnist, monkeypatch):
    monkeypatch.setattr(reading, "SECONDS_AT_ONCE", 0)
    assert pulled_before_the_first_answer(ready, mnist) == 1


def test_fewer_do_when_they_are_large(ready, mnist, monkeypatch):
    monkeypatch.setattr(reading, "SECONDS_AT_ONCE", 60)
    monkeypatch.setattr(inputs, "MEMORY_AT_ONCE", 5 * 28 * 28)
    assert pulled_before_the_first_answer(ready, mnist) == 5
