"""Check tests: compare every name, row and answer of a `*.test.yaml` with its pipeline, without an engine."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from etlrun.compiler.case_rows import Expected, Given, RowReader
from etlrun.compiler.check import Checked
from etlrun.compiler.plan import Plan, make_plan
from etlrun.compiler.producers import check_file
from etlrun.diagnostics import Diagnostic, SpecError, closest, nearest, shortened
from etlrun.spec.cases import Case, CaseFile, is_pipeline_file, pipelines_below, read_cases
from etlrun.spec.fields import AnswerRow
from etlrun.spec.located import Keys
from etlrun.spec.normal_form import BAR, PART
from etlrun.spec.outputs import SEPARATOR, LabelOutput, NotAllowed, Output, Text, Value, refusal
from etlrun.spec.params import ParamError, read_value
from etlrun.spec.personal_kinds import Policy, asked_form
from etlrun.spec.project import Project
from etlrun.spec.project_file import find_project
from etlrun.spec.prompts import load_prompt


@dataclass(frozen=True)
class Listed:
    """The answers of a test for one prompt, by the normal form of the key (None: no model knows the answer), and the prompt's outputs."""

    outputs: tuple[Output, ...]
    answers: Mapping[str, Mapping[str, Value] | None]


@dataclass(frozen=True)
class CheckedCase:
    """A test without mistakes, and the pipeline with the params of the test.

    `verdicts` is the expected result of each relation's checks, by kind.
    """

    file: CaseFile
    case: Case
    checked: Checked
    plan: Plan
    given: Mapping[str, Given]
    listed: Mapping[str, Listed]
    expected: Mapping[str, Expected]
    verdicts: Mapping[tuple[str, str], bool]

    @property
    def targets(self) -> tuple[str, ...]:
        """The relations whose rows the test compares or checks."""
        return _targets(self.checked, self.case)


@dataclass(frozen=True)
class CheckedCases:
    """The tests of a file, and warnings about them."""

    cases: tuple[CheckedCase, ...]
    warnings: tuple[Diagnostic, ...]


def check_cases(path: Path, profile: str = "") -> CheckedCases:
    """Read and check a file of tests with its pipeline. Raises SpecError with every mistake of both."""
    project = find_project(path)
    file = read_cases(path, project)
    found = _pipeline_file(file, project)
    if isinstance(found, Diagnostic):
        raise SpecError([*file.mistakes, found])
    try:
        variants = _Variants(found, profile)
    except SpecError as error:
        raise SpecError([*file.mistakes, *error.diagnostics]) from error
    checkers = [_CaseChecker(file, case, variants) for case in file.tests]
    cases = tuple(checker.case_checked() for checker in checkers)
    problems = [*file.mistakes, *(problem for checker in checkers for problem in checker.problems)]
    if problems:
        raise SpecError(problems)
    return CheckedCases(cases, tuple(sorted(warning for checker in checkers for warning in checker.warnings)))


def _pipeline_file(file: CaseFile, project: Project) -> Path | Diagnostic:
    """The pipeline's file, in the folder of the tests or in pipelines/. Reports a mistake if there is none."""
    known: dict[str, Path] = {}
    for folder, paths in (
        (project.path("pipelines"), pipelines_below(project.path("pipelines"))),
        (file.path.parent, _beside(file.path)),
    ):
        known |= {path.relative_to(folder).with_suffix("").as_posix(): path for path in paths}
    if file.pipeline in known:
        return known[file.pipeline]
    fix = nearest(file.pipeline, known) or f"the pipelines are {shortened(sorted(known))}"
    message = f"there is no pipeline `{file.pipeline}` in pipelines/"
    return file.document.diagnose(
        ("pipeline",), "unknown-pipeline", message, fix if known else "its file is pipelines/NAME.yaml"
    )


def _beside(path: Path) -> Iterator[Path]:
    folder = path.parent
    yield from (found for found in sorted((*folder.glob("*.yaml"), *folder.glob("*.yml"))) if is_pipeline_file(found))


def _targets(checked: Checked, case: Case) -> tuple[str, ...]:
    found = dict.fromkeys(name for name in case.expect if name in checked.columns)
    known = {name.lower(): name for name in checked.columns}
    for relation, kinds in case.checks.items():
        for use in checked.pipeline.checks.get(relation, ()):
            if use.kind in kinds:
                found |= dict.fromkeys([relation, *(known[other.lower()] for other, _ in use.value.reads())])
    return tuple(found)


