"""`rungway audit`: checks that all keys of an experiment in Redis are consistent."""

from pathlib import Path

from rungway_server.cli.options import Exit, Output
from rungway_server.cli.output import console, count, fail, print_json, table, text
from rungway_server.cli.redis_store import Place, with_redis
from rungway_server.service.port import ExperimentRef
from rungway_server.store.redis.snapshot.audit import Finding, Report
from rungway_server.store.redis.snapshot.audit import audit as audit_stored


def audit(experiment: str, namespace: str, redis: str | None, data: Path | None, output: Output) -> None:
    """Check an experiment and print each invariant with its violations; exits with 1 if there are any."""
    ref = ExperimentRef(namespace, experiment)

    async def work(place: Place) -> Report:
        async with place.router() as router:
            return await audit_stored(router, ref)

    report = with_redis(redis, data, work)
    if output is Output.JSON:
        print_json({"ok": report.ok, "violated": sorted(report.violated), **_plain(report)})
    else:
        _print(report)
    if not report.ok:
        violations = sum(map(len, report.violated.values()))
        raise fail(Exit.REFUSED, f"{count(violations)} violations of {len(report.violated)} invariants")


def _plain(report: Report) -> dict[str, object]:
    return {"experiment": report.experiment, "revision": report.revision, "findings": report.findings}


def _print(report: Report) -> None:
    out, grid = console(), table("", "Invariant")
    for finding in report.findings:
        grid.add_row(_mark(finding), text(finding.sentence))
        for violation in finding.violations:
            grid.add_row("", text(f"- {violation}"))
    out.print(text(f"{report.experiment} at revision {report.revision}"), style="bold")
    out.print("", grid, sep="\n")


def _mark(finding: Finding) -> str:
    if finding.violations:
        return "VIOLATED"
    return "ok" if finding.checked else "not checked"
