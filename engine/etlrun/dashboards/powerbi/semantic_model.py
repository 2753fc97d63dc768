"""The semantic model of a dashboard: one table with its columns and measures, in TMDL."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from etlrun.dashboards.checked import CheckedDashboard, ShownColumn, format_of
from etlrun.dashboards.measures import LargestOfColumn, LargestOfGroup
from etlrun.dashboards.powerbi.dax import Dax
from etlrun.dashboards.powerbi.power_query import RowSource, is_fixed, literal, query
from etlrun.language.columns import Column

HELD = ("boolean", "tinyint", "smallint", "int", "bigint", "float", "double", "decimal", "string", "date", "timestamp")


@dataclass(frozen=True)
class ModelMeasure:
    """A measure as the model has it."""

    name: str
    dax: str
    format: str
    description: str


@dataclass(frozen=True)
class SemanticModel:
    """The names that a report can use: the table, its columns, and its measures by their name in the dashboard.

    `shown` are measures for columns of the table of rows whose numbers are divided or formatted.
    """

    table: str
    columns: tuple[Column, ...]
    measures: Mapping[str, ModelMeasure]
    shown: Mapping[ShownColumn, ModelMeasure]
    key: tuple[str, ...]


def make_model(dashboard: CheckedDashboard) -> SemanticModel:
    """The model of a dashboard. Names differ from each other and from the columns, whatever their case."""
    columns = tuple(column for column in dashboard.columns if column.type.name in HELD)
    names = _Names(column.name for column in columns)
    measures = dashboard.spec.measures
    named = {name: names.free(measure.label) for name, measure in measures.items()}
    dax = Dax(dashboard.table, named)
    made = {}
    for name, measure in measures.items():
        formula = dashboard.formulas[name]
        form = "" if isinstance(formula, (LargestOfColumn, LargestOfGroup)) else format_string(format_of(measure))
        made[name] = ModelMeasure(named[name], dax.formula(formula), form, measure.description or measure.label)
    shown = {
        item: ModelMeasure(
            names.free(item.label), dax.sum((item.name,), item.divisor), format_string(item.format), item.name
        )
        for columns_shown in dashboard.tables.values()
        for item in columns_shown
        if item.divisor != 1 or item.format
    }
    return SemanticModel(
        dashboard.table, columns, made, shown, dashboard.key or tuple(column.name for column in columns)
    )


def format_string(form: str) -> str:
    """A format of dashboards as Power BI writes it. `short` is left to the visual, which shortens numbers itself."""
    kind, _, digits = form.partition(" ")
    places = "." + "0" * int(digits) if digits and digits != "0" else ""
    return f"0{places}%" if kind == "percent" else f"#,0{places}"


def model_files(model: SemanticModel, source: RowSource, seed: str) -> dict[str, str]:
    """The files of the model's folder, by their path in it. Identifiers are made from `seed` and the names."""
    order = json.dumps([*(parameter.name for parameter in source.parameters), model.table], ensure_ascii=False)
    expressions = "".join(
        f"expression {parameter.name} = {literal(parameter.value)}"
        ' meta [IsParameterQuery=true, Type="Text", IsParameterQueryRequired=true]\n'
        f"\tlineageTag: {identifier(seed, 'parameter', parameter.name)}\n\n\tannotation PBI_ResultType = Text\n\n"
        for parameter in source.parameters
    )
    head = (
        "model Model\n\tculture: en-US\n\tdefaultPowerBIDataSourceVersion: powerBI_V3\n\tdiscourageImplicitMeasures\n"
        f"\tsourceQueryCulture: en-US\n\nannotation PBI_QueryOrder = {order}\n\nref table {quoted(model.table)}\n\n"
    )
    return {
        "definition/database.tmdl": "database\n\tcompatibilityLevel: 1567\n\n",
        "definition/model.tmdl": head,
        "definition/expressions.tmdl": expressions,
        f"definition/tables/{_file(model.table)}.tmdl": _table(model, source, seed),
    }


def _file(table: str) -> str:
    """A file name for a table; Power BI names it so too where the name is a plain one."""
    return table if re.fullmatch(r"[A-Za-z0-9_]{1,40}", table) else "rows"


def _table(model: SemanticModel, source: RowSource, seed: str) -> str:
    lines = [f"table {quoted(model.table)}", f"\tlineageTag: {identifier(seed, 'table', model.table)}", ""]
    for measure in (*model.measures.values(), *model.shown.values()):
        lines += _measure(measure, seed)
    for column in model.columns:
        lines += _column(column, seed)
    lines += [f"\tpartition {quoted(model.table)} = m", "\t\tmode: import", "\t\tsource ="]
    lines += [f"\t\t\t\t{line}" for line in query(source, model.columns, model.key)]
    return "\n".join([*lines, "", "\tannotation PBI_ResultType = Table", "", ""])


def _measure(measure: ModelMeasure, seed: str) -> list[str]:
    name, lines = quoted(measure.name), measure.dax.split("\n")
    written = [f"\tmeasure {name} = {lines[0]}"]
    if len(lines) > 1:
        written = [f"\tmeasure {name} =", *(f"\t\t\t{line}" for line in lines)]
    form = [f"\t\tformatString: {measure.format}"] if measure.format else []
    tag = f"\t\tlineageTag: {identifier(seed, 'measure', measure.name)}"
    return [f"\t/// {one_line(measure.description)}", *written, *form, tag, ""]


def _column(column: Column, seed: str) -> list[str]:
    name = column.type.name
    if column.type.is_integer:
        kind = "int64"
    elif column.type.is_numeric:
        kind = "decimal" if is_fixed(column.type) else "double"
    else:
        kind = {"boolean": "boolean", "date": "dateTime", "timestamp": "dateTime"}.get(name, "string")
    form = {"date": ["\t\tformatString: yyyy-mm-dd"], "timestamp": ["\t\tformatString: yyyy-mm-dd hh:nn:ss"]}.get(
        name, []
    )
    return [
        f"\tcolumn {quoted(column.name)}",
        f"\t\tdataType: {kind}",
        *form,
        f"\t\tlineageTag: {identifier(seed, 'column', column.name)}",
        "\t\tsummarizeBy: none",
        f"\t\tsourceColumn: {column.name}",
        "",
        "\t\tannotation SummarizationSetBy = Automatic",
        "",
    ]


class _Names:
    """Names that are taken, without their case; columns come first."""

    def __init__(self, taken: Iterable[str]) -> None:
        self.taken = {name.casefold() for name in taken}

    def free(self, label: str) -> str:
        wanted, number = one_line(label), 1
        found = wanted
        while found.casefold() in self.taken:
            number += 1
            found = f"{wanted} ({number})"
        self.taken.add(found.casefold())
        return found


def one_line(text: str) -> str:
    return " ".join(text.split())


def quoted(name: str) -> str:
    """A name in TMDL."""
    return "'" + name.replace("'", "''") + "'"


def identifier(*parts: str) -> str:
    """An identifier that is the same for the same names."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "etlrun/" + "/".join(parts)))
