"""The certificate that goes with an exported page: the run's own, or one that is named."""

from dataclasses import replace

import pytest

from segkit.engine import certificate
from segkit.engine.certifying.certify import save
from segkit.engine.exporting.promised import promised
from segkit.engine.exporting.subject import find_subject
from segkit.errors import UsageError


@pytest.fixture
def elsewhere(document, tmp_path):
    """A certificate that does not lie in the run."""
    return save(document, tmp_path / certificate.FILE)


def test_the_certificate_beside_the_run_goes_with_it(run, document):
    subject = find_subject(str(run))
    assert promised(subject, str(run)) == (subject, "")
    beside = save(document, run / certificate.FILE)
    try:
        found, wrong = promised(subject, str(run))
    finally:
        beside.unlink()
    assert wrong == ""
    drawing = found.certificate.drawing()
    assert "holds at least 0.8 of the truth" in drawing["promise"]
    assert [row["group"] for row in drawing["margins"]] == ["all", "small", "middle", "large"]
    assert drawing["margins"][0]["outer"] == document["margins"][0]["outer"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"threshold": 0.3}, "threshold"),
        ({"size": [96, 96]}, "size"),
        ({"precision": "fp16"}, "fp16"),
    ],
)
def test_a_certificate_of_something_else_is_said_or_refused(
    run, document, elsewhere, changes, reason
):
    subject = find_subject(str(run))
    other = replace(subject, card=subject.card | changes)
    with pytest.raises(UsageError, match=reason):
        promised(other, str(run), elsewhere.parent)
    beside = save(document, run / certificate.FILE)
    try:
        found, wrong = promised(other, str(run))
    finally:
        beside.unlink()
    assert found.certificate is None
    assert reason in wrong


def test_untrained_networks_have_none(elsewhere):
    subject = find_subject("unet", size=(32, 32), settings={"width": 4, "levels": 2})
    with pytest.raises(UsageError, match="has no weights"):
        promised(subject, "unet", elsewhere)
