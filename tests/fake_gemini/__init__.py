"""A server on 127.0.0.1 that speaks the Gemini REST API (and that of Vertex AI), the OpenAI chat API and the Messages API of Anthropic, and misbehaves as told.

It knows the right answer for every key (see `truth`), so that a test can count wrong ones, and remembers how often each key was asked.

    python -m tests.fake_gemini --port 8123 --prompt prompts/keyword_category.md --faults all --seed 3
"""

from .faults import ALL, Fault
from .server import FakeServer
from .truth import Truth

__all__ = ["ALL", "FakeServer", "Fault", "Truth"]
