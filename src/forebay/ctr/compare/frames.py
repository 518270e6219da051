"""The baselines: what a careful user of pandas, pyarrow and scikit-learn writes. No part of forebay is in their way.

No label of a test row, nor of a row itself, gets into a feature of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as csv
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import TargetEncoder

from forebay.ctr.baseline import baseline
from forebay.ctr.compare.answer import Answer
from forebay.ctr.compare.given import given
from forebay.ctr.metrics import measure
from forebay.ctr.schema import CATEGORIES, COLUMNS, INTEGERS, LABEL
from forebay.ctr.source import Day
from forebay.ctr.stages import Progress, Stages

TREES: Final = 10
DEPTH: Final = 10
PATIENCE: Final = 20
"""Rounds without a smaller loss on the validation rows, as forebay's own."""
_RARE_ROWS: Final = 10
_FOLDS: Final = 5

Features = tuple[NDArray[np.float32], NDArray[np.uint8]]
"""(n, features) and (n,) labels"""


def pandas_forest(folder: Path, *, seed: int, progress: Progress) -> Answer:
    """The report's way: one core, 64-bit floats, all rows in one frame."""
    report = baseline(folder, seed=seed, jobs=None, progress=progress)
    return Answer(train_rows=report.train_rows, seconds=report.seconds, metrics=report.metrics)


def tuned_forest(folder: Path, *, seed: int, progress: Progress) -> Answer:
    """The same forest from the same integers, read by Arrow into 32-bit floats and fitted on all cores."""
    stages, days = Stages(), given(folder)
    with stages.stage("read"):
        train, test = (_integers(_read(each, INTEGERS)) for each in (days.train, [days.test]))
    progress("read", 1, 3)
    forest = RandomForestClassifier(max_depth=DEPTH, n_estimators=TREES, n_jobs=-1, random_state=seed)
    with stages.stage("fit"):
        forest.fit(*train)
    progress("fit", 2, 3)
    with stages.stage("predict"):
        predictions = forest.predict_proba(test[0])[:, 1]
    progress("predict", 3, 3)
    return Answer(train_rows=train[1].size, seconds=stages.seconds, metrics=measure(test[1], predictions))


def sklearn_boosting(folder: Path, *, rounds: int, seed: int, progress: Progress) -> Answer:
    """HistGradientBoosting on 65 features: integers (blanks as they are), and of each category its target rate and
    count. A train row's rate comes from the other folds (sklearn's TargetEncoder), a later row's from all before its
    day. The validation rows, where there are some, end it early."""
    stages, days = Stages(), given(folder)
    with stages.stage("read"):
        tables = [_read(each, (*INTEGERS, *CATEGORIES)) for each in (days.train, *([day] for day in days.later))]
    progress("read", 1, 4)
    with stages.stage("features"):
        train, *later = _with_categories(tables, seed)
    progress("features", 2, 4)
    model = HistGradientBoostingClassifier(
        max_iter=rounds, early_stopping=len(later) > 1, n_iter_no_change=PATIENCE, random_state=seed
    )
    with stages.stage("fit"):
        validation = dict(zip(("X_val", "y_val"), later[0], strict=True)) if len(later) > 1 else {}
        model.fit(*train, **validation)
    progress("fit", 3, 4)
    with stages.stage("predict"):
        predictions = model.predict_proba(later[-1][0])[:, 1]
    progress("predict", 4, 4)
    return Answer(train_rows=train[1].size, seconds=stages.seconds, metrics=measure(later[-1][1], predictions))


def _read(days: Sequence[Day], columns: Sequence[str]) -> pa.Table:
    """Label and columns; integers as float32 with nulls, categories as dictionary codes of their text."""
    kinds: dict[str, pa.DataType] = {LABEL: pa.uint8()} | dict.fromkeys(INTEGERS, pa.float32())
    kinds |= dict.fromkeys(CATEGORIES, pa.dictionary(pa.int32(), pa.string()))
    convert = csv.ConvertOptions(
        column_types=kinds, include_columns=[LABEL, *columns], strings_can_be_null=True, null_values=[""]
    )
    names = csv.ReadOptions(column_names=list(COLUMNS))
    parse = csv.ParseOptions(delimiter="\t")
    tables = [csv.read_csv(day.path, read_options=names, parse_options=parse, convert_options=convert) for day in days]
    return pa.concat_tables(tables)


def _integers(table: pa.Table) -> Features:
    """(n, 13) with blanks as 0, and (n,) labels."""
    matrix = np.empty((table.num_rows, len(INTEGERS)), np.float32)
    for place, field in enumerate(INTEGERS):
        matrix[:, place] = pc.fill_null(table[field], 0).to_numpy()
    return matrix, table[LABEL].to_numpy()


def _with_categories(tables: Sequence[pa.Table], seed: int) -> list[Features]:
    """Of the first table, which is of the train rows, and of later ones: their rates from all tables before them, as
    in deployment and as forebay's own, their counts, which must not grow with the days, from the first."""
    labels = [table[LABEL].to_numpy() for table in tables]
    integers = [_column_matrix([table[field].to_numpy() for field in INTEGERS]) for table in tables]
    codes = [_codes([table[field] for table in tables]) for field in CATEGORIES]
    counts = [_train_counts(each) for each in codes]
    known = [
        np.column_stack([_rare_together(each[place], count) for each, count in zip(codes, counts, strict=True)])
        for place in range(len(tables))
    ]
    encoder = TargetEncoder(target_type="binary", cv=StratifiedKFold(_FOLDS, shuffle=True, random_state=seed))
    rates = [encoder.fit_transform(known[0], labels[0])]
    for place in range(1, len(tables)):
        encoder.fit(np.concatenate(known[:place]), np.concatenate(labels[:place]))
        rates.append(encoder.transform(known[place]))
    shown = [
        _column_matrix([count[each[place] + 1] for each, count in zip(codes, counts, strict=True)])
        for place in range(len(tables))
    ]
    matrices = [
        np.hstack([numbers, rate.astype(np.float32), count], dtype=np.float32)
        for numbers, rate, count in zip(integers, rates, shown, strict=True)
    ]
    return list(zip(matrices, labels, strict=True))


def _column_matrix(columns: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
    return np.column_stack(columns).astype(np.float32, copy=False)


def _codes(columns: Sequence[pa.ChunkedArray]) -> list[NDArray[np.int64]]:
    """One number for one text in all columns; a blank is -1."""
    together = pa.chunked_array([chunk for column in columns for chunk in column.chunks]).unify_dictionaries()
    codes = [chunk.indices.fill_null(-1).to_numpy(zero_copy_only=False) for chunk in together.chunks]
    ends = np.cumsum([len(column) for column in columns])[:-1]
    return np.split(np.concatenate(codes).astype(np.int64), ends)


def _train_counts(codes: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """How many train rows have the category, at its code + 1."""
    top = max(int(each.max(initial=-1)) for each in codes)
    return np.bincount(codes[0] + 1, minlength=top + 2)


def _rare_together(codes: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rare and unseen categories share the code -2: the encoder is quicker, and learns nothing from single rows."""
    return np.where(counts[codes + 1] >= _RARE_ROWS, codes, -2)
