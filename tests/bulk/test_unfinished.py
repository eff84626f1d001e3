"""What is finished stays, whatever happens, and nothing else counts as finished."""

import errno
import json

import pytest

from edgesoft.bulk.unfinished import Unfinished
from edgesoft.bulk.worker import Piece
from edgesoft.errors import EdgesoftError, UsageError
from edgesoft.transaction import BusyError
from tests.strikes import KILLED, STRIKES, struck

RUN = {"model": "abc", "--top-k": 1}
PIECES = [Piece(f"answers {number}\n".encode() * 3, answers=3, unreadable=number % 2) for number in range(5)]
WHOLE = b"".join(piece.content for piece in PIECES)


def join(pieces, file):
    file.writelines(pieces)


def run(output, *, overwrite=False, identity=RUN, done=None):
    """All blocks, in an order of their own; those that were done in this run go into `done`."""
    with Unfinished(output, identity, overwrite=overwrite) as unfinished:
        for number in (3, 0, 4, 1, 2):
            if number not in unfinished:
                unfinished.add(number, PIECES[number])
                if done is not None:
                    done.append(number)
        assert (unfinished.answers, unfinished.unreadable) == (15, 2)
        unfinished.publish(len(PIECES), join)


def begun(output, count=5):
    with Unfinished(output, RUN, overwrite=False) as unfinished:
        for number in range(count):
            unfinished.add(number, PIECES[number])
    return unfinished.path


def test_the_output_is_all_blocks_in_their_order_and_nothing_else_is_left(tmp_path):
    run(tmp_path / "new" / "out.csv")
    assert (tmp_path / "new" / "out.csv").read_bytes() == WHOLE
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out.csv"]


@pytest.mark.parametrize("name", STRIKES)
@pytest.mark.parametrize("before", [None, b"old"])
def test_struck_at_any_step_it_goes_on_and_the_output_is_old_or_whole(tmp_path, name, before):
    """The next run finishes what the struck one had begun, and adds nothing twice."""
    struck_at, unharmed = 0, 0
    for step in range(1, 100):
        folder = tmp_path / f"{step}"
        folder.mkdir()
        output = folder / "out.jsonl"
        if before is not None:
            output.write_bytes(before)
        code = struck(lambda to=output: run(to, overwrite=before is not None), STRIKES[name], step)
        found = output.read_bytes() if output.exists() else None
        assert found in (before, WHOLE)
        if code == 0:
            assert found == WHOLE
            unharmed += 1
            if unharmed == 5:  # a step that may fail is no end
                break
            continue
        struck_at += 1
        assert code in (KILLED, 1)
        if found != WHOLE:
            run(output, overwrite=before is not None)
            assert output.read_bytes() == WHOLE
            assert [path.name for path in folder.iterdir()] == ["out.jsonl"]
    else:
        pytest.fail("it never came to its end")
    assert struck_at > 10


def test_what_is_torn_at_any_byte_is_done_again_and_the_rest_is_not(tmp_path):
    path = begun(tmp_path / "out.csv")
    content = path.read_bytes()
    heads = [content.index(b'{"block": %d' % number) for number in range(5)] + [len(content)]
    for size in range(0, len(content), 7):
        path.write_bytes(content[:size])
        done = []
        run(tmp_path / "out.csv", done=done)
        whole = sum(end <= size for end in heads[1:])
        assert sorted(done) == list(range(whole, 5))
        assert (tmp_path / "out.csv").read_bytes() == WHOLE
        (tmp_path / "out.csv").unlink()


def test_a_changed_byte_costs_its_block_and_those_after_it(tmp_path):
    path = begun(tmp_path / "out.csv")
    content = path.read_bytes()
    path.write_bytes(content.replace(b"answers 2", b"answers x", 1))
    done = []
    run(tmp_path / "out.csv", done=done)
    assert sorted(done) == [2, 3, 4]


@pytest.mark.parametrize(
    "line", [b"[]", b"{}", b'{"block": -1, "bytes": -5}', b'{"block": 1, "bytes": "x"}', b"[" * 50000]
)
def test_odd_lines_end_what_is_kept(tmp_path, line):
    path = begun(tmp_path / "out.csv", 2)
    path.write_bytes(path.read_bytes() + line + b"\n")
    done = []
    run(tmp_path / "out.csv", done=done)
    assert sorted(done) == [2, 3, 4]


def test_another_run_is_refused_by_what_differs_and_forgotten_with_overwrite(tmp_path):
    path = begun(tmp_path / "out.csv", 3)
    with pytest.raises(UsageError, match=r"out.csv.unfinished: was begun with another model\. .*--overwrite"):
        run(tmp_path / "out.csv", identity={**RUN, "model": "other"})
    with pytest.raises(UsageError, match="another model and another --top-k"):
        run(tmp_path / "out.csv", identity={"model": "other", "--top-k": 2})
    assert path.exists()
    done = []
    run(tmp_path / "out.csv", identity={**RUN, "model": "other"}, overwrite=True, done=done)
    assert len(done) == 5


def test_an_unfinished_run_goes_on_with_overwrite_too(tmp_path):
    begun(tmp_path / "out.csv", 3)
    done = []
    run(tmp_path / "out.csv", overwrite=True, done=done)
    assert sorted(done) == [3, 4]


def test_what_exists_is_not_replaced(tmp_path):
    output = tmp_path / "out.csv"
    output.write_bytes(b"mine")
    with pytest.raises(UsageError, match="exists already"):
        run(output)
    with pytest.raises(UsageError, match="is a folder"):
        run(tmp_path, overwrite=True)
    assert output.read_bytes() == b"mine"
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


def test_an_output_that_appears_meanwhile_is_not_replaced(tmp_path):
    output = tmp_path / "out.csv"
    with Unfinished(output, RUN, overwrite=False) as unfinished:
        unfinished.add(0, PIECES[0])
        output.write_bytes(b"mine")
        with pytest.raises(UsageError, match="exists already"):
            unfinished.publish(1, join)
    assert output.read_bytes() == b"mine"
    assert unfinished.path.exists()


def test_what_edgesoft_did_not_write_is_left_alone(tmp_path):
    path = tmp_path / "out.csv.unfinished"
    path.write_text("my notes\n")
    with pytest.raises(EdgesoftError, match="was not written by edgesoft"):
        run(tmp_path / "out.csv", overwrite=True)
    assert path.read_text() == "my notes\n"
    path.unlink()
    (tmp_path / "elsewhere").write_text(json.dumps({"form": "edgesoft-unfinished-1"}))
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(EdgesoftError, match="cannot be written"):
        run(tmp_path / "out.csv")


def test_two_runs_never_write_one_output(tmp_path):
    with Unfinished(tmp_path / "out.csv", RUN, overwrite=False), pytest.raises(BusyError, match="another edgesoft"):
        run(tmp_path / "out.csv")
    run(tmp_path / "out.csv")


def test_a_full_disk_keeps_what_was_kept(tmp_path, monkeypatch):
    with Unfinished(tmp_path / "out.csv", RUN, overwrite=False) as unfinished:
        unfinished.add(0, PIECES[0])

        def full(_):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr("os.fsync", full)
        with pytest.raises(EdgesoftError, match="no space left"):
            unfinished.add(1, PIECES[1])
        monkeypatch.undo()
        assert 1 not in unfinished
    done = []
    run(tmp_path / "out.csv", done=done)
    assert sorted(done) == [1, 2, 3, 4]
