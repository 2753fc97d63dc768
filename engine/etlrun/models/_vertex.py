"""Gemini on Vertex AI through google-genai: the client of the Gemini API with a project, a location and Google's own sign-in."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator

from etlrun.contracts.model import ModelError
from etlrun.models._gemini import GeminiClient, GeminiSettings  # first: its error names the package to install
from etlrun.models._sanitize import safe_text

import google.auth  # isort: skip
from google import genai  # isort: skip
from google.auth import exceptions as auth_errors  # isort: skip
from google.genai import errors, types  # isort: skip

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
SIGN_IN = "run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS to the file of a service account"


class VertexClient(GeminiClient):
    """An open Gemini model of a Google Cloud project."""

    def __init__(self, settings: GeminiSettings, project: str, location: str) -> None:
        self.project = project
        self.location = location
        super().__init__(settings)

    def opened(self, options: types.HttpOptions) -> genai.Client:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter(
                    "ignore"
                )  # the warning that a user's sign-in has no quota project: the project is given
                credentials, _ = google.auth.default(scopes=[SCOPE], quota_project_id=self.project)
        except auth_errors.GoogleAuthError as error:
            message = f"signing in to Google Cloud is not possible: {safe_text(str(error))}"
            raise ModelError("setup", message, SIGN_IN) from None
        return genai.Client(
            vertexai=True,
            credentials=credentials,
            project=self.project,
            location=self.location,
            http_options=options,
        )

    @contextlib.contextmanager
    def translated(self, *, may_be_billed: bool) -> Iterator[None]:
        try:
            with super().translated(may_be_billed=may_be_billed):
                yield
        except auth_errors.TransportError as error:
            raise ModelError("service", f"Google's sign-in cannot be reached: {safe_text(str(error))}") from None
        except auth_errors.GoogleAuthError as error:
            raise ModelError("access", f"Google's sign-in failed: {safe_text(str(error))}", SIGN_IN) from None

    def from_api(self, error: errors.APIError) -> ModelError:
        found = super().from_api(error)
        if found.cause != "access":
            return found
        fix = f"give the account the role Vertex AI User in the project `{self.project}`, and enable the Vertex AI API there"
        return ModelError("access", f"the service rejects the account: {found.message.partition(': ')[2]}", fix)
