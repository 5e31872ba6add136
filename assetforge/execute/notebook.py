"""Takes down what a step notes of its result while it runs."""

from __future__ import annotations

import json

from assetforge.errors import StepError
from assetforge.steps import JSON
from assetforge.store.notes import Notes


class Notebook:
    """The notes of one run of one step."""

    def __init__(self, step: str) -> None:
        self._where = f"step {step!r}"
        self._values: dict[str, JSON] = {}
        self._flags: dict[str, None] = {}

    def note(self, name: str, value: JSON) -> None:
        """Take down a value; raise StepError where JSON cannot hold it."""
        self._check_text(name, "a note's name")
        try:
            text = json.dumps(value, allow_nan=False, ensure_ascii=False)
            text.encode()  # half characters of broken file names cannot be written anywhere
        except (TypeError, ValueError, RecursionError) as error:
            instead = "note finite numbers, words, lists and mappings"
            raise StepError(self._where, f"noted {name!r} with what JSON cannot hold ({error})", instead) from error
        self._values[name] = json.loads(text)  # as it will be read, and a copy: what was noted stays as it was

    def flag(self, text: str) -> None:
        """Take down why the result is doubtful, once."""
        self._check_text(text, "a flag")
        self._flags[text] = None

    def clear(self) -> None:
        """Begin anew, as the step does."""
        self._values.clear()
        self._flags.clear()

    @property
    def notes(self) -> Notes:
        """What was taken down."""
        return Notes(dict(self._values), tuple(self._flags))

    def _check_text(self, text: object, what: str) -> None:
        try:
            right = isinstance(text, str) and bool(text.encode())
        except UnicodeEncodeError:
            right = False
        if not right:
            raise StepError(self._where, f"gave {text!r} as {what}", "give a text")
