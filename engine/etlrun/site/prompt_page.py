"""The page of a prompt: the question, possible answers, examples, and the steps that use it."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from etlrun.site.addresses import pipeline_address
from etlrun.site.facts import SiteFacts
from etlrun.site.html_tree import Child, element, link, listed, section, table
from etlrun.site.shell import page
from etlrun.spec.normal_form import readable
from etlrun.spec.prompt_reader import Example


def prompt_page(facts: SiteFacts, name: str) -> str:
    """The page."""
    prompt, file = facts.prompts[name], f"prompts/{name}.md"
    used = [link(f"../{pipeline_address(pipeline)}", pipeline) for pipeline in facts.users_of(file)]
    outputs: list[Child] = [
        section(f"Answers: {output.name}", element("pre", output.wording())) for output in prompt.outputs
    ]
    return page(
        name,
        facts.title,
        1,
        element("p", prompt.task),
        element("p", f"In {file}; it is asked about {', '.join(prompt.keys)}.", class_="dim"),
        section("Used by", listed(used)) if used else None,
        outputs,
        section("Examples", _examples(prompt.examples)) if prompt.examples else None,
        section("Questions whose answers are known", _examples(prompt.canaries)) if prompt.canaries else None,
        section("Instructions", element("pre", prompt.instructions)) if prompt.instructions.strip() else None,
    )


def _examples(examples: Sequence[Example]) -> Element:
    rows = [
        (readable(one.key), ", ".join(f"{name}: {answer}" for name, answer in one.answer.items())) for one in examples
    ]
    return table(("key", "answer"), rows)
