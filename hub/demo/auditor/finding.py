"""What an audit found: one finding a promise, and the table that a person reads."""

from dataclasses import dataclass, field

SHOWN_MAX = 3  # offences of a promise that the table names; all are in findings.json


@dataclass(slots=True)
class Finding:
    """A promise held against the evidence; `word` is what its breach is called. Without anything checked it does not hold."""

    number: int
    word: str
    promise: str
    checked: dict[str, int] = field(default_factory=dict)
    offences: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether the promise is shown to hold."""
        return not self.offences and not self.missing

    def count(self, what: str, number: int = 1) -> None:
        """Note that something was checked."""
        self.checked[what] = self.checked.get(what, 0) + number

    def need(self, *whats: str) -> None:
        """Note what the day had to show and did not: of nothing, nothing is proved."""
        self.missing += [what for what in whats if not self.checked.get(what)]

    def blame(self, offence: str) -> None:
        """Note a breach."""
        self.offences.append(offence)


def table(findings: list[Finding]) -> str:
    """Return the summary, the verdict last."""
    width = max(len(finding.promise) for finding in findings)
    lines = []
    for finding in findings:
        checked = ", ".join(f"{number} {what}" for what, number in finding.checked.items()) or "nothing"
        state = "holds" if finding.holds else "BROKEN" if finding.offences else "NOT SHOWN"
        lines.append(f"{finding.number}  {finding.promise:<{width}}  {state:<9}  {checked}")
        lines += [f"      {finding.word}: {offence}" for offence in finding.offences[:SHOWN_MAX]]
        if len(finding.offences) > SHOWN_MAX:
            lines.append(f"      … and {len(finding.offences) - SHOWN_MAX} more, see findings.json")
        if finding.missing and not finding.offences:
            lines.append(f"      the day showed no {', no '.join(finding.missing)}")
    return "\n".join([*lines, verdict(findings)])


def verdict(findings: list[Finding]) -> str:
    """Return the last line."""
    broken = [finding for finding in findings if finding.offences]
    unshown = [finding for finding in findings if finding.missing and not finding.offences]
    if broken:
        return "VERDICT: BROKEN: " + ", ".join(f"{each.word} ({len(each.offences)})" for each in broken)
    if unshown:
        return "VERDICT: NOT SHOWN: promise " + ", ".join(str(each.number) for each in unshown)
    return f"VERDICT: all {len(findings)} promises hold"
