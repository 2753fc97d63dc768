"""Every page of a project's documentation, by its path in the folder."""

from __future__ import annotations

from etlrun.collector import not_collecting
from etlrun.site.addresses import case_address, mapping_address, pipeline_address, prompt_address
from etlrun.site.case_page import case_page
from etlrun.site.column_page import column_pages
from etlrun.site.facts import SiteFacts
from etlrun.site.index_page import index_page
from etlrun.site.mapping_page import mapping_page
from etlrun.site.pipeline_page import pipeline_page
from etlrun.site.prompt_page import prompt_page


@not_collecting()
def site_pages(facts: SiteFacts) -> dict[str, str]:
    """The files of the site."""
    found = {"index.html": index_page(facts)}
    found |= {pipeline_address(name): pipeline_page(facts, name) for name in facts.lineage}
    found |= dict(column_pages(facts))
    found |= {
        case_address(one.file, one.case.name): case_page(facts, pipeline, one)
        for pipeline, tests in facts.tests.items()
        for one in tests
    }
    found |= {mapping_address(name): mapping_page(facts, name) for name in facts.mappings}
    found |= {prompt_address(name): prompt_page(facts, name) for name in facts.prompts}
    return found