class _Variants:
    """A pipeline with the params that tests set: checked and planned once for each combination."""

    def __init__(self, path: Path, profile: str) -> None:
        self.path = path
        self.profile = profile
        self.known: dict[tuple[tuple[str, str], ...], tuple[Checked, Plan]] = {}
        self.plain, _ = self.under({})

    def under(self, settings: Mapping[str, str]) -> tuple[Checked, Plan]:
        """Raises SpecError if the settings do not fit, or the pipeline has mistakes."""
        name = tuple(sorted(settings.items()))
        if name not in self.known:
            checked = check_file(self.path, self.profile, settings)
            self.known[name] = (checked, make_plan(checked))
        return self.known[name]


class _CaseChecker:
    """Compares one test with its pipeline, and collects the mistakes."""

    def __init__(self, file: CaseFile, case: Case, variants: _Variants) -> None:
        self.file = file
        self.document = file.document
        self.case = case
        self.problems: list[Diagnostic] = []
        self.warnings: list[Diagnostic] = []
        self.checked, self.plan = variants.under(self._settings(variants.plain))

    def complain(self, at: Keys, code: str, message: str, fix: str = "") -> None:
        self.problems.append(self.document.diagnose((*self.case.where, *at), code, message, fix))

    def complain_of_key(self, at: Keys, code: str, message: str, fix: str = "") -> None:
        self.problems.append(self.document.diagnose_key((*self.case.where, *at), code, message, fix))

    def case_checked(self) -> CheckedCase:
        rows = RowReader(self.document, self.problems)
        sources = self.checked.pipeline.sources
        given = {
            name: rows.given((*self.case.where, "given", name), self.checked.columns[name], is_source=name in sources)
            for name in self._relations("given", self.case.given)
        }
        for name, use in sources.items():
            if name not in given and (own := use.value.own_rows()) is not None:
                given[name] = Given(self.checked.columns[name], own)
        expect = self._relations("expect", self.case.expect)
        expected = {
            name: rows.expected((*self.case.where, "expect", name), self.checked.columns[name]) for name in expect
        }
        verdicts = dict(self._verdicts())
        listed = dict(self._listed())
        self._check_graph()
        return CheckedCase(self.file, self.case, self.checked, self.plan, given, listed, expected, verdicts)

    def _settings(self, plain: Checked) -> dict[str, str]:
        """The settings that fit; reports the others as mistakes."""
        found: dict[str, str] = {}
        params, variables = plain.pipeline.params, plain.project.variables
        for name, text in self.case.set_.items():
            at: Keys = ("set", name)
            try:
                if name in params:
                    read_value(text, params[name].type)
                elif name not in variables:
                    known = (*params, *variables)
                    fix = nearest(name, known) or f"its params are {', '.join(known)}"
                    self.complain_of_key(
                        at, "unknown-param", f"the pipeline `{plain.pipeline.name}` has no param `{name}`", fix
                    )
                    continue
                found[name] = text
            except ParamError as error:
                self.complain(at, "wrong-value", str(error), error.fix)
        missing = [name for name in plain.pipeline.unset if name not in self.case.set_]
        for name in missing:
            self.complain_of_key(
                (), "missing-param", f"the param `{name}` has no value", f"set it in the test: `set: {{{name}: ...}}`"
            )
        return found

    def _relations(self, part: str, named: Iterable[str]) -> Iterator[str]:
        """The names that are relations; reports the others as mistakes."""
        known = (*self.checked.pipeline.sources, *self.checked.pipeline.chains)
        for name in named:
            if name in known:
                yield name
                continue
            fix = nearest(name, known) or "the relations are " + ", ".join(known)
            self.complain_of_key((part, name), "unknown-relation", f"there is no source or step chain `{name}`", fix)

    def _verdicts(self) -> Iterator[tuple[tuple[str, str], bool]]:
        for relation in self._relations("checks", self.case.checks):
            kinds = dict.fromkeys(use.kind for use in self.checked.pipeline.checks.get(relation, ()))
            for kind, finding in self.case.checks[relation].items():
                if kind in kinds:
                    yield (relation, kind), finding == "holds"
                    continue
                fix = nearest(kind, kinds) or (
                    f"its checks are {', '.join(kinds)}" if kinds else "the relation has no checks"
                )
                self.complain_of_key(
                    ("checks", relation, kind), "unknown-kind", f"`{relation}` has no check `{kind}`", fix
                )

    def _check_graph(self) -> None:
        """Verify that the test expects something, and has rows for every source that it needs."""
        if not self.case.expect and not self.case.checks:
            fix = "add the expected rows: `expect: {RELATION: [...]}`"
            self.complain_of_key((), "missing-key", "nothing is expected here", fix)
        for name in self.case.expect:
            if name in self.case.given:
                message = f"`{name}` is given, so the test does not compute it"
                self.complain_of_key(
                    ("expect", name), "wrong-value", message, "expect a relation that is computed from it"
                )
        targets = _targets(self.checked, self.case)
        needed = self.plan.needed(targets, self.case.given)
        meant = {
            *self.case.given,
            *(closest(name, self.checked.columns) for name in self.case.given if name not in self.checked.columns),
        }
        for relation in needed:
            is_read = relation.source is not None and relation.source.value.own_rows() is None
            if is_read and relation.name not in meant:
                at: Keys = ("given",) if self.case.given else ()
                message = (
                    f"{_these(targets)} computed from the source `{relation.name}`, but the test has no rows for it"
                )
                self.complain_of_key(
                    at, "missing-key", message, f"add it below `given:`; `{relation.name}: []` gives it no rows"
                )
        for name in self.case.given:
            if targets and name in self.checked.columns and name not in {relation.name for relation in needed}:
                where = (*self.case.where, "given", name)
                message = f"no expected relation is computed from `{name}`"
                self.warnings.append(
                    self.document.diagnose_key(where, "unused", message, "leave it out", severity="warning")
                )

    def _listed(self) -> Iterator[tuple[str, Listed]]:
        asked: dict[str, dict[Policy, None]] = {}  # by prompt: what its steps say of personal keys
        for relation in self.plan.relations:
            if relation.ask is not None:
                asked.setdefault(relation.ask.prompt, {})[relation.ask.personal] = None
        for prompt in self.case.enrich:
            if prompt not in asked:
                fix = nearest(prompt, asked) or (f"it asks {', '.join(asked)}" if asked else "it asks none")
                message = f"the pipeline `{self.checked.pipeline.name}` does not ask the prompt `{prompt}`"
                self.complain_of_key(("enrich", prompt), "unknown-prompt", message, fix)
        for prompt, policies in asked.items():
            yield prompt, self._answers(prompt, self.case.enrich.get(prompt, {}), policies)

    def _answers(self, prompt: str, answers: Mapping[str, AnswerRow | None], policies: Iterable[Policy]) -> Listed:
        root = self.checked.project.root
        found = load_prompt(root, prompt, os.path.relpath(root / "prompts" / f"{prompt}.md"))
        assert found is not None, "a checked pipeline asks only prompts that exist"
        listed: dict[str, Mapping[str, Value] | None] = {}
        for key in answers:
            at: Keys = ("enrich", prompt, key)
            parts = key.split(BAR) if len(found.keys) > 1 else [key]
            forms = {form for policy in policies if (form := asked_form(PART.join(parts), policy)) is not None}
            if len(parts) != len(found.keys):
                fix = f"write it as `{BAR.join(name.upper() for name in found.keys)}`"
                self.complain_of_key(at, "wrong-value", f"`{key}` is not a key of {len(found.keys)} parts", fix)
            elif not forms:
                fix = "remove it: it is too short, has only digits or is personal"
                self.complain_of_key(at, "wrong-value", f"no model is ever asked about the key `{key}`", fix)
            elif forms <= listed.keys():
                self.complain_of_key(
                    at,
                    "duplicate-name",
                    f"`{key}` is listed twice: different spellings are one key",
                    "remove one of them",
                )
            else:
                answer = answers[key]
                read = None if answer is None else dict(self._answer(answer, found.outputs, at))
                listed.update(dict.fromkeys(forms - listed.keys(), read))
        return Listed(found.outputs, listed)

    def written(self, where: Keys, value: object) -> str:
        """An answer as it is written in the file; `|` separates several labels."""
        if isinstance(value, list):
            return SEPARATOR.join(self.document.scalars.get((*where, index), "") for index in range(len(value)))
        return self.document.scalars.get(where, "")

    def _answer(self, answer: AnswerRow, outputs: tuple[Output, ...], at: Keys) -> Iterator[tuple[str, Value]]:
        names = tuple(output.name for output in outputs)
        for name in answer:
            if name not in names:
                fix = nearest(name, names) or f"the outputs are {', '.join(names)}"
                self.complain_of_key(
                    (*at, name), "unknown-column", f"there is no output `{name}` in the prompt `{at[1]}`", fix
                )
        meant = {closest(name, names) for name in answer if name not in names}
        for output in outputs:
            if answer.get(output.name) is None and output.name in meant:
                continue
            if answer.get(output.name) is None:
                fix = f"add `{output.name}: ...`, or write `{at[-1]}: null` if no model knows the answer"
                self.complain_of_key(at, "missing-key", f"the answer for `{output.name}` is missing", fix)
                continue
            inside = (*at, output.name)
            text = self.written((*self.case.where, *inside), answer[output.name])
            try:
                yield output.name, output.read(text if isinstance(output, (LabelOutput, Text)) else answer[output.name])
            except NotAllowed as error:
                code, message, fix = refusal(output, text, error)
                self.complain(inside, code, message, fix)


def _these(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names) + (" is" if len(names) == 1 else " are")
