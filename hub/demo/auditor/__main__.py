"""`python -m hub.demo.auditor FOLDER`: audit a day; exit code 0 only when every promise is shown to hold, 2 without evidence."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from hub.demo.auditor.doors import judge_doors
from hub.demo.auditor.evidence import Evidence, load_evidence
from hub.demo.auditor.finding import Finding, table
from hub.demo.auditor.orders import judge_orders
from hub.demo.auditor.paper import judge_paper
from hub.demo.auditor.sales import judge_lost, judge_served, judge_twice
from hub.demo.auditor.shelves import judge_shelves
from hub.demo.auditor.streams import judge_streams

JUDGES = (
    judge_lost,
    judge_twice,
    judge_paper,
    judge_shelves,
    judge_doors,
    judge_streams,
    judge_served,
    judge_orders,
)


def audit(evidence: Evidence) -> list[Finding]:
    """Return one finding a promise."""
    return [judge(evidence) for judge in JUDGES]


def main() -> int:
    """Audit the folder on the command line."""
    parser = argparse.ArgumentParser(prog="python -m hub.demo.auditor", description="Audit a scripted day.")
    parser.add_argument("folder", type=Path, help="where the evidence lies")
    parser.add_argument("--saved", action="store_true", help="read the feed that an earlier audit kept; needs no cloud")
    args = parser.parse_args()
    try:
        evidence = load_evidence(args.folder, is_saved=args.saved)
    except (OSError, ValueError, KeyError) as err:
        print(
            f"auditor: {args.folder}: no usable evidence ({err!r}); play a day with `storehub demo --once`",
            file=sys.stderr,
        )
        return 2
    findings = audit(evidence)
    kept = json.dumps([asdict(finding) for finding in findings], indent=1, ensure_ascii=False)
    (args.folder / "findings.json").write_text(kept, encoding="utf-8")
    print(table(findings))
    return 0 if all(finding.holds for finding in findings) else 1


if __name__ == "__main__":
    sys.exit(main())
