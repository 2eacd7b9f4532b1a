"""From facts to metrics, by the questions of Metrics Reloaded (Maier-Hein, Reinke et al., Nature
Methods 21 (2024) 195, doi:10.1038/s41592-023-02151-z): an overlap and a boundary metric, what a
structure's shape adds, and what its size forbids. Bounds on the facts are ours.
"""

from __future__ import annotations

from dataclasses import dataclass

from segkit.metrics.advising.facts import Facts

TUBE = 5.0  # length over width of a part from which a structure is a tube
SMALL = 0.25  # Dice that one pixel of outline costs from which overlap says little
MANY = 3.0  # parts in a picture from which each counts for itself
UNEQUAL = 20.0  # ratio of large to small parts from which a sum over pixels hides the small ones
EMPTY = 0.01


@dataclass(frozen=True)
class Advice:
    """A metric as segkit names it, what it is for, and the fact that asks for it."""

    metric: str
    role: str  # "overlap", "boundary", "beside", "apart" or "avoid"
    reason: str


def advise(facts: Facts, exact: bool = False, instances: bool | None = None) -> list[Advice]:
    """The pair first. `exact`: the reference is right to the pixel; `instances`: objects are
    counted one by one (None: where a picture has several of a compact form).
    """
    tube = facts.elongation >= TUBE
    single = (facts.objects >= MANY and not tube) if instances is None else instances
    return [
        _overlap(facts, tube, single),
        _boundary(facts, exact),
        *_of_objects(facts, tube, single),
        *_of_shape(facts, tube),
        *_of_empty(facts),
        *_against(facts, tube or single),
    ]


def _overlap(facts: Facts, tube: bool, single: bool) -> Advice:
    if tube:
        length = f"a part is {facts.elongation:.0f} times as long as wide"
        return Advice("cldice", "overlap", f"tubes ({length}): the centre line is what counts")
    if single:
        parts = f"{facts.objects:g} parts in a picture"
        return Advice("pq", "overlap", f"{parts}: found or missed counts per object, with its IoU")
    reason = "compact structures, counted together: the mean per picture"
    if facts.rim >= SMALL:
        reason += f"; {_cost(facts)}, so read the boundary first"
    return Advice("dice_image", "overlap", reason)


def _cost(facts: Facts) -> str:
    return f"an outline one pixel inside costs {100 * facts.rim:.0f} points of Dice"


def _boundary(facts: Facts, exact: bool) -> Advice:
    if not exact:
        reason = "the reference is not right to the pixel: give its doubt as --tolerance"
        return Advice("nsd", "boundary", reason)
    if facts.rim >= SMALL:
        reason = "an exact reference, small structures: a mean distance, which one point moves less"
        return Advice("assd", "boundary", reason)
    reason = "an exact reference: the far points count, but for the last twentieth"
    return Advice("hd95", "boundary", reason)


def _of_objects(facts: Facts, tube: bool, single: bool) -> list[Advice]:
    found = []
    if single:
        found.append(
            Advice("object_f1", "beside", "how many objects are found, without the overlap")
        )
        found.append(Advice("aji", "beside", "touching objects that were joined or split"))
    if facts.sizes >= UNEQUAL and facts.objects > 1 and not tube:
        ratio = f"the largest tenth of the parts is {facts.sizes:.0f} times the smallest"
        found.append(Advice("component_dice", "beside", f"{ratio}: small ones vanish in a sum"))
    return found


def _of_shape(facts: Facts, tube: bool) -> list[Advice]:
    if not tube:
        return []
    return [
        Advice("betti_error", "beside", "breaks and bridges of a tube: the number of parts"),
        Advice("auc_pr", "beside", "thin structures are rare pixels: without a threshold"),
    ]


def _of_empty(facts: Facts) -> list[Advice]:
    if facts.empty < EMPTY:
        return []
    share = f"{100 * facts.empty:.0f} % of the pictures have none"
    reason = f"{share}: Dice is there 0 or 1; say how many were seen as empty (`empty`)"
    return [Advice("sen_image", "apart", reason)]


def _against(facts: Facts, shaped: bool) -> list[Advice]:
    found = [Advice("acc_image", "avoid", "background decides it, whatever the network does")]
    if facts.rim >= SMALL and shaped:
        found.append(Advice("dice_image", "avoid", f"{_cost(facts)}: not alone at this size"))
    return found
