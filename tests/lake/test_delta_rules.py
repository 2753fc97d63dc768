"""Tables of Delta Lake with rules about their rows: what etlrun cannot verify is refused, and nothing is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable, Field, Schema, TableFeatures
from deltalake.schema import PrimitiveType, StructType
from lake_tables import FIRST, at, publication, rows_of

from etlrun.failures import RunFailure
from etlrun.lake.commits import Write
from etlrun.lake.delta_log import foresee, publish
from etlrun.language.columns import BIGINT, STRING, Column, Columns

WRITES = [Write("append"), Write("replace"), Write("merge", key=("units",))]
CONDITION = {"delta.invariants": '{"expression":{"expression":"units > 0"}}'}


def table(root: Path, nullable: bool = True, rule: dict[str, str] | None = None, **properties: str) -> DeltaTable:
    units = Field("units", PrimitiveType("long"), nullable=nullable, metadata=rule or {"comment": "sold"})
    month = Field("month", PrimitiveType("string"))
    return DeltaTable.create(root, Schema([month, units]), configuration=properties)


def constrained(root: Path) -> None:
    table(root).alter.add_constraint({"positive": "units > 0"})


def with_feature(root: Path, feature: Any) -> None:
    table(root).alter.add_feature(feature, allow_protocol_versions_increase=True)


def with_struct(root: Path) -> None:
    inner = Field("x", PrimitiveType("long"), metadata=CONDITION)
    DeltaTable.create(root, Schema([Field("units", StructType([inner]))]))


RULES: dict[str, tuple[Callable[[Path], object], str]] = {
    "constraint": (constrained, "the constraint `positive` (units > 0)"),
    "condition": (lambda root: table(root, rule=CONDITION), "a rule for its column `units` (`delta.invariants`)"),
    "condition in a struct": (with_struct, "a rule for its column `units` (`delta.invariants`)"),
    "generated": (lambda root: table(root, rule={"delta.generationExpression": "7"}), "`delta.generationExpression`"),
    "stored names": (lambda root: table(root, **{"delta.columnMapping.mode": "name"}), "stored under other names"),
    "unknown feature": (lambda root: with_feature(root, TableFeatures.RowTracking), "the feature rowTracking"),
    "not null": (lambda root: table(root, nullable=False), "requires a value in `units`"),
}


@pytest.mark.parametrize("write", WRITES, ids=lambda write: write.mode)
@pytest.mark.parametrize("rule", RULES)
def test_a_rule_that_nobody_would_verify_is_refused_before_anything_is_computed(
    tmp_path: Path, rule: str, write: Write
) -> None:
    make, words = RULES[rule]
    make(tmp_path / "t")
    before = DeltaTable(tmp_path / "t").version()
    given = publication(tmp_path, [("2022-04", None if rule == "not null" else -5)])
    for step in (foresee, publish):
        with pytest.raises(RunFailure) as failure:
            step(at(tmp_path / "t"), given, write)
        assert failure.value.code == "table-mismatch" and words in failure.value.message
    assert DeltaTable(tmp_path / "t").version() == before


@pytest.mark.parametrize("write", WRITES, ids=lambda write: write.mode)
def test_a_column_without_nulls_keeps_its_rule_and_its_description(tmp_path: Path, write: Write) -> None:
    root, columns = tmp_path / "t", Columns((Column("month", STRING), Column("units", BIGINT, nullable=False)))
    table(root, nullable=False)
    publish(at(root), publication(tmp_path, [("2022-04", 5)], FIRST, columns), write)
    units = DeltaTable(root).schema().fields[1]
    assert rows_of(root) == [("2022-04", 5)]
    assert (units.nullable, units.metadata) == (False, {"comment": "sold"})


@pytest.mark.parametrize(
    "feature",
    [TableFeatures.CheckConstraints, TableFeatures.GeneratedColumns, TableFeatures.Invariants, TableFeatures.ChangeDataFeed, TableFeatures.AppendOnly],
)  # fmt: skip
def test_a_feature_that_no_column_uses_is_no_obstacle(tmp_path: Path, feature: Any) -> None:
    with_feature(tmp_path / "t", feature)
    publish(at(tmp_path / "t"), publication(tmp_path, [("2022-04", 5)]), Write("append"))
    assert rows_of(tmp_path / "t") == [("2022-04", 5)]
