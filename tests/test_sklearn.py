"""The estimator is one of scikit-learn's by scikit-learn's own checks, and works where people put estimators."""

import copy
import pickle
import subprocess
import sys
from inspect import signature

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

import edgesoft
from edgesoft.errors import UsageError
from edgesoft.sklearn import SETTINGS, EdgesoftClassifier
from edgesoft.training.settings import TrainSettings
from tests.test_imports import BLOCKED, environment

IRIS, SPECIES = load_iris(return_X_y=True, as_frame=True)
QUICK = {"hidden": (16,), "epochs": 8, "batch_size": 32, "lr": 0.03, "threads": 1}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Whatever is fitted, no folder is left behind."""
    monkeypatch.chdir(tmp_path)
    yield
    assert {file.name for file in tmp_path.iterdir()} <= {"exported"}


@pytest.fixture(scope="module")
def fitted():
    return EdgesoftClassifier(**QUICK, random_state=0).fit(IRIS, SPECIES)


# But for arrays of other libraries, which need SCIPY_ARRAY_API and are not taken.
CHECKS = {
    check.func.__name__ + "".join(f" {value}" for value in check.keywords.values()): (estimator, check)
    for estimator, check in estimator_checks_generator(EdgesoftClassifier(**QUICK))
    if check.func.__name__ != "check_array_api_input"
}


@pytest.mark.parametrize("name", CHECKS)
def test_scikit_learns_own_checks(name):
    estimator, check = CHECKS[name]
    check(estimator)


def test_its_parameters_are_settings_of_the_same_names():
    own = {"val_split", "test_split", "random_state", "verbose"}
    assert set(signature(EdgesoftClassifier).parameters) == {*SETTINGS, *own}
    assert set(SETTINGS) <= set(TrainSettings.__dataclass_fields__)
    assert EdgesoftClassifier(epochs=3).get_params()["epochs"] == 3
    with pytest.raises(ValueError, match="epochs 0: expected a whole number from 1 to"):
        EdgesoftClassifier(epochs=0).fit(IRIS, SPECIES)
    with pytest.raises(ValueError, match="epochs 'many': expected a whole number"):
        EdgesoftClassifier(epochs="many").fit(IRIS, SPECIES)


def test_it_tells_the_names_and_classes_that_it_learned(fitted):
    assert fitted.classes_.tolist() == [0, 1, 2]
    assert fitted.feature_names_in_.tolist() == list(IRIS)
    assert fitted.n_features_in_ == 4
    assert fitted.n_iter_ == 8
    assert fitted.score(IRIS, SPECIES) > 0.8
    np.testing.assert_allclose(fitted.predict_proba(IRIS).sum(axis=1), 1)
    assert len(fitted.run_.dataset.train) == 123


def test_the_same_seed_gives_the_same_weights_and_another_one_others(fitted):
    again, other = (EdgesoftClassifier(**QUICK, random_state=seed).fit(IRIS, SPECIES) for seed in (0, 1))
    np.testing.assert_array_equal(again.predict_proba(IRIS), fitted.predict_proba(IRIS))
    assert not np.array_equal(other.predict_proba(IRIS), fitted.predict_proba(IRIS))


def test_pickles_and_copies_answer_alike_and_leave_the_data_behind(fitted):
    content = pickle.dumps(fitted)
    assert len(content) < 20_000
    for twin in (pickle.loads(content), copy.deepcopy(fitted)):
        np.testing.assert_array_equal(twin.predict_proba(IRIS), fitted.predict_proba(IRIS))
        with pytest.raises(UsageError, match="the data did not travel"):
            twin.export()
    with pytest.raises(NotFittedError):
        clone(fitted).predict(IRIS)


def test_what_was_fitted_elsewhere_predicts_without_torch(fitted, tmp_path_factory):
    file = tmp_path_factory.mktemp("pickle") / "model.pickle"
    file.write_bytes(pickle.dumps((fitted, IRIS.to_numpy(), fitted.predict(IRIS))))
    script = BLOCKED.format(names=["torch", "onnx", "matplotlib"]) + (
        "import pickle, warnings; warnings.simplefilter('ignore')\n"
        "model, x, y = pickle.load(open(sys.argv[1], 'rb'))\nassert (model.predict(x) == y).all()"
    )
    subprocess.run([sys.executable, "-c", script, file], check=True, env=environment())


def test_in_a_pipeline_and_a_grid_search():
    search = GridSearchCV(
        make_pipeline(StandardScaler(), EdgesoftClassifier(**QUICK, random_state=0)),
        {"edgesoftclassifier__hidden": [(8,), "none"]}, cv=2,
    )  # fmt: skip
    assert search.fit(IRIS, SPECIES).best_score_ > 0.7
    scores = cross_val_score(EdgesoftClassifier(**QUICK, random_state=0), *load_breast_cancer(return_X_y=True), cv=2)
    assert scores.min() > 0.9


def test_frames_with_words_need_no_encoder_and_may_have_one():
    frame = IRIS.assign(colour=np.where(SPECIES == 2, "red", "blue"), day=pd.Timestamp("2024-01-05"))
    kinds = SPECIES.map({0: "one", 1: "two", 2: "three"})
    for form in (lambda f: f, pl.from_pandas):
        model = EdgesoftClassifier(**QUICK, random_state=0).fit(form(frame[["colour", *IRIS]]), kinds)
        assert model.classes_.tolist() == ["one", "three", "two"]
        assert model.score(form(frame[["colour", *IRIS]]), kinds) > 0.8
        assert model.predict(form(frame[["colour", *IRIS]])[:1]).tolist() == ["one"]
        with pytest.warns(UserWarning, match="X: .*'green' in column 'colour' is not among the values seen"):
            model.predict(form(frame.assign(colour="green")[["colour", *IRIS]]))
    numbers = IRIS.assign(row=np.arange(150))  # which edgesoft leaves out
    model.fit(numbers, kinds)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        assert model.predict(numbers.to_numpy()).tolist() == model.predict(numbers).tolist()
    model.fit(form(frame[["colour", *IRIS]]), kinds)
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(form(frame[[*IRIS, "colour"]]))
    encoder = make_column_transformer((OneHotEncoder(sparse_output=False), ["colour"]), remainder="passthrough")
    piped = make_pipeline(encoder, EdgesoftClassifier(**QUICK, random_state=0)).fit(frame[["colour", *IRIS]], kinds)
    assert piped.score(frame[["colour", *IRIS]], kinds) > 0.8


def test_it_is_exported_for_a_device(fitted, tmp_path):
    exported = fitted.export("exported", name="iris", max_drop=100)
    assert [path.name for path in exported.paths][:2] == ["iris.onnx", "iris.int8.onnx"]
    classifier = edgesoft.load(exported.paths[0])
    assert classifier.feature_names == tuple(IRIS)
    assert classifier(IRIS).labels == tuple(map(str, fitted.predict(IRIS)))
    assert edgesoft.verify(exported.paths[1]).passed


def test_few_examples_of_a_class_are_all_learned():
    x, y = np.arange(12.0).reshape(-1, 1), np.array([False] * 6 + [True] * 6)
    model = EdgesoftClassifier(hidden=(), epochs=60, lr=0.1, threads=1, random_state=0).fit(x, y)
    assert len(model.run_.dataset.train) == 12
    assert model.predict(x).tolist() == y.tolist()


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (IRIS.assign(a=[[1]] * 150), SPECIES, "it holds list"),
        (IRIS, SPECIES + 0.5, "Unknown label type"),
        (IRIS, np.zeros(150), "y holds one class: 0.0"),
        (IRIS, SPECIES[:100], "inconsistent numbers of samples"),
        (IRIS, np.where(SPECIES == 0, "a", ""), "the label '' in row|is empty"),
        (np.where(IRIS > 7, 1e300, IRIS), SPECIES, "too large numbers"),
        ({"a": [1, 2]}, [0, 1], "dict"),
    ],
)  # fmt: skip
def test_mistakes_are_value_errors(x, y, message):
    with pytest.raises((ValueError, TypeError), match=message):
        EdgesoftClassifier(**QUICK).fit(x, y)


@pytest.mark.parametrize(("number", "message"), [(3e38, "X holds numbers beyond"), (1e300, "not a finite float32")])
def test_numbers_that_leave_float32_are_refused(fitted, number, message):
    with pytest.raises(ValueError, match=message), pytest.warns(UserWarning, match="feature names"):
        fitted.predict(np.full((1, 4), number))


def test_progress_goes_to_stderr_when_asked_for(capsys):
    EdgesoftClassifier(**QUICK).fit(IRIS, SPECIES)
    assert capsys.readouterr() == ("", "")
    EdgesoftClassifier(**QUICK, verbose=True).fit(IRIS, SPECIES)
    out, err = capsys.readouterr()
    assert out == ""
    assert "epoch 8/8  loss" in err


def test_without_scikit_learn_one_line_says_what_to_install():
    script = BLOCKED.format(names=["sklearn"]) + "import edgesoft.sklearn"
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment())
    assert process.stderr.splitlines()[-1] == (
        "ImportError: edgesoft.sklearn needs scikit-learn 1.6 or newer. Install it: pip install scikit-learn"
    )
