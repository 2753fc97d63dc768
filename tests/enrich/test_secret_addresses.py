"""The address of a model may hold a key; no failure names it."""

from __future__ import annotations

import asyncio

import posing
import pytest

from etlrun.contracts.model import ModelError
from etlrun.models.openai import Openai


@pytest.mark.parametrize("url", ["http://u:planted-key@127.0.0.1:1/v1", "http://127.0.0.1:1/v1?key=planted-key"])
def test_a_service_that_is_not_there_is_named_without_what_its_address_hides(url: str) -> None:
    client = Openai(model="m", url=url).open(posing.as_written)
    with pytest.raises(ModelError) as caught:
        asyncio.run(client.check())
    assert "planted-key" not in str(caught.value) + caught.value.fix
    assert "http://127.0.0.1:1/v1" in caught.value.fix
