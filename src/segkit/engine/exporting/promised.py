"""The margins that go with an exported network, where its run carries a certificate."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

from segkit.engine import certificate as certificates
from segkit.engine import register
from segkit.engine.certificate import Certificate
from segkit.engine.exporting.subject import Subject
from segkit.errors import UsageError


def promised(subject: Subject, target: str, given: Path | None = None) -> tuple[Subject, str]:
    """The subject with its certificate, and why it has none though there is one.

    A certificate that was named (`given`) and promises nothing here is an error.
    """
    if not subject.card["trained"]:
        if given is not None:
            raise UsageError(
                "--certificate goes with a trained network", f"{target} has no weights"
            )
        return subject, ""
    found = certificates.find(target, given)
    if found is None:
        return subject, ""
    wrong = _misfit(found, subject, target)
    if wrong and given is not None:
        raise UsageError("the certificate promises nothing here", wrong, "Certify it again.")
    return (subject, wrong) if wrong else (replace(subject, certificate=found), "")


def _misfit(found: Certificate, subject: Subject, target: str) -> str:
    card = subject.card
    asked = SimpleNamespace(
        size=tuple(card["size"]), resize=card["resize"], threshold=card["threshold"], tta="none"
    )
    folds = len(sorted(register.place(target).rglob("best.safetensors")))
    if folds > 1:
        return f"it is for {folds} folds together, and the file holds one"
    if card["precision"] != "float32":
        return f"it is for float32, and the file is {card['precision']}"
    return found.misfit(asked) or certificates.stale(found, target)
